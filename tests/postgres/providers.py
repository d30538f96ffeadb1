"""The order of the providers, and the first that works."""

from __future__ import annotations

import atexit
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from tests.postgres.binaries import from_embedded_wheel, from_local_binaries
from tests.postgres.container import from_container
from tests.postgres.server import MAJOR_VERSION_MIN, Provided, ProviderUnusableError, server_version, text

REASONS_TO_PASS_OVER = (ProviderUnusableError, psycopg.Error, OSError, subprocess.SubprocessError)


class NoPostgresError(Exception):
    """No provider gave a server; the message has the reason of each."""


@dataclass(frozen=True)
class PostgresServer:
    """A running server and how to be rid of it.

    Attributes:
        url: SQLAlchemy URL of a database on it, as a user who may create databases.
        provider: What gave it, for a human: ``container (testcontainers, image postgres:15), PostgreSQL 15.18``.
        stop: Ends the server and removes its data; a second call does nothing.
        passed_over: For each provider tried before, its name and why it was not usable.
    """

    url: str
    provider: str
    stop: Callable[[], None]
    passed_over: tuple[str, ...] = ()


def from_url() -> Provided:
    """Reach the server that the developer names; it is never stopped.

    Raises:
        ProviderUnusableError: ``CHARTER_TEST_POSTGRES_URL`` is not set, is no Postgres URL, or the server is too old.
        psycopg.Error: The server does not answer or refuses the user.
    """
    given = os.environ.get("CHARTER_TEST_POSTGRES_URL")
    if not given:
        raise ProviderUnusableError("CHARTER_TEST_POSTGRES_URL is not set")
    try:
        url = make_url(given)
    except ArgumentError as error:
        raise ProviderUnusableError(f"CHARTER_TEST_POSTGRES_URL: {error}") from error
    if url.get_backend_name() != "postgresql":
        raise ProviderUnusableError("CHARTER_TEST_POSTGRES_URL does not begin with postgresql")
    address = text(url.set(drivername="postgresql+psycopg"))
    version = server_version(address)
    if int(version.split(".")[0]) < MAJOR_VERSION_MIN:
        raise ProviderUnusableError(f"the server is PostgreSQL {version}, older than {MAJOR_VERSION_MIN}")
    return Provided(address, "url (CHARTER_TEST_POSTGRES_URL)", lambda: None)


PROVIDERS: dict[str, Callable[[], Provided]] = {
    "url": from_url,
    "container": from_container,
    "local": from_local_binaries,
    "embedded": from_embedded_wheel,
}


def start_postgres() -> PostgresServer:
    """Start, or reach, a Postgres server by the first provider that works.

    The server ends when this process does, however that comes about short of a kill; a forked child ends nothing.

    Returns:
        The server, ready for connections.

    Raises:
        NoPostgresError: No provider worked, or the one forced by ``CHARTER_TEST_POSTGRES`` did not.
    """
    passed_over: list[str] = []
    for name, provide in _chosen().items():
        try:
            provided = provide()
        except REASONS_TO_PASS_OVER as error:
            passed_over.append(f"{name}: {error}")
            continue
        _stop_at_exit(provided.stop)
        description = f"{provided.description}, PostgreSQL {server_version(provided.url)}"
        return PostgresServer(provided.url, description, provided.stop, tuple(passed_over))
    raise NoPostgresError(
        "the tests need a Postgres server and none could be had:\n  "
        + "\n  ".join(passed_over)
        + "\ndocs/how-to/test-against-postgres.md says how to give them one"
    )


def _chosen() -> dict[str, Callable[[], Provided]]:
    forced = os.environ.get("CHARTER_TEST_POSTGRES")
    if not forced:
        return PROVIDERS
    if forced not in PROVIDERS:
        raise NoPostgresError(f"CHARTER_TEST_POSTGRES={forced} is none of {', '.join(PROVIDERS)}")
    return {forced: PROVIDERS[forced]}


def _stop_at_exit(stop: Callable[[], None]) -> None:
    owner = os.getpid()
    atexit.register(lambda: stop() if os.getpid() == owner else None)
