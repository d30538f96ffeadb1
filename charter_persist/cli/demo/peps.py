"""The record: Python Enhancement Proposals, one JSON line each, and what it means in terms of decisions.

A pure mapping: no store is touched here. A proposal belongs to the area of its type. The first change to a status that
says yes is its acceptance. What it replaces is superseded where the rules of governance allow it; every other edge of
the record is a mere reference, with the rule that stands against it.

Source: examples/data/peps.jsonl, facts from the public repository of the proposals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from charter_persist.errors import NotFoundError
from charter_persist.model.canonical import parse_json
from charter_persist.model.digest import Digest, digest
from charter_persist.model.time import parse_time

FILE_NAME: Final = "peps.jsonl"
AS_OF: Final = datetime(2026, 8, 22, tzinfo=UTC)
"""When the record was taken; nothing in it is younger."""

# The old words and the misspelt one are in the record: what was accepted under them was accepted.
ACCEPTING: Final = frozenset(
    {"Accepted", "Acepted", "Active", "Approved", "Complete", "Final", "Finished", "Provisional"}
)
FIRST_AUTHORITY: Final = "BDFL"
LATER_AUTHORITY: Final = "Steering Council"
GOVERNANCE_CHANGE: Final = 8016
"""The proposal whose acceptance gave the authority from the one to the other."""


class Obstacle(StrEnum):
    """Why a proposal that replaces another does not supersede it; the first one that fits is told."""

    SUCCESSOR_NEVER_ACCEPTED = "SUCCESSOR_NEVER_ACCEPTED"
    TARGET_NEVER_ACCEPTED = "TARGET_NEVER_ACCEPTED"
    TARGET_ACCEPTED_LATER = "TARGET_ACCEPTED_LATER"
    TARGET_OF_ANOTHER_AREA = "TARGET_OF_ANOTHER_AREA"
    TARGET_ALREADY_SUPERSEDED = "TARGET_ALREADY_SUPERSEDED"

    @property
    def requirement(self) -> str:
        """The id of the rule of governance behind it."""
        return _REQUIREMENTS[self]


_REQUIREMENTS: Final = {
    Obstacle.SUCCESSOR_NEVER_ACCEPTED: "GOV-6",
    Obstacle.TARGET_NEVER_ACCEPTED: "IDX-5",
    Obstacle.TARGET_ACCEPTED_LATER: "IDX-5",
    Obstacle.TARGET_OF_ANOTHER_AREA: "IDX-6",
    Obstacle.TARGET_ALREADY_SUPERSEDED: "GOV-2",
}


@dataclass(frozen=True, slots=True)
class Edge:
    """One proposal replaces another, as the record has it.

    Attributes:
        successor, target: numbers of the two.
        obstacle: why the one does not supersede the other; None where it does.
    """

    successor: int
    target: int
    obstacle: Obstacle | None

    @property
    def target_accepted(self) -> bool:
        """Whether the target was a resolution when the successor was accepted."""
        return self.obstacle in (None, Obstacle.TARGET_OF_ANOTHER_AREA, Obstacle.TARGET_ALREADY_SUPERSEDED)


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One change of the status of a proposal.

    Attributes:
        number: of the proposal.
        ordinal: place among the changes of the proposal, from 1.
        before: the status until then; None at the first one.
        status: the status from then on.
        at: when, UTC.
        commit: of the repository, which may change several proposals at once.
    """

    number: int
    ordinal: int
    before: str | None
    status: str
    at: datetime
    commit: str

    @property
    def event_id(self) -> str:
        """Of its audit event; derived, so it is the same in every store."""
        return f"{proposal_id(self.number)}/{self.ordinal}/{self.commit}"


@dataclass(frozen=True)
class Proposal:
    """One line of the record.

    Attributes:
        facts: the line as it was read.
        changes: of its status, in order.
    """

    facts: Mapping[str, Any]
    changes: tuple[StatusChange, ...]

    @property
    def number(self) -> int:
        """Its number, unique in the record."""
        return int(self.facts["number"])

    @property
    def proposal_id(self) -> str:
        """Such as ``pep-0008``; its session has the same."""
        return proposal_id(self.number)

    @property
    def area_id(self) -> str:
        """The area of its type."""
        return str(self.facts["type"]).lower().replace(" ", "-")

    @cached_property
    def acceptance(self) -> StatusChange | None:
        """The first change to a status that says yes; None where there never was one."""
        return next((change for change in self.changes if change.status in ACCEPTING), None)

    @cached_property
    def content(self) -> dict[str, Any]:
        """The object of type ``proposal``: what it is, not what became of it."""
        kept = ("number", "title", "type", "authors", "topic", "created", "python_version", "requires")
        return {"proposal_id": self.proposal_id, "area_id": self.area_id, **{k: self.facts[k] for k in kept}}

    @cached_property
    def digest(self) -> Digest:
        """Of that object."""
        return digest("proposal", self.content)


@dataclass(frozen=True, slots=True)
class Unit:
    """What happened in one commit of the repository.

    Attributes:
        at: when.
        commit: which.
        changes: by number of the proposal and order in it.
    """

    at: datetime
    commit: str
    changes: tuple[StatusChange, ...]


class Record:
    """The whole record: its proposals, its commits in order of time, and which replacement supersedes."""

    def __init__(self, proposals: Iterable[Proposal], source_sha256: str) -> None:
        self.source_sha256 = source_sha256
        self.proposals = {proposal.number: proposal for proposal in proposals}
        changes = [change for proposal in self.proposals.values() for change in proposal.changes]
        changes.sort(key=lambda change: (change.at, change.commit, change.number, change.ordinal))
        self.units = [
            Unit(at, commit, tuple(group)) for (at, commit), group in groupby(changes, key=lambda c: (c.at, c.commit))
        ]
        self.accepted = [change.number for change in changes if change == self.proposals[change.number].acceptance]
        """Numbers of what was accepted, in the order of that."""
        self._edges = self._judge_edges()

    def _judge_edges(self) -> dict[int, tuple[Edge, ...]]:
        """Look at each edge in the order of acceptance, since what came first decides what comes later."""
        order = {number: place for place, number in enumerate(self.accepted)}
        superseded: set[int] = set()
        edges: dict[int, tuple[Edge, ...]] = {}
        for number in (*self.accepted, *sorted(self.proposals.keys() - order.keys())):
            targets = self.proposals[number].facts["replaces"]
            found = [Edge(number, target, self._obstacle(number, target, order, superseded)) for target in targets]
            superseded |= {edge.target for edge in found if edge.obstacle is None}
            edges[number] = tuple(found)
        return edges

    def _obstacle(self, number: int, target: int, order: Mapping[int, int], superseded: set[int]) -> Obstacle | None:
        if number not in order:
            return Obstacle.SUCCESSOR_NEVER_ACCEPTED
        if target not in order:
            return Obstacle.TARGET_NEVER_ACCEPTED
        if order[target] >= order[number]:
            return Obstacle.TARGET_ACCEPTED_LATER
        if self.proposals[target].area_id != self.proposals[number].area_id:
            return Obstacle.TARGET_OF_ANOTHER_AREA
        return Obstacle.TARGET_ALREADY_SUPERSEDED if target in superseded else None

    def edges(self, number: int) -> tuple[Edge, ...]:
        """What a proposal replaces, in the order of the record."""
        return self._edges[number]

    @cached_property
    def governance_changed_at(self) -> datetime:
        """When the later authority took over."""
        change = self.proposals[GOVERNANCE_CHANGE].acceptance
        if change is None:
            raise NotFoundError(f"the record does not say when {proposal_id(GOVERNANCE_CHANGE)} was accepted")
        return change.at

    def authority(self, at: datetime) -> str:
        """Who decides; the decision that changes it is still the former's."""
        return FIRST_AUTHORITY if at <= self.governance_changed_at else LATER_AUTHORITY

    def deciders(self, change: StatusChange) -> list[str]:
        """Who said yes: the delegates, or else the authority of the day."""
        return list(self.proposals[change.number].facts["delegate"]) or [self.authority(change.at)]

    def unchanging(self) -> list[Proposal]:
        """The proposals whose status never changed; they are recorded last."""
        return [proposal for _, proposal in sorted(self.proposals.items()) if not proposal.changes]


def proposal_id(number: int) -> str:
    """Such as ``pep-0008``."""
    return f"pep-{number:04d}"


def read_record(path: Path | None = None) -> Record:
    """Read the record.

    Args:
        path: of the file; by default the one that came with the package.

    Raises:
        NotFoundError: the file is not there.
        NotCanonicalError: a line is not strict JSON.
    """
    data = (path or record_path()).read_bytes()
    return Record(map(_proposal, data.splitlines()), sha256(data).hexdigest())


def record_path() -> Path:
    """Where the record is: inside the installed package, else among the examples of a checkout.

    Raises:
        NotFoundError: neither place has it.
    """
    here = Path(__file__).parent
    for path in (here / FILE_NAME, here.parents[2] / "examples" / "data" / FILE_NAME):
        if path.is_file():
            return path
    raise NotFoundError(f"this installation has no {FILE_NAME}; install charter_persist from a wheel or a checkout")


def _proposal(line: bytes) -> Proposal:
    facts = parse_json(line)
    changes = []
    before = None
    for ordinal, item in enumerate(facts["history"], 1):
        at = parse_time(item["at"])
        changes.append(StatusChange(facts["number"], ordinal, before, item["status"], at, item["commit"]))
        before = item["status"]
    return Proposal(facts, tuple(changes))
