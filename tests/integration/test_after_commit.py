"""What SQLite does after a commit cannot take the commit back: the unit has its receipt, the log waits."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path

import pytest

from charter_persist import connect
from charter_persist.backends.sql import sqlite


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "charter.db"
    connect(f"sqlite:///{path}", migrate="upgrade").close()
    monkeypatch.setattr(sqlite, "COMMITS_PER_CHECKPOINT", 1)
    return path


@pytest.mark.spec("P10")
def test_a_unit_is_committed_while_views_hold_every_connection(path: Path) -> None:
    with connect(f"sqlite:///{path}") as store, ExitStack() as views:
        store.run(lambda uow: uow.kv.set("/a", b"1"))
        pool = store._backend._engine.pool  # type: ignore[attr-defined]
        while pool.checkedout() < pool.size() + pool._max_overflow:
            views.enter_context(store.read())
        for number in range(3):
            with store.begin() as uow:
                uow.kv.set("/a", b"%d" % number)
            assert uow.receipt is not None


@pytest.mark.spec("P10")
def test_a_checkpoint_that_cannot_open_the_file_is_logged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    away = path.with_suffix(".away")
    with connect(f"sqlite:///{path}") as store:
        with caplog.at_level(logging.WARNING), store.begin() as uow:
            uow.kv.set("/a", b"1")
            uow.flush()
            path.rename(away)
        away.rename(path)
        assert uow.receipt is not None
        assert "checkpoint failed" in caplog.text
        store.run(lambda uow: uow.kv.set("/a", b"2"))
        with store.read() as view:
            assert view.journal.size() == 2
