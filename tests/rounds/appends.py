"""What units told that append events, and what is wrong with the events that are there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from charter_persist.model.event import Custom, StoredEvent

BEGAN, DONE, REFUSED, UNDONE = "began", "done", "refused", "undone"


class Part(NamedTuple):
    """What a unit appends to one execution: so many events, behind the expected sequence; None where any will do."""

    execution: str
    expected: int | None
    size: int


@dataclass
class Unit:
    """One unit as its client told it.

    Attributes:
        name: that each of its events holds, with a number through the unit.
        parts: what it was to append.
        fate: how it ended; ``began`` for one whose client died before the answer.
        answer: of one that was done the newest sequence of each part; of one that was refused what was expected and
            what was there.
    """

    name: str
    parts: list[Part]
    fate: str = BEGAN
    answer: Sequence[int] = ()

    @property
    def contests(self) -> list[tuple[str, int]]:
        """What it wanted to be the only one to follow."""
        return [(part.execution, part.expected) for part in self.parts if part.expected is not None]


def units_of(told: Iterable[Sequence[Any]]) -> dict[str, Unit]:
    """The units that clients told of, by name."""
    units: dict[str, Unit] = {}
    for fate, name, rest in (line for lines in told for line in lines):
        if fate == BEGAN:
            units[name] = Unit(name, [Part(*part) for part in rest])
        else:
            units[name].fate, units[name].answer = fate, rest
    return units


def faults(units: dict[str, Unit], events: Sequence[StoredEvent]) -> list[str]:
    """What is wrong with the events of a store.

    Args:
        units: all that there were.
        events: all of them, in the order of the store.
    """
    found: dict[str, list[StoredEvent]] = {name: [] for name in units}
    latest: Counter[str] = Counter()
    wrong = []
    for event in events:
        latest[event.execution_id] += 1
        if event.sequence != latest[event.execution_id]:
            wrong.append(
                f"{event.execution_id}: event {event.sequence} stands where {latest[event.execution_id]} should"
            )
        found.setdefault(_mark(event)[0], []).append(event)
    for name, there in found.items():
        if name not in units:
            wrong.append(f"nobody appended {there}")
        else:
            wrong += _of_unit(units[name], there, latest)
    won = Counter(contest for name, unit in units.items() if found[name] for contest in unit.contests)
    return [*wrong, *(f"{wins} won {contest}" for contest, wins in won.items() if wins > 1)]


def _of_unit(unit: Unit, there: list[StoredEvent], latest: Counter[str]) -> Iterator[str]:
    """What is wrong with the events of one unit."""
    if unit.fate == REFUSED and not _lost_to_another(unit, latest):
        yield f"{unit} was refused by nobody"
    if (unit.fate in (REFUSED, UNDONE) and there) or (unit.fate == DONE and not there):
        yield f"{unit} left {len(there)} events"
    if not there:
        return
    marks = [(event.execution_id, *_mark(event)) for event in there]
    executions = [part.execution for part in unit.parts for _ in range(part.size)]
    if marks != [(execution, unit.name, number) for number, execution in enumerate(executions)]:
        yield f"{unit} left {marks}"
    elif len({event.revision for event in there}) != 1:
        yield f"{unit} left events of several revisions"
    else:
        yield from _misplaced(unit, [event.sequence for event in there])


def _misplaced(unit: Unit, sequences: list[int]) -> Iterator[str]:
    """Where the events of a unit stand that should not stand there."""
    begin = 0
    for number, part in enumerate(unit.parts):
        mine = sequences[begin : begin + part.size]
        begin += part.size
        first = mine[0] if part.expected is None else part.expected + 1
        if mine != list(range(first, first + part.size)) or (unit.fate == DONE and mine[-1] != unit.answer[number]):
            yield f"{unit}: events of {part.execution} stand at {mine}"


def _lost_to_another(unit: Unit, latest: Counter[str]) -> bool:
    """Whether somebody had taken what the unit wanted to take."""
    expected, actual = unit.answer
    return expected < actual and any(
        part.expected == expected and actual <= latest[part.execution] for part in unit.parts
    )


def _mark(event: StoredEvent) -> tuple[str, int]:
    """The name of the unit and the number in it that an event holds."""
    assert isinstance(event.event, Custom)
    name, number = event.event.data
    return name, number
