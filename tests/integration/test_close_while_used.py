"""A store may be closed while other threads use it: they meet typed errors, and every connection is closed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from charter_persist import connect
from charter_persist.backends.sql.sqlite import SqliteBackend
from charter_persist.errors import CharterError, StoreClosedError

ROUNDS = """
import sys, threading
from charter_persist import connect
from charter_persist.errors import CharterError

def write(store, busy, met):
    try:
        while True:
            with store.begin() as uow:
                for number in range(300):
                    uow.kv.set(f"/t{number}", b"x" * 500)
                uow.flush()
                busy.set()
                list(uow.kv.iter("/t"))
    except CharterError as error:
        met.append(error.code)

def read(store, met):
    try:
        while True:
            with store.read() as view:
                list(view.kv.iter("/t"))
    except CharterError as error:
        met.append(error.code)

for _ in range(int(sys.argv[2])):
    store, busy, met = connect(sys.argv[1]), threading.Event(), []
    threads = [threading.Thread(target=write, args=(store, busy, met))]
    threads += [threading.Thread(target=read, args=(store, met)) for _ in range(2)]
    for thread in threads:
        thread.start()
    busy.wait()
    store.close()
    for thread in threads:
        thread.join()
    assert met == ["store-closed"] * 3, met
"""


def survives(url: str, rounds: int) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ROUNDS, url, str(rounds)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.spec("P57")
def test_threads_that_read_and_write_meet_typed_errors_at_close(ledger_url: str) -> None:
    survives(ledger_url, 10)


@pytest.mark.spec("P57")
def test_a_private_store_is_removed_while_threads_read_and_write() -> None:
    survives("sqlite://", 20)


@pytest.mark.spec("P57")
def test_whoever_has_a_unit_open_at_close_closes_its_connection(ledger_url: str) -> None:
    store = connect(ledger_url)
    begun, closed = threading.Event(), threading.Event()
    met: list[CharterError] = []

    def write() -> None:
        try:
            with store.begin() as uow:
                uow.objects.put("doc", 1)
                begun.set()
                closed.wait()
        except CharterError as error:
            met.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    begun.wait()
    store.close()
    writer: Any = store._backend._writer  # type: ignore[attr-defined]
    assert writer.is_valid  # it is not taken from under the unit
    closed.set()
    thread.join()
    assert [type(error) for error in met] == [StoreClosedError]
    assert not writer.is_valid
    with connect(ledger_url) as again, again.begin() as uow:
        uow.objects.put("doc", 2)


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[SqliteBackend]:
    path = tmp_path / "charter.db"
    connect(f"sqlite:///{path}", migrate="upgrade").close()
    backend = SqliteBackend(path)
    yield backend
    backend.close()


def test_a_connection_that_is_given_back_during_close_is_closed(backend: SqliteBackend) -> None:
    gone: list[Any] = []
    sa.event.listen(backend._engine, "checkin", lambda driver, record: backend.close())
    sa.event.listen(backend._engine, "close", lambda driver, record: gone.append(driver))
    view = backend.snapshot()
    driver = view._link.connection
    view.close()
    assert driver in gone
