"""Events beside eventsourcing 9.5.6 on SQLite and Postgres, where it is installed: the extra ``bench``.

Two peers: its event store, which is given event values and writes them as JSON as we do, and its recorder alone, which
is given bytes. Both databases are as durable for it as for us: WAL and synchronous=FULL, synchronous_commit=on. All
append to 100 executions in turn. It keeps no journal, no proofs and no order that a follower can rely on.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import make_url

from benchmarks.measure import Row, Work, alone, compare
from benchmarks.on_sqlite import opened, size
from benchmarks.payload import OBJECT_BYTES, content
from charter_persist import Store, connect
from charter_persist.model.event import Custom

EXECUTIONS = 100
BATCH = 100


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


@dataclass
class Decided:
    """An event as the peer has it."""

    originator_id: UUID
    originator_version: int
    content: dict[str, Any]


class Peer:
    """eventsourcing over a recorder.

    Args:
        recorder: over a database.
        encoding: whether it is given values, as its event store is, or bytes.
    """

    def __init__(self, recorder: Any, *, encoding: bool) -> None:
        from eventsourcing.persistence import EventStore, JSONTranscoder, Mapper, StoredEvent

        self._stored: Any = StoredEvent
        self._recorder = recorder
        self._encoding = encoding
        self._put = EventStore(Mapper(JSONTranscoder()), recorder).put if encoding else recorder.insert_events
        self._versions: dict[tuple[int, int], int] = {}

    def _events(self, thread: int, n: int, count: int) -> list[Any]:
        """The next events of an execution."""
        key = thread, n % EXECUTIONS
        first = self._versions.get(key, 0) + 1
        self._versions[key] = first + count - 1
        name = UUID(int=(thread * EXECUTIONS + n % EXECUTIONS) * 2 + self._encoding + 1)
        if self._encoding:
            return [Decided(name, version, content("event", version)) for version in range(first, first + count)]
        return [self._stored(name, version, "topic", b"x" * OBJECT_BYTES) for version in range(first, first + count)]

    def _count(self) -> int:
        return int(self._recorder.max_notification_id() or 0)

    def work(self, count: int, *, threads: int = 1, batch: int = 1) -> Work:
        """As the work of ours."""

        def run(_number: int) -> int:
            before = self._count()

            def call(thread: int) -> None:
                for n in range(count // threads // batch):
                    self._put(self._events(thread, n, batch))

            in_threads(threads, call)
            return self._count() - before

        return run


def peers(recorder: Any) -> list[tuple[str, Peer]]:
    """Both peers over one recorder, with their names; none where there is no recorder."""
    if recorder is None:
        return []
    return [("its event store", Peer(recorder, encoding=True)), ("its recorder", Peer(recorder, encoding=False))]


def sqlite_recorder(path: Path) -> Any:
    """The peer's recorder over a file; None where it is not installed."""
    if importlib.util.find_spec("eventsourcing") is None:
        return None
    from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

    recorder = SQLiteApplicationRecorder(SQLiteDatastore(str(path), pool_size=1))
    recorder.create_table()
    return recorder


@contextmanager
def postgres_recorder(url: str) -> Iterator[Any]:
    """The peer's recorder over a schema of the database; None where it is not installed."""
    if importlib.util.find_spec("eventsourcing") is None or importlib.util.find_spec("psycopg_pool") is None:
        yield None
        return
    from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

    at = make_url(url)
    address = (at.database or "", at.host or "", at.port or 5432, at.username or "", str(at.password or ""))
    datastore = PostgresDatastore(*address, pool_size=8)
    recorder = PostgresApplicationRecorder(datastore)
    recorder.create_table()
    yield recorder
    datastore.close()


@dataclass(frozen=True)
class Amount:
    """How much is done: rounds, commits of one event, events in batches."""

    rounds: int
    commits: int
    bulk: int


def beside(name: str, subject: Work, others: Sequence[tuple[str, Work]], wanted: str, amount: Amount) -> Iterator[Row]:
    """A row for each peer."""
    if not others:
        yield alone(name, subject, wanted=wanted, rounds=amount.rounds, note="eventsourcing is not installed")
    for peer_name, other in others:
        yield compare(f"{name}, {peer_name}", subject, other, peer_name=peer_name, wanted=wanted, rounds=amount.rounds)


def rows(place: str, store: Store, recorder: Any, amount: Amount, wanted: tuple[str, str, str]) -> Iterator[Row]:
    """The rows of one database."""
    both = peers(recorder)
    one, eight, bulk = wanted
    works = [(name, peer.work(amount.commits)) for name, peer in both]
    yield from beside(f"{place} events: one a commit", appends(store, amount.commits), works, one, amount)
    works = [(name, peer.work(amount.commits * 2, threads=8)) for name, peer in both]
    yield from beside(f"{place} events: 8 threads", threaded(store, 8, amount.commits * 2), works, eight, amount)
    works = [(name, peer.work(amount.bulk, batch=BATCH)) for name, peer in both]
    yield from beside(f"{place} events: 100 a commit", batches(store, amount.bulk), works, bulk, amount)


def amount_of(*, quick: bool) -> Amount:
    return Amount(2, 40, 400) if quick else Amount(7, 1_500, 40_000)


def run(folder: Path, *, quick: bool) -> Iterator[Row]:
    """On SQLite."""
    store: AbstractContextManager[Store] = opened(folder, "events.db")
    with store as ours:
        recorder = sqlite_recorder(folder / "peer.db")
        yield from rows("SQLite", ours, recorder, amount_of(quick=quick), (">= 0.9", ">= 2", ">= 100,000/s"))


def run_on_postgres(url: str, *, quick: bool) -> Iterator[Row]:
    """On Postgres."""
    with connect(url) as store, postgres_recorder(url) as recorder:
        yield from rows("Postgres", store, recorder, amount_of(quick=quick), (">= 1.5", ">= 3", "-"))
