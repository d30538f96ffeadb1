"""Pytest plugin: a Postgres server for the session, a database for the test, and a line that names the server.

Loaded by ``pytest_plugins`` in ``tests/conftest.py``. A test that asks for a database and cannot have one fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import pytest

from tests.postgres.providers import PostgresServer, start_postgres
from tests.postgres.server import create_database, drop_database

_TOLD = pytest.StashKey[list[str]]()


class MakePostgresDatabase(Protocol):
    """Makes databases that are dropped after the test."""

    def __call__(self, template: str | None = None) -> str:
        """The URL of a new database: empty, or a copy of the one at the URL `template`."""


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Iterator[PostgresServer]:
    """The one server of the run, started when the first test asks for it."""
    server = start_postgres()
    pytestconfig.stash[_TOLD] = _lines(server)
    if hasattr(pytestconfig, "workeroutput"):  # of several processes this one runs a part of the tests
        pytestconfig.workeroutput["postgres"] = _lines(server)
    yield server
    server.stop()


@pytest.fixture
def make_postgres_database(postgres_server: PostgresServer) -> Iterator[MakePostgresDatabase]:
    """`make(template=None)`: the URL of a new database; all of them are dropped after the test."""
    made: list[str] = []

    def make(template: str | None = None) -> str:
        made.append(create_database(postgres_server.url, template))
        return made[-1]

    yield make
    for url in made:
        drop_database(postgres_server.url, url)


@pytest.fixture
def postgres_database(make_postgres_database: MakePostgresDatabase) -> str:
    """The URL of an empty database that nothing else uses; dropped after the test."""
    return make_postgres_database()


def _lines(server: PostgresServer) -> list[str]:
    """Which server it is, and why none that is preferred to it."""
    passed_over = [f"postgres: not used: {reason.splitlines()[0]}" for reason in server.passed_over]
    return [f"postgres: {server.provider}", *passed_over]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a process that ran a part of the tests tells of its server."""
    told = getattr(node, "workeroutput", {}).get("postgres")
    if told is not None:
        node.config.stash[_TOLD] = told


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which server the run used, and why none that is preferred to it."""
    for line in config.stash.get(_TOLD, []):
        terminalreporter.write_line(line)
