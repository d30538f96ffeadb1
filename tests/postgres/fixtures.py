"""Pytest plugin: a Postgres server for the session, a database for the test, and a line that names the server.

Loaded by ``pytest_plugins`` in ``tests/conftest.py``. A test that asks for a database and cannot have one fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import pytest

from tests.postgres.providers import PostgresServer, start_postgres
from tests.postgres.server import create_database, drop_database

_SERVER = pytest.StashKey[PostgresServer]()


class MakePostgresDatabase(Protocol):
    """Makes databases that are dropped after the test."""

    def __call__(self, template: str | None = None) -> str:
        """The URL of a new database: empty, or a copy of the one at the URL `template`."""


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Iterator[PostgresServer]:
    """The one server of the run, started when the first test asks for it."""
    server = start_postgres()
    pytestconfig.stash[_SERVER] = server
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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which server the run used, and why none that is preferred to it."""
    server = config.stash.get(_SERVER, None)
    if server is None:
        return
    terminalreporter.write_line(f"postgres: {server.provider}")
    for reason in server.passed_over:
        terminalreporter.write_line(f"postgres: not used: {reason.splitlines()[0]}")
