"""P15, P17, P18 for events: who appends behind an expected sequence is alone there, and followers see each event once.

Writers append to shared executions, alone and in batches, to one or two in a unit, checked and unchecked; some units
are undone, and writers and followers are killed. What clients were told is compared with the events, their order with
the journal, and what followers were told with both. Control: writers that look and append in a unit without the check.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from itertools import count, groupby
from operator import attrgetter
from typing import Any

from charter_persist import Store, UnitOfWork, canonical_bytes
from charter_persist.errors import VersionConflictError
from charter_persist.model.event import Custom, StoredEvent, event_json
from tests.rounds.appends import BEGAN, DONE, REFUSED, UNDONE, Part, Unit, faults, units_of
from tests.rounds.clients import BrokenPromiseError, Desk, Posts, pause
from tests.rounds.lists import UndoneError
from tests.rounds.places import Place, check_journal
from tests.rounds.tally import LIMIT_S, Program, Tally, floor, scaled
from tests.rounds.units import in_unit
from tests.rounds.watchers import END, Watcher

WRITERS, FOLLOWERS = 6, 2
UNITS = 3_000
EXECUTIONS = ("a", "a/b", "c")
SIZES = (1, 1, 1, 2, 5, 20)
CHECKED, UNDONE_SHARE = 0.7, 0.05
# Without losers nobody raced, without kills nobody died inside a unit.
LOSERS_MIN, KILLS_MIN = 0.1, 0.003
BETWEEN_S = 0.002
KILL_EVERY_S = 0.1


def write(store: Store, desk: Desk, chance: random.Random, root: str, honest: bool) -> None:
    """Units that append to executions; tell each before it begins, and how it ended."""
    while not desk.is_over():
        name = f"{chance.getrandbits(60):x}"
        wanted = chance.sample(EXECUTIONS, chance.choice((1, 1, 2)))
        parts = _planned(store, chance, [f"{root}/{one}" for one in wanted])
        desk.tell([BEGAN, name, parts])
        desk.tell(_done(store, chance, name, parts, honest=honest))


def _planned(store: Store, chance: random.Random, executions: list[str]) -> list[Part]:
    if chance.random() >= CHECKED:
        return [Part(one, None, chance.choice(SIZES)) for one in executions]
    with store.read() as view:
        parts = [Part(one, view.events.latest(one), chance.choice(SIZES)) for one in executions]
    # Others may come between.
    pause(chance, BETWEEN_S)
    return parts


def _done(store: Store, chance: random.Random, name: str, parts: list[Part], *, honest: bool) -> list[Any]:
    """Do a unit; its fate, its name, and what it was answered."""
    is_undone = chance.random() < UNDONE_SHARE

    def append(uow: UnitOfWork) -> list[int]:
        numbers = count()
        ends = []
        for execution, expected, size in parts:
            events = [Custom("noted", [name, next(numbers)]) for _ in range(size)]
            ends.append(_append(uow, execution, events, expected if honest else None))
        if is_undone:
            raise UndoneError
        return ends

    try:
        return [DONE, name, in_unit(store, append, shared=chance.random() < 0.5)]
    except VersionConflictError as exc:
        return [REFUSED, name, [exc.expected, exc.actual]]
    except UndoneError:
        return [UNDONE, name, []]


def _append(uow: UnitOfWork, execution: str, events: list[Custom], expected: int | None) -> int:
    if len(events) == 1:
        return uow.events.append(execution, events[0], tenant_id="t", expected=expected)
    return uow.events.append_batch(execution, events, tenant_id="t", expected=expected)


def race(place: Place, wanted: int, tally: Tally, followers: Sequence[Watcher], *, honest: bool) -> dict[str, Unit]:
    """Let writers append, and kill some of them and of the followers, until there was enough of everything.

    Returns:
        The units, by name.
    """
    chance = random.Random(15)
    writers = Posts(place, write, WRITERS, place.root, honest)
    lost, kills = (wanted * LOSERS_MIN if honest else 0), (wanted * KILLS_MIN if place.has_processes else 0)
    ends = time.monotonic() + LIMIT_S
    while time.monotonic() < ends and not (
        _is_enough(writers, wanted, lost) and min(one.kills for one in (writers, *followers)) >= kills
    ):
        time.sleep(KILL_EVERY_S)
        if chance.random() < 0.5:
            writers.kill_one(chance)
        if place.has_processes and followers:
            chance.choice(followers).kill()
    units = units_of(writers.finish())
    tally.kills = writers.kills
    return units


def _is_enough(writers: Posts, wanted: int, lost: float) -> bool:
    fates = Counter(line[0] for client in writers.everybody for line in list(client.told))
    return fates[DONE] >= wanted and fates[REFUSED] >= lost


def run(place: Place, scale: float) -> Tally:
    wanted, tally = scaled(UNITS, scale, 100), Tally()
    followers = [Watcher(place, seed, f"event:{place.root}/*", 0) for seed in range(FOLLOWERS)]
    units = race(place, wanted, tally, followers, honest=True)
    with place.store() as store:
        events = _events(store)
        in_unit(store, lambda uow: uow.events.append(f"{place.root}/{END}", Custom("end", None), tenant_id="t"))
        told = [follower.finish()[:-1] for follower in followers]
        _check_order(store, events)
        check_journal(store)
    found = faults(units, events)
    if found:
        raise BrokenPromiseError("; ".join(found[:3]))
    fates = Counter(unit.fate for unit in units.values())
    floor("units", fates[DONE], wanted)
    floor("units that lost", fates[REFUSED], wanted * LOSERS_MIN)
    for batches in told:
        _compare(batches, events)
    killed = [follower.kills for follower in followers]
    if place.has_processes:
        floor("kills of writers, and of a follower", min(tally.kills, *killed), wanted * KILLS_MIN)
    tally.rounds, tally.operations = sum(follower.resumes for follower in followers), len(events)
    tally.acks, tally.kills = fates[DONE], tally.kills + sum(killed)
    lost, open_ended = fates[REFUSED], fates[BEGAN]
    tally.note = f"rounds are resumes of {FOLLOWERS} followers; {lost:,} units lost, {open_ended} had no answer"
    return tally


def _events(store: Store) -> list[StoredEvent]:
    with store.read() as view:
        return list(view.events.iter_all())


def _check_order(store: Store, events: list[StoredEvent]) -> None:
    """The order over all executions is that of the journal, and each execution has its events in it."""
    with store.read() as view:
        logged = [(entry.position, entry.subject) for entry in view.journal.entries() if entry.store == "event"][:-1]
        alone = {name: list(view.events.load(name)) for name in {event.execution_id for event in events}}
    if [(event.position, _subject(event)) for event in events] != logged:
        raise BrokenPromiseError("the order of events is not that of the journal")
    for name, found in alone.items():
        if found != [event for event in events if event.execution_id == name]:
            raise BrokenPromiseError(f"execution {name} has not the events that the store has of it")


def _compare(batches: list[Any], events: list[StoredEvent]) -> None:
    """Each event once, in order, those of a unit together."""
    expected = [
        [revision, [["created", _subject(one), None, _json(one), one.sequence] for one in unit]]
        for revision, unit in groupby(events, key=attrgetter("revision"))
    ]
    if batches != expected:
        seen = sum(len(batch) for _, batch in batches)
        raise BrokenPromiseError(f"a follower was told {seen} events, and not each of {len(events)} once, in order")


def _subject(event: StoredEvent) -> str:
    return f"{event.execution_id}/{event.sequence}"


def _json(event: StoredEvent) -> str:
    assert event.event is not None
    return canonical_bytes(event_json(event.event)).decode()


def control(place: Place, scale: float) -> str | None:
    units = race(place, scaled(400, scale, 60), Tally(), [], honest=False)
    with place.store() as store:
        found = faults(units, _events(store))
    placed = sum(bool(unit.contests) for unit in units.values())
    return f"append without the check: {len(found)} faults in {placed} units" if found else None


PROGRAM = Program("streams", "P15, P17, P18", run, control, suits=lambda backend: backend != "etcd")
