"""P16: under load no call fails because of locks, no writer starves, and readers never wait for writers.

Control: a transaction that reads and then writes without taking the lock first: SQLite's deferred one, and on Postgres
one at REPEATABLE READ.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from itertools import pairwise
from statistics import quantiles

import psycopg
import sqlalchemy as sa

from charter_persist import Store, UnitOfWork
from tests.rounds.clients import BrokenPromiseError, Client, Desk, finished, in_threads, together, until_stopped
from tests.rounds.places import Place, check_journal
from tests.rounds.tally import Program, Tally, floor, keep_on
from tests.rounds.units import in_unit

WRITERS, READERS = 8, 4
SECONDS = 60.0
KEYS = 200
READER_P99_MS, STARVED_S = 250.0, 30.0
UNITS_MIN, READS_MIN = 2_000, 10_000
# What the control does between reading and writing.
BETWEEN_S = 0.001


def write(store: Store, desk: Desk, chance: random.Random, root: str) -> None:
    """Units that read and then write; tell when each was acknowledged."""
    while not desk.is_over():
        keys = [f"{root}/{number:03}" for number in chance.sample(range(KEYS), 3)]

        def change(uow: UnitOfWork, keys: list[str] = keys) -> None:
            for key in keys:
                uow.kv.compare_and_set(key, chance.randbytes(100), expected=uow.kv.version(key))

        in_unit(store, change, shared=chance.random() < 0.5)
        desk.tell(time.monotonic())


def read(store: Store, desk: Desk, chance: random.Random, root: str) -> None:
    """Views with a key and a page; tell how long each took, in milliseconds."""
    while not desk.is_over():
        began = time.monotonic()
        with store.read() as view:
            view.kv.get(f"{root}/{chance.randrange(KEYS):03}")
            view.kv.list(f"{root}/", limit=20)
        desk.tell(round((time.monotonic() - began) * 1000, 2))


def run(place: Place, scale: float) -> Tally:
    began, least = time.monotonic(), (UNITS_MIN * scale, READS_MIN * scale)
    writers = together(place, write, range(WRITERS), place.root)
    readers = together(place, read, range(READERS), place.root)
    with until_stopped([*writers, *readers]):
        for _ in keep_on(SECONDS * scale, lambda: _told(writers) >= least[0] and _told(readers) >= least[1]):
            time.sleep(0.1)
    # A client that met an error, of whatever type, ended with it: that is a call that failed.
    acks = finished(writers)
    reads = [took for lines in finished(readers) for took in lines]
    ended = time.monotonic()
    starved = max(after - before for moments in acks for before, after in pairwise([began, *moments, ended]))
    p99 = quantiles(reads, n=100)[-1]
    tally = Tally(1, sum(map(len, acks)) + len(reads), sum(map(len, acks)))
    floor("units", tally.acks, least[0])
    floor("reads", len(reads), least[1])
    if starved > STARVED_S:
        raise BrokenPromiseError(f"a writer had no turn for {starved:.1f} s")
    # On a small scale the machine decides this one, and not the store.
    if scale >= 1 and p99 > READER_P99_MS:
        raise BrokenPromiseError(f"the 99th percentile of readers is {p99:.0f} ms")
    with place.store() as store:
        check_journal(store)
    turns = [len(moments) for moments in acks]
    tally.note = f"reader p99 {p99:.1f} ms, longest wait of a writer {starved * 1000:.0f} ms, units a writer {min(turns):,} to {max(turns):,}"
    return tally


def _told(clients: list[Client]) -> int:
    return sum(len(client.told) for client in clients)


def control(place: Place, scale: float) -> str | None:
    increment = _on_postgres(place.url) if place.is_postgres else _on_sqlite(place.url)
    refused = sum(in_threads(increment, WRITERS))
    name = "REPEATABLE READ" if place.is_postgres else "BEGIN DEFERRED"
    return f"read, then write, in {name}: {refused} of {WRITERS * 50} refused" if refused else None


def _on_sqlite(url: str) -> Callable[[int], int]:
    path = sa.make_url(url).database

    def increment(number: int) -> int:
        refused = 0
        connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        connection.execute("CREATE TABLE IF NOT EXISTS plain (n INTEGER)")
        for _ in range(50):
            try:
                connection.execute("BEGIN DEFERRED")
                connection.execute("SELECT count(*) FROM plain").fetchone()
                time.sleep(BETWEEN_S)
                connection.execute("INSERT INTO plain VALUES (1)")
                connection.execute("COMMIT")
            except sqlite3.OperationalError:
                refused += 1
                connection.execute("ROLLBACK")
        connection.close()
        return refused

    return increment


def _on_postgres(url: str) -> Callable[[int], int]:
    address = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute("CREATE TABLE plain (n integer)")
        admin.execute("INSERT INTO plain VALUES (0)")

    def increment(number: int) -> int:
        refused = 0
        with psycopg.connect(address) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            for _ in range(50):
                try:
                    connection.execute("SELECT n FROM plain")
                    time.sleep(BETWEEN_S)
                    connection.execute("UPDATE plain SET n = n + 1")
                    connection.commit()
                except psycopg.errors.SerializationFailure:
                    refused += 1
                    connection.rollback()
        return refused

    return increment


PROGRAM = Program("crowd", "P16", run, control, suits=lambda backend: backend in ("sqlite", "postgres"))
