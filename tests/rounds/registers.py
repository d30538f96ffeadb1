"""P12: get, set, compare_and_set and delete of one key are linearizable across processes, also where those are killed.

Control: a compare_and_set whose check is outside of the write transaction.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from statistics import mean
from typing import Any

from charter_persist import Store, UnitOfWork
from charter_persist.errors import CommitUnknownError, UnavailableError, VersionConflictError
from tests.linearizability import UNKNOWN, Operation, is_linearizable, overlapping
from tests.rounds.clients import BrokenPromiseError, Client, Desk, finished, pause, together
from tests.rounds.places import Place, check_journal
from tests.rounds.tally import Program, Tally, floor, scaled
from tests.rounds.units import in_unit

CLIENTS, CALLS = 4, 150
ROUNDS, KILLED_ROUNDS = 50, 20
OVERLAP_MIN = 0.2
# Who is killed made at least so many calls.
KILLED_CALLS_MIN = 10
UNSAFE_PAUSE_S = 0.002


def call(store: Store, desk: Desk, chance: random.Random, keys: list[str], honest: bool) -> None:
    """Make calls of random kinds, each told before and after with its time."""
    version = dict.fromkeys(keys, 0)
    for number in range(CALLS):
        key, kind = chance.choice(keys), chance.choices(["get", "set", "cas", "delete"], [3, 2, 4, 1])[0]
        value, expected = f"{chance.random()}-{number}", version[key]
        desk.tell(["call", time.monotonic_ns(), kind, key, value, expected])
        try:
            result = _one(store, kind, key, value, expected, honest, shared=chance.random() < 0.5)
        except CommitUnknownError:
            continue
        except UnavailableError:
            desk.tell(["refused"])
            continue
        desk.tell(["return", time.monotonic_ns(), result])
        if kind == "get":
            version[key] = result[0]
        elif type(result) is int:
            version[key] = result


def _one(store: Store, kind: str, key: str, value: str, expected: int, honest: bool, *, shared: bool) -> Any:
    if kind == "get":
        with store.read() as view:
            entry = view.kv.get(key)
        return [entry.version, entry.value.decode()] if entry else [0, None]
    if kind == "cas" and not honest:
        return _unsafe(store, key, value, expected)
    writes = {
        "set": lambda uow: uow.kv.set(key, value.encode()),
        "cas": lambda uow: uow.kv.compare_and_set(key, value.encode(), expected=expected),
        "delete": lambda uow: uow.kv.delete(key, missing_ok=True),
    }
    try:
        return in_unit(store, writes[kind], shared=shared)
    except VersionConflictError:
        return "conflict"


def _unsafe(store: Store, key: str, value: str, expected: int) -> Any:
    with store.read() as view:
        if view.kv.version(key) != expected:
            return "conflict"
    time.sleep(UNSAFE_PAUSE_S)

    def write(uow: UnitOfWork) -> None:
        uow.kv.set(key, value.encode())

    in_unit(store, write)
    return expected + 1


def histories(told: list[list[Any]]) -> dict[str, list[Operation]]:
    """What clients told, by key; an operation whose end nobody saw is open, unless it only read; a refused one was none."""
    found: defaultdict[str, list[Operation]] = defaultdict(list)
    for lines in told:
        waiting: Operation | None = None
        for line in [*lines, ["call", 0, "get", "", "", 0]]:
            if line[0] == "return" and waiting is not None:
                found[waiting.key].append(waiting._replace(returned=line[1], result=line[2]))
                waiting = None
            elif line[0] == "refused":
                waiting = None
            elif line[0] == "call":
                if waiting is not None and waiting.kind != "get":
                    found[waiting.key].append(waiting)
                _, called, kind, key, value, expected = line
                waiting = Operation(called, UNKNOWN, kind, key, value, expected)
    return dict(found)


def _kill_some(clients: list[Client], chance: random.Random) -> int:
    victims = chance.sample(clients, chance.randint(1, len(clients)))
    for client in victims:
        calls = chance.randint(KILLED_CALLS_MIN, CALLS // 2)
        # A call is two lines.
        while len(client.told) < 2 * calls and not client.has_ended:
            time.sleep(0.001)
        pause(chance, 0.003)
        client.kill()
    return len(victims)


def one_round(place: Place, number: int, tally: Tally, *, kills: bool, honest: bool = True) -> float:
    """One round on keys of its own; returns how much of it overlapped.

    Raises:
        BrokenPromiseError: no order explains what clients were told of a key.
    """
    keys = [f"{place.root}/{number}/{name}" for name in "xyz"]
    clients = together(place, call, [(number, seed) for seed in range(CLIENTS)], keys, honest)
    if kills:
        tally.kills += _kill_some(clients, random.Random(number))
    found = histories(finished(clients))
    for key, history in found.items():
        if not is_linearizable(history):
            raise BrokenPromiseError(f"what was told of {key} is not linearizable")
    tally.rounds += 1
    operations = [one for history in found.values() for one in history]
    tally.operations += len(operations)
    tally.acks += sum(one.returned != UNKNOWN and one.kind != "get" for one in operations)
    return mean(map(overlapping, found.values()))


def run(place: Place, scale: float) -> Tally:
    tally = Tally()
    rounds, killed = scaled(ROUNDS, scale, 2), scaled(KILLED_ROUNDS, scale) if place.has_processes else 0
    overlaps = [one_round(place, number, tally, kills=number < killed) for number in range(rounds)]
    floor("overlap of the least overlapping round", min(overlaps[killed:]), OVERLAP_MIN)
    whole = (rounds - killed) * CLIENTS * CALLS
    floor("calls", tally.operations, whole + killed * CLIENTS * KILLED_CALLS_MIN)
    with place.store() as store:
        check_journal(store)
    tally.note = f"{mean(overlaps):.0%} overlap; {killed} rounds with kills"
    return tally


def control(place: Place, scale: float) -> str | None:
    rounds = scaled(10, scale, 3)
    caught = 0
    for number in range(rounds):
        try:
            one_round(place, number, Tally(), kills=False, honest=False)
        except BrokenPromiseError:
            caught += 1
    return f"check outside the unit: {caught} of {rounds} rounds" if caught else None


PROGRAM = Program("registers", "P12", run, control)
