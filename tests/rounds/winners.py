"""P15: of sixteen racers exactly one wins each contest, and the final version is the number of wins.

Contests are for a version, for a revision, and for a key that must not exist. Control: read, check, write without lock.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from charter_persist import Store, UnitOfWork
from charter_persist.errors import AlreadyExistsError, VersionConflictError
from tests.rounds.clients import BrokenPromiseError, Desk, finished, pause, together
from tests.rounds.places import Place, check_journal
from tests.rounds.tally import Program, Tally, floor, scaled
from tests.rounds.units import in_unit

RACERS, CONTESTS = 16, 1_000
KINDS = ("version", "revision", "create")
# Without losers nobody raced.
LOSERS_MIN = 0.2
BETWEEN_S = 0.002


def compete(store: Store, desk: Desk, chance: random.Random, root: str, kind: str, contests: int, honest: bool) -> None:
    """Win as many contests as possible; tell each that was won, and in the end how many attempts lost."""
    lost = 0
    while True:
        number, write = _next(store, f"{root}/{kind}", kind if honest else "none")
        if number >= contests:
            break
        # Others may come between.
        pause(chance, BETWEEN_S)
        try:
            in_unit(store, write, shared=chance.random() < 0.5)
        except (VersionConflictError, AlreadyExistsError):
            lost += 1
        else:
            desk.tell(number)
    desk.tell({"lost": lost})


def _next(store: Store, prize: str, kind: str) -> tuple[int, Callable[[UnitOfWork], None]]:
    """The number of the contest that is open, and how to enter it."""
    with store.read() as view:
        entry = view.kv.get(prize)
    number, revision = (entry.version, entry.revision) if entry else (0, 0)

    def write(uow: UnitOfWork) -> None:
        if kind == "version":
            uow.kv.compare_and_set(prize, b"", expected=number)
        elif kind == "revision":
            uow.kv.compare_and_set(prize, b"", expected_revision=revision)
        elif kind == "create":
            uow.kv.create_if_not_exists(f"{prize}/{number}", b"")
            uow.kv.set(prize, b"")
        else:
            uow.kv.set(prize, b"")

    return number, write


def contest(place: Place, kind: str, racers: int, contests: int, *, honest: bool = True) -> tuple[Counter[int], int]:
    """How many racers won each contest, and how many attempts lost."""
    clients = together(place, compete, [(kind, seed) for seed in range(racers)], place.root, kind, contests, honest)
    told = finished(clients)
    lost = sum(lines.pop()["lost"] for lines in told)
    return Counter(number for lines in told for number in lines), lost


def run(place: Place, scale: float) -> Tally:
    racers, contests = (RACERS if scale >= 1 else RACERS // 2), scaled(CONTESTS, scale, 20)
    tally, losers = Tally(), 0
    for kind in KINDS:
        wins, lost = contest(place, kind, racers, contests)
        if wins != Counter(range(contests)):
            raise BrokenPromiseError(f"by {kind}: {wins.most_common(3)} are not one win each of {contests}")
        with place.store() as store, store.read() as view:
            version = view.kv.version(f"{place.root}/{kind}")
        if version != contests:
            raise BrokenPromiseError(f"by {kind}: {contests} wins made version {version}")
        floor(f"attempts that lost, by {kind}", lost, contests * LOSERS_MIN)
        losers += lost
        tally.rounds += contests
        tally.operations += contests + lost
        tally.acks += contests
    with place.store() as store:
        check_journal(store)
    tally.note = f"{racers} racers, {losers:,} attempts lost"
    return tally


def control(place: Place, scale: float) -> str | None:
    contests = scaled(200, scale, 60)
    wins, _ = contest(place, "version", RACERS // 2, contests, honest=False)
    several = sum(won > 1 for won in wins.values())
    return f"no check in the unit: {several} of {contests} contests with several winners" if several else None


PROGRAM = Program("winners", "P15", run, control)
