"""P9, P14: a transaction is applied whole or not at all, for killed writers, for concurrent readers and for pages.

Writers move coins, and now and then the one ring, between keys; readers see in each snapshot every coin and one ring.
Control: two transactions a move.
"""

from __future__ import annotations

import random
import time
from functools import partial
from typing import NamedTuple

from charter_persist import Store, UnitOfWork
from charter_persist.model.entry import CheckVersion, Delete, Entry, KvOperation, Set
from tests.rounds.clients import BrokenPromiseError, Client, Desk, Posts, finished, together, until_stopped
from tests.rounds.places import Place, check_journal
from tests.rounds.tally import Program, Tally, floor, keep_on
from tests.rounds.units import in_unit

WRITERS, READERS = 4, 4
KEYS, COINS, PAGE = 50, 100, 20
SECONDS, KILL_EVERY_S = 60.0, 1.0
SNAPSHOTS_MIN, MOVES_MIN = 20_000, 1_000
REPORT_EVERY = 20


class Purse(NamedTuple):
    """What a key holds; an empty purse is an absent key."""

    coins: int
    rings: int

    def write(self, key: str) -> KvOperation:
        return Set(key, b"%d %d" % self) if any(self) else Delete(key)


def read_purse(entry: Entry | None) -> Purse:
    return Purse(0, 0) if entry is None else Purse(*map(int, entry.value.split()))


def move(store: Store, desk: Desk, chance: random.Random, root: str, honest: bool) -> None:
    """Move a coin or the ring from one key to another, again and again; tell each move that was acknowledged."""
    keys = [f"{root}/{n:02}" for n in range(KEYS)]
    while not desk.is_over():
        here, there = chance.sample(keys, 2)
        wanted = Purse(1, chance.randrange(2))
        take = partial(_move, here=here, there=there, wanted=wanted, whole=honest)
        left = in_unit(store, take, shared=chance.random() < 0.5)
        if left is None:
            continue
        if not honest:
            in_unit(store, partial(_leave, key=here, left=left))
        desk.tell(1)


def _move(uow: UnitOfWork, here: str, there: str, wanted: Purse, whole: bool) -> Purse | None:
    """Give to one key and, where the move is whole, take from the other; what is left there, None where nothing moved."""
    source, target = uow.kv.get(here), uow.kv.get(there)
    has, other = read_purse(source), read_purse(target)
    coins, rings = min(has.coins, wanted.coins), min(has.rings, wanted.rings)
    if coins + rings == 0:
        return None
    left = Purse(has.coins - coins, has.rings - rings)
    checks = [CheckVersion(here, source.version if source else 0), CheckVersion(there, target.version if target else 0)]
    given = Purse(other.coins + coins, other.rings + rings).write(there)
    uow.kv.transaction([*checks, given, left.write(here)] if whole else [*checks, given])
    return left


def _leave(uow: UnitOfWork, key: str, left: Purse) -> None:
    uow.kv.transaction([left.write(key)])


def count(store: Store, desk: Desk, chance: random.Random, root: str) -> None:
    """Count coins and rings, in a view or in pages of several views; tell how many were right and what was wrong."""
    right, wrong = 0, []
    while not desk.is_over():
        entries = _listed(store, root) if chance.random() < 0.7 else _paged(store, root)
        purses = list(map(read_purse, entries))
        seen = Purse(sum(p.coins for p in purses), sum(p.rings for p in purses))
        if seen == (COINS, 1):
            right += 1
        else:
            wrong.append(seen)
        if (right + len(wrong)) % REPORT_EVERY == 0:
            desk.tell([right, wrong])
            right, wrong = 0, []
    desk.tell([right, wrong])


def _listed(store: Store, root: str) -> list[Entry]:
    with store.read() as view:
        return list(view.kv.iter(f"{root}/"))


def _paged(store: Store, root: str) -> list[Entry]:
    entries: list[Entry] = []
    cursor = None
    while True:
        with store.read() as view:
            page = view.kv.list(f"{root}/", limit=PAGE, cursor=cursor)
        entries += page.items
        cursor = page.cursor
        if cursor is None:
            return entries


def _prepare(place: Place) -> int:
    """All coins and the ring on the first key; the revision after it."""
    with place.store() as store:
        in_unit(store, lambda uow: uow.kv.set(f"{place.root}/00", b"%d 1" % COINS))
        with store.read() as view:
            return view.revision


def _snapshots(readers: list[Client]) -> tuple[int, list[list[int]]]:
    reports = [report for lines in finished(readers) for report in lines]
    return sum(right + len(wrong) for right, wrong in reports), [one for _, wrong in reports for one in wrong]


def run(place: Place, scale: float) -> Tally:
    tally, chance = Tally(rounds=1), random.Random(9)
    began = _prepare(place)
    readers = together(place, count, range(READERS), place.root)
    with until_stopped(readers):
        writers = Posts(place, move, WRITERS, place.root, True)

        def is_enough() -> bool:
            seen = sum(right for reader in readers for right, _ in list(reader.told))
            moved = sum(len(client.told) for client in writers.everybody)
            return seen >= SNAPSHOTS_MIN * scale and moved >= MOVES_MIN * scale

        for _ in keep_on(SECONDS * scale, is_enough):
            time.sleep(min(KILL_EVERY_S, SECONDS * scale / 2))
            writers.kill_one(chance)
        tally.acks = sum(map(len, writers.finish()))
    tally.kills = writers.kills
    tally.operations, wrong = _snapshots(readers)
    if wrong:
        raise BrokenPromiseError(f"{len(wrong)} snapshots had (coins, rings) such as {wrong[:3]}")
    with place.store() as store:
        with store.read() as view:
            made = view.revision - began
        if not tally.acks <= made <= tally.acks + tally.kills:
            raise BrokenPromiseError(f"{tally.acks} moves were acknowledged, {made} were made, {tally.kills} killed")
        check_journal(store)
    floor("snapshots", tally.operations, SNAPSHOTS_MIN * scale)
    floor("moves", tally.acks, MOVES_MIN * scale)
    tally.note = f"{KEYS} keys; each snapshot has {COINS} coins and one ring"
    return tally


def control(place: Place, scale: float) -> str | None:
    _prepare(place)
    readers = together(place, count, range(READERS), place.root)
    with until_stopped(readers):
        writers = Posts(place, move, WRITERS, place.root, False)
        time.sleep(max(1.0, 5 * scale))
        writers.finish()
    snapshots, wrong = _snapshots(readers)
    return f"two transactions a move: {len(wrong):,} of {snapshots:,} snapshots" if wrong else None


PROGRAM = Program("tokens", "P9, P14", run, control)
