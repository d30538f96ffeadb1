"""A write that the database refused dooms all that it belongs to, whoever catches the error (P7, P9)."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from charter_persist import Store, UnitOfWork, connect
from charter_persist.errors import BackendError, CharterError, StorageFullError, TimedOutError
from charter_persist.integrity.verify import verify

LARGE = "x" * 200_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with connect(f"sqlite:///{tmp_path / 'charter.db'}", migrate="upgrade", unit_timeout_s=5.0) as store:
        yield store


@pytest.fixture
def full_store(store: Store) -> Store:
    """One that has room for a few pages more."""
    with store.begin() as uow:
        uow.metadata.set("before", True)
    connection = store._backend.writing_link().connection  # type: ignore[attr-defined]
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 20}")
    return store


def keys(store: Store) -> list[str]:
    """What is there, in a store without a finding."""
    assert verify(store, store_id=store.store_id).findings == ()
    with store.read() as view:
        return [entry.key for entry in view.metadata.iter()]


@pytest.mark.parametrize("by", ["flush", "read"])
def test_a_unit_that_goes_on_after_a_full_disk_does_not_commit(full_store: Store, by: str) -> None:
    def refused(uow: UnitOfWork) -> None:
        uow.metadata.set("small", True)
        uow.flush()
        uow.objects.put("doc", LARGE)
        with pytest.raises(StorageFullError):
            uow.flush() if by == "flush" else list(uow.objects.iter())
        uow.metadata.set("after", True)

    with pytest.raises(CharterError, match="refused") as caught, full_store.begin() as uow:
        refused(uow)
    assert isinstance(caught.value.__cause__, StorageFullError)
    with pytest.raises(CharterError, match="refused"):
        full_store.run(refused)
    assert keys(full_store) == ["before"]


def test_a_unit_that_goes_on_after_an_interrupted_write_does_not_commit(store: Store) -> None:
    with pytest.raises(CharterError, match=r"refused|half-way"), store.begin() as uow:
        uow.metadata.set("small", True)
        uow.flush()
        uow.objects.put_many(("doc", [n, LARGE[:3_000]]) for n in range(900))
        done = threading.Event()

        def interrupt() -> None:
            while not done.wait(0.000_3):
                store.interrupt()

        interrupter = threading.Thread(target=interrupt)
        interrupter.start()
        try:
            with pytest.raises(TimedOutError):
                for n in range(10_000):
                    uow.objects.put_many([("doc", ["more", n, m]) for m in range(100)])
                    uow.flush()
        finally:
            done.set()
            interrupter.join()
        uow.metadata.set("after", True)
    assert keys(store) == []


@pytest.mark.parametrize("flush", [True, False])
def test_a_unit_whose_transaction_the_database_ended_writes_nothing(store: Store, flush: bool) -> None:
    """SQLite may roll back by itself after an error of a read; the rest must not be written statement by statement."""
    with pytest.raises(BackendError), store.begin() as uow:
        uow.metadata.set("before", True)
        uow.flush()
        store._backend.writing_link().connection.execute("ROLLBACK")  # type: ignore[attr-defined]
        uow.metadata.set("after", True)
        if flush:
            uow.flush()
    assert keys(store) == []
    store.run(lambda uow: uow.metadata.set("next", True))
    assert keys(store) == ["next"]


def test_units_that_share_a_commit_do_not_lose_what_one_of_them_could_not_pass_on(full_store: Store) -> None:
    """One fills the disk, another passes its rows on by reading, a third is small: what is told is true of each."""
    held, go = threading.Event(), threading.Event()

    def large(uow: UnitOfWork) -> None:
        held.set()
        assert go.wait(10)
        uow.objects.put("doc", LARGE)
        uow.metadata.set("large", True)

    units = {
        "large": large,
        "reads": lambda uow: len(list(uow.objects.iter())),
        "small": lambda uow: uow.metadata.set("small", True),
    }
    told: dict[str, Any] = {}

    def run(name: str) -> None:
        try:
            told[name] = full_store.run(units[name]).receipt
        except BackendError as exc:
            told[name] = exc

    threads = [threading.Thread(target=run, args=(name,)) for name in units]
    threads[0].start()
    assert held.wait(10)
    for number, thread in enumerate(threads[1:], 1):
        thread.start()
        while len(full_store._batches._queue) < number:  # type: ignore[attr-defined]
            with contextlib.suppress(RuntimeError):
                thread.join(0.001)
    go.set()
    for thread in threads:
        thread.join(20)
    assert isinstance(told["large"], StorageFullError)
    assert (told["small"] is not None) == ("small" in keys(full_store))
    assert keys(full_store) == ["before", "small"]
