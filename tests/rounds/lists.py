"""P13: transactions are strictly serializable, by search for cycles among transactions that read and append to lists.

Control: on Postgres the same workload on a plain table at READ COMMITTED; elsewhere transactions that read outside.
"""

from __future__ import annotations

import json
import random
import re
import time
from typing import Any

import psycopg
import sqlalchemy as sa

from charter_persist import Store, UnitOfWork
from charter_persist.model.entry import Entry, KvOperation, Set
from tests.rounds.clients import BrokenPromiseError, Desk, finished, in_threads, together
from tests.rounds.places import Place, check_journal
from tests.rounds.tally import Program, Tally, floor, scaled
from tests.rounds.units import in_unit
from tests.serializability import Transaction, anomalies

CLIENTS, TRANSACTIONS, TRANSACTIONS_MIN = 6, 150, 50
ROUNDS = 20


class UndoneError(Exception):
    """A transaction that shall leave nothing."""


def transact(store: Store, desk: Desk, chance: random.Random, keys: list[str], count: int, honest: bool) -> None:
    """Transactions that read lists and append to lists, views that read lists, and transactions that are undone."""
    for _ in range(count):
        read, written = chance.sample(keys, chance.randint(1, 2)), chance.sample(keys, chance.randint(0, 2))
        new, called = chance.getrandbits(52), time.monotonic_ns()
        if chance.random() < 0.1:
            _undone(store, written, new)
            continue
        if written:
            lists = _append(store, read, written, new, honest=honest, shared=chance.random() < 0.5)
        else:
            with store.read() as view:
                lists = {key: _list(view.kv.get(key)) for key in read}
        reads = {key: lists[key] for key in read}
        desk.tell([reads, dict.fromkeys(written, new), called, time.monotonic_ns()])


def _append(
    store: Store, read: list[str], written: list[str], new: int, *, honest: bool, shared: bool
) -> dict[str, list[int]]:
    wanted = sorted({*read, *written})
    outside = {}
    if not honest:
        with store.read() as view:
            outside = {key: _list(view.kv.get(key)) for key in wanted}

    def append(uow: UnitOfWork) -> dict[str, list[int]]:
        lists = outside or {key: _list(uow.kv.get(key)) for key in wanted}
        uow.kv.transaction([_with(key, lists, new) for key in written])
        return lists

    return in_unit(store, append, shared=shared)


def _undone(store: Store, written: list[str], new: int) -> None:
    def append(uow: UnitOfWork) -> None:
        lists = {key: _list(uow.kv.get(key)) for key in written}
        uow.kv.transaction([_with(key, lists, -new) for key in written])
        raise UndoneError

    try:
        in_unit(store, append)
    except UndoneError:
        return


def _with(key: str, lists: dict[str, list[int]], new: int) -> KvOperation:
    return Set(key, json.dumps([*lists[key], new]).encode())


def _list(entry: Entry | None) -> list[int]:
    found: list[int] = [] if entry is None else json.loads(entry.value)
    return found


def one_round(place: Place, number: int, count: int, *, honest: bool) -> tuple[list[Transaction], list[str]]:
    """The transactions of a round on keys of its own, and what is wrong with them."""
    keys = [f"{place.root}/{number}/{name}" for name in "abc"]
    clients = together(place, transact, [(number, seed) for seed in range(CLIENTS)], keys, count, honest)
    transactions = [Transaction(*line) for lines in finished(clients) for line in lines]
    with place.store() as store, store.read() as view:
        final = {key: _list(view.kv.get(key)) for key in keys}
    return transactions, anomalies(transactions, final)


def run(place: Place, scale: float) -> Tally:
    tally, count = Tally(), scaled(TRANSACTIONS, scale, TRANSACTIONS_MIN)
    for number in range(scaled(ROUNDS, scale)):
        transactions, found = one_round(place, number, count, honest=True)
        if found:
            raise BrokenPromiseError("; ".join(found[:3]))
        tally.rounds += 1
        tally.operations += len(transactions)
        tally.acks += sum(bool(one.appends) for one in transactions)
        floor("overlap of transactions", overlap(transactions), 0.2)
    floor("transactions", tally.operations, tally.rounds * CLIENTS * count * 0.8)
    with place.store() as store:
        check_journal(store)
    tally.note = "strict: real time counts"
    return tally


def overlap(transactions: list[Transaction]) -> float:
    """The share of transactions that began before another one had ended."""
    ordered = sorted((one.called, one.returned) for one in transactions)
    latest, overlapping = 0.0, 0
    for called, returned in ordered:
        overlapping += called < latest
        latest = max(latest, returned)
    return overlapping / max(1, len(ordered))


def control(place: Place, scale: float) -> str | None:
    rounds = scaled(5, scale)
    found: list[list[str]] = []
    for number in range(rounds):
        found.append(
            read_committed(place.url)
            if place.is_postgres
            else one_round(place, number, TRANSACTIONS_MIN, honest=False)[1]
        )
    caught = [anomalies for anomalies in found if anomalies]
    name = "READ COMMITTED without the lock" if place.is_postgres else "reads outside the unit"
    return f"{name}: {len(caught)} of {rounds} rounds ({re.split(' /|,', caught[0][0])[0]})" if caught else None


def read_committed(url: str) -> list[str]:
    """What is wrong with the same workload on a table of Postgres, where nobody takes a lock first."""
    address = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    keys = ["a", "b", "c"]
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute("DROP TABLE IF EXISTS list")
        admin.execute("CREATE TABLE list (key text PRIMARY KEY, numbers bigint[] NOT NULL)")
        admin.cursor().executemany("INSERT INTO list VALUES (%s, '{}')", [(key,) for key in keys])
        told = in_threads(lambda name: _plain(address, name, keys), CLIENTS)
        final: dict[str, Any] = dict(admin.execute("SELECT key, numbers FROM list").fetchall())
    return anomalies([one for lines in told for one in lines], final)


def _plain(address: str, name: int, keys: list[str]) -> list[Transaction]:
    chance = random.Random(name)
    done = []
    with psycopg.connect(address) as connection:
        for _ in range(TRANSACTIONS):
            read, written = chance.sample(keys, chance.randint(1, 2)), chance.sample(keys, chance.randint(0, 1))
            new, called = chance.getrandbits(52), time.monotonic_ns()
            query = "SELECT numbers FROM list WHERE key = %s"
            reads = {key: connection.execute(query, (key,)).fetchone()[0] for key in read}  # type: ignore[index]
            for key in written:
                connection.execute("UPDATE list SET numbers = numbers || %s::bigint WHERE key = %s", (new, key))
            connection.commit()
            done.append(Transaction(reads, dict.fromkeys(written, new), called, time.monotonic_ns()))
    return done


PROGRAM = Program("lists", "P13", run, control)
