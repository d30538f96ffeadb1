"""What every provider needs: the settings of a test server, its URL, the wait until it answers, databases on it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import NamedTuple

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url

MAJOR_VERSION_MIN = 15
READY_TIMEOUT_S = 30.0
USER = "charter"
SETTINGS = ("-c", "max_connections=200", "-c", "fsync=on")


class ProviderUnusableError(Exception):
    """This provider cannot give a server here; the message says why."""


class Provided(NamedTuple):
    """What a provider gives: where the server is, what it is, and how to end it (a second call does nothing)."""

    url: str
    description: str
    stop: Callable[[], None]


def create_database(server_url: str, template: str | None = None) -> str:
    """Create an empty database with a name of its own, or a copy of another one.

    Args:
        server_url: URL of any database on the server.
        template: URL of the database to copy; nobody may be connected to it. None: the server's own ``template1``.

    Returns:
        The URL of the new database.
    """
    name = f"test_{uuid.uuid4().hex}"
    source = database_name(template) if template else "template1"
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(source))
    with connect(server_url) as connection:
        connection.execute(statement)
    return text(make_url(server_url).set(database=name))


def drop_database(server_url: str, url: str) -> None:
    """Drop the database at `url`, where it still stands, and end whoever is connected to it.

    Args:
        server_url: URL of another database on the same server.
        url: URL that `create_database` gave.
    """
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database_name(url)))
    with connect(server_url) as connection:
        connection.execute(statement)


def wait_until_ready(url: str, alive: Callable[[], bool]) -> None:
    """Return once the server answers.

    Args:
        url: URL of a database on it.
        alive: Whether it still runs; a server that has ended is not waited for.

    Raises:
        ProviderUnusableError: The server ended, or did not answer within `READY_TIMEOUT_S`.
    """
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        try:
            server_version(url)
        except psycopg.OperationalError as error:
            if not alive():
                raise ProviderUnusableError("the server ended while it started") from error
            if time.monotonic() > deadline:
                raise ProviderUnusableError(f"no answer after {READY_TIMEOUT_S:.0f} s ({error})") from error
            time.sleep(0.05)
        else:
            return


def server_version(url: str) -> str:
    """The version that the server tells: ``15.18 (Debian 15.18-0+deb12u1)``."""
    with connect(url) as connection:
        return connection.info.parameter_status("server_version") or "of unknown version"


def connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    """A connection that commits each statement, as CREATE DATABASE asks for."""
    return psycopg.connect(text(make_url(url).set(drivername="postgresql")), autocommit=True, connect_timeout=5)


def local_url(password: str, port: int) -> str:
    """URL of the maintenance database of a server on this machine."""
    return text(URL.create("postgresql+psycopg", USER, password, "127.0.0.1", port, "postgres"))


def database_name(url: str) -> str:
    """The database that `url` names."""
    return make_url(url).database or ""


def text(url: URL) -> str:
    """The URL as text, password and all."""
    return url.render_as_string(hide_password=False)
