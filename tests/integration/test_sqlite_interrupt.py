"""An interruption of SQLite's writing connection comes at any time: while it is made ready, and when it is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from charter_persist import connect
from charter_persist.backends.sql.sqlite import SqliteBackend


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[SqliteBackend]:
    path = tmp_path / "a.db"
    connect(f"sqlite:///{path}", migrate="upgrade").close()
    backend = SqliteBackend(path)
    yield backend
    backend.close()


@pytest.mark.parametrize("statement", ["PRAGMA query_only", "PRAGMA busy_timeout"])
def test_a_connection_that_is_made_ready_for_writing_is_not_interrupted(backend: SqliteBackend, statement: str) -> None:
    met: list[str] = []

    def traced(sql: str) -> None:
        if sql.startswith(statement):
            met.append(sql)
            backend.interrupt()

    @sa.event.listens_for(backend._engine, "checkout")
    def watch(driver: Any, _record: Any, _proxy: Any) -> None:
        driver.set_trace_callback(traced)

    transaction = backend.transaction(5.0)
    transaction.rollback()
    assert len(met) == 1


def test_interrupting_a_connection_that_was_just_closed_does_nothing(backend: SqliteBackend) -> None:
    backend.transaction(5.0).rollback()
    backend.writing_link().connection.close()
    backend.interrupt()
