"""P17: journal positions start at 1, have no gap, and whoever has seen n never finds a new entry at or below n.

Writers sleep, undo and die inside their units; pollers read what is behind the last position they saw. Control:
positions that are given before the commit: on Postgres by a sequence, elsewhere by a counter of its own.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from itertools import pairwise

import psycopg
import sqlalchemy as sa

from charter_persist import Store, UnitOfWork
from tests.rounds.clients import (
    BrokenPromiseError,
    Desk,
    Posts,
    finished,
    in_threads,
    kill_self_soon,
    pause,
    together,
    until_stopped,
)
from tests.rounds.lists import UndoneError
from tests.rounds.places import Place, check_journal
from tests.rounds.tally import LIMIT_S, Program, Tally, floor, scaled
from tests.rounds.units import in_unit

WRITERS, POLLERS = 8, 2
EVENTS = 10_000
UNDONE, KILLED = 0.2, 0.1
INSIDE_S, KILL_WITHIN_S = 0.003, 0.03


def write(store: Store, desk: Desk, chance: random.Random, root: str, has_kills: bool) -> None:
    """Units of one to four entries that sleep inside, some undone, some killed; tell the positions of each."""
    while not desk.is_over():
        if has_kills and chance.random() < KILLED:
            kill_self_soon(chance, KILL_WITHIN_S)
        try:
            with store.begin() as uow:
                for number in range(chance.randint(1, 4)):
                    uow.kv.set(f"{root}/{number}", chance.randbytes(8))
                    uow.metadata.set("n", number)
                if chance.random() < 0.5:
                    uow.flush()
                pause(chance, INSIDE_S)
                if chance.random() < UNDONE:
                    raise UndoneError
        except UndoneError:
            continue
        assert uow.receipt is not None
        desk.tell([uow.receipt.first_position, uow.receipt.size])


def poll(store: Store, desk: Desk, chance: random.Random) -> None:
    """Tell each position that comes, by asking for what is behind the last one."""
    last, over = 0, False
    while not over:
        over = desk.is_over()
        with store.read() as view:
            seen = [entry.position for entry in view.journal.entries(after=last)]
        if seen:
            desk.tell(seen)
            last = seen[-1]


def run(place: Place, scale: float) -> Tally:
    wanted, tally = scaled(EVENTS, scale, 200), Tally(rounds=1)
    pollers = together(place, poll, range(POLLERS))
    with until_stopped(pollers):
        writers = Posts(place, write, WRITERS, place.root, place.has_processes)
        with place.store() as store:
            ends, size = time.monotonic() + LIMIT_S, 0
            while size < wanted and time.monotonic() < ends:
                writers.replace_dead()
                time.sleep(0.01)
                with store.read() as view:
                    size = view.journal.size()
        acknowledged = [(first, last) for lines in writers.finish() for first, last in lines]
    tally.kills, tally.acks = writers.kills, len(acknowledged)
    seen = [[position for positions in lines for position in positions] for lines in finished(pollers)]
    with place.store() as store:
        with store.read() as view:
            tally.operations = view.journal.size()
        check_journal(store)
    expected = list(range(1, tally.operations + 1))
    if any(positions != expected for positions in seen):
        raise BrokenPromiseError(f"pollers saw {list(map(len, seen))} positions, not each of {len(expected)} in order")
    taken = sorted(acknowledged)
    if any(before[1] >= after[0] for before, after in pairwise(taken)) or (taken and taken[-1][1] > tally.operations):
        raise BrokenPromiseError("two units were told that a position is theirs, or one that is not there")
    floor("entries", tally.operations, wanted)
    if place.has_processes:
        floor("kills", tally.kills, wanted / 100)
    tally.note = f"{POLLERS} pollers saw each position once, in order"
    return tally


def control(place: Place, scale: float) -> str | None:
    count = scaled(300, scale, 40)
    name, missed = ("a sequence", missed_by_sequence(place.url, count)) if place.is_postgres else ("a counter", 0)
    if not place.is_postgres:
        missed = missed_by_counter(place, count)
    return f"positions from {name} before the commit: {missed} events missed" if missed else None


def missed_by_counter(place: Place, count: int) -> int:
    """How many events a poller misses whose positions were given in a unit before the one that writes them."""
    clients = together(place, number_early, range(WRITERS), place.root, count // WRITERS)
    prefix = f"{place.root}/log/"

    def look(store: Store, last: int) -> list[int]:
        with store.read() as view:
            found = view.kv.iter(prefix, after=f"{prefix}{last:09}" if last else None)
            return [int(entry.key.removeprefix(prefix)) for entry in found]

    with place.store() as store:
        return _missed(lambda last: look(store, last), count // WRITERS * WRITERS, lambda: finished(clients))


def number_early(store: Store, desk: Desk, chance: random.Random, root: str, count: int) -> None:
    """Take a position in one unit, and write the event in another."""

    def take(uow: UnitOfWork) -> int:
        return uow.kv.set(f"{root}/counter", b"")

    for _ in range(count):
        position = in_unit(store, take)
        pause(chance, INSIDE_S)
        in_unit(store, lambda uow, position=position: uow.kv.set(f"{root}/log/{position:09}", b""))


def missed_by_sequence(url: str, count: int) -> int:
    """The same for a table whose positions are from a sequence."""
    address = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as poller:
        poller.execute("CREATE TABLE planted_event (position bigserial PRIMARY KEY)")

        def insert(seed: int) -> None:
            chance = random.Random(seed)
            with psycopg.connect(address) as connection:
                for _ in range(count // WRITERS):
                    connection.execute("INSERT INTO planted_event DEFAULT VALUES")
                    pause(chance, INSIDE_S)
                    connection.commit()

        def look(last: int) -> list[int]:
            rows = poller.execute("SELECT position FROM planted_event WHERE position > %s ORDER BY position", (last,))
            return [position for (position,) in rows.fetchall()]

        def work(number: int) -> int:
            if number == 0:
                in_threads(insert, WRITERS)
                return 0
            return _missed(look, count // WRITERS * WRITERS, lambda: None)

        return sum(in_threads(work, 2))


def _missed(look: Callable[[int], list[int]], count: int, join: Callable[[], object]) -> int:
    """How many of all events a poller never sees that asks for those behind the last one it saw."""
    seen, last, ends = 0, 0, time.monotonic() + LIMIT_S
    while last < count and time.monotonic() < ends:
        found = look(last)
        seen, last = seen + len(found), found[-1] if found else last
    join()
    return count - seen


PROGRAM = Program("positions", "P17", run, control, suits=lambda backend: backend != "etcd")
