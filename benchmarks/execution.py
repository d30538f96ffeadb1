"""Events beside eventsourcing 9.5.6 on SQLite (where it is installed: the extra ``bench``), and messages beside themselves.

The peer keeps WAL and SQLite's default, synchronous=FULL, as we do. Both append to 100 executions in turn.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.measure import Row, Work, alone, compare
from benchmarks.on_sqlite import opened, size
from benchmarks.payload import OBJECT_BYTES, content
from charter_persist import Store
from charter_persist.model.event import Custom

EXECUTIONS = 100
BATCH = 100
STEP = "x" * 415


def event(number: int) -> Custom:
    """An event of about 300 bytes."""
    return Custom("decided", content("event", number))


def in_threads(count: int, call: Callable[[int], None]) -> None:
    """Let each thread make its call."""
    workers = [threading.Thread(target=call, args=(thread,)) for thread in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def appends(store: Store, count: int) -> Work:
    """One event a commit."""

    def work(_number: int) -> int:
        before = size(store)
        for n in range(count):
            with store.begin() as uow:
                uow.events.append(f"execution-{n % EXECUTIONS}", event(n), tenant_id="t")
        return size(store) - before

    return work


def threaded(store: Store, threads: int, count: int) -> Work:
    """One event a unit, of several threads through `run`; each has executions of its own."""

    def work(_number: int) -> int:
        before = size(store)

        def call(thread: int) -> None:
            for n in range(count // threads):
                name = f"execution-{thread}-{n % EXECUTIONS}"
                store.run(lambda uow, n=n, name=name: uow.events.append(name, event(n), tenant_id="t"))  # type: ignore[misc]

        in_threads(threads, call)
        return size(store) - before

    return work


def batches(store: Store, count: int) -> Work:
    """A hundred events of one execution a commit."""

    def work(number: int) -> int:
        before = size(store)
        given = [event(n) for n in range(BATCH)]
        for n in range(count // BATCH):
            with store.begin() as uow:
                uow.events.append_batch(f"batch-{number}-{n % EXECUTIONS}", given, tenant_id="t")
        return size(store) - before

    return work


class Peer:
    """The recorder of eventsourcing over a file."""

    def __init__(self, path: Path) -> None:
        from eventsourcing.persistence import StoredEvent
        from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

        self._event = StoredEvent
        self._recorder: Any = SQLiteApplicationRecorder(SQLiteDatastore(str(path), pool_size=1))
        self._recorder.create_table()
        self._versions: dict[tuple[int, int], int] = {}

    def events(self, thread: int, n: int, count: int) -> list[Any]:
        """The next events of an execution."""
        key = thread, n % EXECUTIONS
        first = self._versions.get(key, 0) + 1
        self._versions[key] = first + count - 1
        name = UUID(int=thread * EXECUTIONS + n % EXECUTIONS + 1)
        return [self._event(name, version, "topic", b"x" * OBJECT_BYTES) for version in range(first, first + count)]

    def stored(self) -> int:
        """How many it has."""
        return int(self._recorder.max_notification_id() or 0)

    def work(self, count: int, *, threads: int = 1, batch: int = 1) -> Work:
        """As the work of ours."""

        def run(_number: int) -> int:
            before = self.stored()

            def call(thread: int) -> None:
                for n in range(count // threads // batch):
                    self._recorder.insert_events(self.events(thread, n, batch))

            in_threads(threads, call)
            return self.stored() - before

        return run


def messages(store: Store, thread_id: str, count: int) -> Work:
    """Messages at the end of a thread, one a commit."""

    def work(_number: int) -> int:
        before = size(store)
        for _ in range(count):
            with store.begin() as uow:
                uow.messages.create_message(thread_id, role="user", content=STEP)
        return size(store) - before

    return work


def talk(store: Store, thread_id: str, steps: int) -> None:
    """A thread of so many messages, each the answer to the one before."""
    with store.begin() as uow:
        uow.messages.create_thread(tenant_id="t", user_id="u", thread_id=thread_id)
    parent = None
    for _ in range(steps):
        with store.begin() as uow:
            parent = uow.messages.create_message(thread_id, role="user", content=STEP, parent_id=parent).id


def run(folder: Path, *, quick: bool) -> Iterator[Row]:
    """All rows of events and messages."""
    rounds, commits, bulk, steps, tail = (2, 40, 400, 20, 5) if quick else (7, 1_500, 40_000, 1_000, 100)
    peer = Peer(folder / "peer.db") if importlib.util.find_spec("eventsourcing") else None

    def beside(name: str, subject: Work, other: Work | None, wanted: str) -> Row:
        if other is None:
            return alone(name, subject, wanted=wanted, rounds=rounds, note="eventsourcing is not installed")
        return compare(name, subject, other, peer_name="eventsourcing", wanted=wanted, rounds=rounds)

    with opened(folder, "events.db") as store:
        theirs = peer.work(commits) if peer else None
        yield beside("Events: append, one a commit", appends(store, commits), theirs, ">= 0.9")
        theirs = peer.work(commits * 2, threads=8) if peer else None
        yield beside("Events: 8 threads through run", threaded(store, 8, commits * 2), theirs, ">= 2")
        theirs = peer.work(bulk, batch=BATCH) if peer else None
        yield beside("Events: 100 a commit", batches(store, bulk), theirs, ">= 100,000/s")
    with opened(folder, "messages.db") as store:
        for n in range(rounds + 1):
            talk(store, f"short-{n}", 10)
        talk(store, "long", steps)
        yield compare(
            f"Messages: append at step {steps:,} beside step 10",
            messages(store, "long", tail),
            lambda number: messages(store, f"short-{number}", tail)(number),
            peer_name="at step 10",
            wanted="~ 1",
            rounds=rounds,
        )
    with opened(folder, "thread.db") as store:
        talk(store, "long", steps)
    taken = (folder / "thread.db").stat().st_size / 1e6
    yield Row(f"Messages: a thread of {steps:,} steps of 415 bytes", f"{taken:.2f} MB", "-", "-", "< 3 MB")
