"""The intent graph: intents, the edges between them, and what can be asked of a list of intents.

Each value checks itself when it is made, so one that exists is valid. `to_json` is the form of stores and of backups
alike: every field, times as whole seconds since 1970 UTC, as the backup format has them. `from_json` reads it strictly,
ignores fields that it does not know, and takes optional ones that are missing as absent or empty.

Imports ``model.shape``, ``model.text``, ``model.time`` and ``errors``. Source: CCOS-4, CCOS-5, NEIGHBOURS 3.2, 3.3, 3.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from math import isfinite
from typing import Any, Final, NamedTuple, TypeVar

from charter_persist.errors import InvalidInputError
from charter_persist.model.shape import json_object, optional_text
from charter_persist.model.text import check_text
from charter_persist.model.time import from_micros, to_micros

PRIORITY_MAX: Final = 2**32 - 1
_MICROS_PER_SECOND: Final = 1_000_000
_SECONDS_MAX: Final = 253_402_300_799  # the end of the year 9999

E = TypeVar("E", bound=StrEnum)


class IntentStatus(StrEnum):
    """How an intent stands."""

    ACTIVE = "Active"
    EXECUTING = "Executing"
    COMPLETED = "Completed"
    FAILED = "Failed"
    ARCHIVED = "Archived"
    SUSPENDED = "Suspended"


class TriggerSource(StrEnum):
    """What made an intent."""

    HUMAN_REQUEST = "HumanRequest"
    PLAN_EXECUTION = "PlanExecution"
    SYSTEM_EVENT = "SystemEvent"
    INTENT_COMPLETION = "IntentCompletion"
    ARBITER_INFERENCE = "ArbiterInference"


class EdgeType(StrEnum):
    """What one intent is to another."""

    DEPENDS_ON = "DependsOn"
    IS_SUBGOAL_OF = "IsSubgoalOf"
    CONFLICTS_WITH = "ConflictsWith"
    ENABLES = "Enables"
    RELATED_TO = "RelatedTo"
    TRIGGERED_BY = "TriggeredBy"
    BLOCKS = "Blocks"


ACYCLIC: Final = frozenset({EdgeType.DEPENDS_ON, EdgeType.IS_SUBGOAL_OF})
"""Types whose edges never form a cycle: what waits for itself never begins, and no goal is a part of itself.

Conflict and relation say the same both ways; what enables, triggers or blocks may do so mutually, and a deadlock is a
fact that must be recordable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationContext:
    """How an intent came about, for audit and replay.

    Attributes:
        arbiter_version: of the program that made it.
        generation_timestamp: aware, whole seconds.
        input_context: a JSON object.
        reasoning_trace: a text, or None.

    Raises:
        InvalidInputError: a field is not as said; the message names it.
    """

    arbiter_version: str
    generation_timestamp: datetime
    input_context: Mapping[str, Any] = field(default_factory=dict)
    reasoning_trace: str | None = None

    def __post_init__(self) -> None:
        _text(self.arbiter_version, field="arbiter_version")
        _set(self, "generation_timestamp", _whole_second(self.generation_timestamp, field="generation_timestamp"))
        _set(self, "input_context", _object(self.input_context, field="input_context"))
        _text_or_none(self.reasoning_trace, field="reasoning_trace")

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return {
            "arbiter_version": self.arbiter_version,
            "generation_timestamp": to_seconds(self.generation_timestamp),
            "input_context": dict(self.input_context),
            "reasoning_trace": self.reasoning_trace,
        }

    @classmethod
    def from_json(cls, document: object) -> GenerationContext:
        """Read back what `to_json` gave.

        Raises:
            InvalidInputError: a field is missing or not as it should be; the message names it.
        """
        return cls(**_members(cls, document, form="generation_context"))


@dataclass(frozen=True, slots=True, kw_only=True)
class StorableIntent:
    """What somebody wants, as data.

    Attributes:
        intent_id: unique in the store; at most 512 bytes, no control characters.
        name, session_id, success_criteria, parent_intent: texts, or None.
        original_request, rtfs_intent_source, goal: texts.
        constraints, preferences, metadata: JSON objects.
        child_intents: ids. They and ``parent_intent`` are what the author says; edges are what the store checks.
        triggered_by: a `TriggerSource`, or its text.
        generation_context: how it came about.
        status: an `IntentStatus`, or its text.
        priority: 0 to 2^32 − 1.
        created_at, updated_at: aware, whole seconds, from 1970 on; the author sets them, the store never does.

    Raises:
        InvalidInputError: a field is not as said; the message names it.
    """

    intent_id: str
    original_request: str
    rtfs_intent_source: str
    goal: str
    triggered_by: TriggerSource
    generation_context: GenerationContext
    status: IntentStatus
    priority: int
    created_at: datetime
    updated_at: datetime
    name: str | None = None
    session_id: str | None = None
    constraints: Mapping[str, Any] = field(default_factory=dict)
    preferences: Mapping[str, Any] = field(default_factory=dict)
    success_criteria: str | None = None
    parent_intent: str | None = None
    child_intents: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_text(self.intent_id, field="intent_id")
        for name in ("original_request", "rtfs_intent_source", "goal"):
            _text(getattr(self, name), field=name)
        for name in ("name", "success_criteria"):
            _text_or_none(getattr(self, name), field=name)
        for name in ("session_id", "parent_intent"):
            optional_text(getattr(self, name), field=name)
        for name in ("constraints", "preferences", "metadata"):
            _set(self, name, _object(getattr(self, name), field=name))
        for name in ("created_at", "updated_at"):
            _set(self, name, _whole_second(getattr(self, name), field=name))
        _set(self, "child_intents", _ids(self.child_intents, field="child_intents"))
        _set(self, "triggered_by", _one_of(TriggerSource, self.triggered_by, field="triggered_by"))
        _set(self, "status", _one_of(IntentStatus, self.status, field="status"))
        _priority(self.priority, field="priority")
        if not isinstance(self.generation_context, GenerationContext):
            raise InvalidInputError("generation_context must be a GenerationContext")

    def to_json(self) -> dict[str, Any]:
        """All fields; what is absent is null."""
        return {
            "intent_id": self.intent_id,
            "name": self.name,
            "session_id": self.session_id,
            "original_request": self.original_request,
            "rtfs_intent_source": self.rtfs_intent_source,
            "goal": self.goal,
            "constraints": dict(self.constraints),
            "preferences": dict(self.preferences),
            "success_criteria": self.success_criteria,
            "parent_intent": self.parent_intent,
            "child_intents": list(self.child_intents),
            "triggered_by": str(self.triggered_by),
            "generation_context": self.generation_context.to_json(),
            "status": str(self.status),
            "priority": self.priority,
            "created_at": to_seconds(self.created_at),
            "updated_at": to_seconds(self.updated_at),
            "metadata": dict(self.metadata),
        }

    @classmethod
    def from_json(cls, document: object) -> StorableIntent:
        """Read back what `to_json` gave.

        Raises:
            InvalidInputError: a field is missing or not as it should be; the message names it.
        """
        members = _members(cls, document, form="an intent")
        context = GenerationContext.from_json(members["generation_context"])
        return cls(**{**members, "generation_context": context})


class EdgeKey(NamedTuple):
    """What identifies an edge; there is at most one of a type from one intent to another."""

    from_: str
    to: str
    edge_type: EdgeType

    @property
    def text(self) -> str:
        """``<from>/<to>/<type>``, with ``~`` and ``/`` of the ids as ``~0`` and ``~1``, so no two keys share a text."""
        return f"{edge_prefix(self.from_)}{_escaped(self.to)}/{self.edge_type}"


def edge_key(from_: object, to: object, edge_type: object) -> EdgeKey:
    """Make the key of an edge.

    Raises:
        InvalidInputError: an id or the type does not follow its grammar; the message names it.
    """
    kind = _one_of(EdgeType, edge_type, field="edge_type")
    return EdgeKey(check_text(from_, field="from"), check_text(to, field="to"), kind)


def edge_prefix(from_: str) -> str:
    """What the texts of all edges from an intent begin with, and of no other."""
    return f"{_escaped(from_)}/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What one intent is to another.

    Attributes:
        from_, to: ids of intents; ``from`` in JSON.
        edge_type: an `EdgeType`, or its text.
        metadata: a JSON object, or None.
        weight: a finite number, or None.

    Raises:
        InvalidInputError: a field is not as said; the message names it.
    """

    from_: str
    to: str
    edge_type: EdgeType
    metadata: Mapping[str, Any] | None = None
    weight: float | None = None

    def __post_init__(self) -> None:
        _set(self, "edge_type", edge_key(self.from_, self.to, self.edge_type).edge_type)
        if self.metadata is not None:
            _set(self, "metadata", _object(self.metadata, field="metadata"))
        if self.weight is not None:
            _set(self, "weight", _weight(self.weight))

    @property
    def key(self) -> EdgeKey:
        """What identifies it."""
        return EdgeKey(self.from_, self.to, self.edge_type)

    @property
    def entity_id(self) -> str:
        """Its name in an archive; unlike the text of its key, two edges may share it."""
        return f"edge-{self.from_}-{self.to}-{self.edge_type}"

    def to_json(self) -> dict[str, Any]:
        """All fields; what is absent is null."""
        return {
            "from": self.from_,
            "to": self.to,
            "edge_type": str(self.edge_type),
            "metadata": None if self.metadata is None else dict(self.metadata),
            "weight": self.weight,
        }

    @classmethod
    def from_json(cls, document: object) -> Edge:
        """Read back what `to_json` gave.

        Raises:
            InvalidInputError: a field is missing or not as it should be; the message names it.
        """
        return cls(**_members(cls, document, form="an edge"))


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentFilter:
    """Which intents a list shall have: those that fit every part that is given.

    Attributes:
        status: an `IntentStatus`, or its text.
        name_contains, goal_contains: taken literally and case-sensitively; an intent without a name has no such name.
        priority_min, priority_max: bounds, both included.

    Raises:
        InvalidInputError: a part is not as said; the message names it.
    """

    status: IntentStatus | None = None
    name_contains: str | None = None
    goal_contains: str | None = None
    priority_min: int | None = None
    priority_max: int | None = None

    def __post_init__(self) -> None:
        if self.status is not None:
            _set(self, "status", _one_of(IntentStatus, self.status, field="status"))
        for name in ("name_contains", "goal_contains"):
            _text_or_none(getattr(self, name), field=name)
        for name in ("priority_min", "priority_max"):
            if getattr(self, name) is not None:
                _priority(getattr(self, name), field=name)

    def admits(self, intent: StorableIntent) -> bool:
        """Whether an intent fits."""
        return (
            (self.status is None or intent.status is self.status)
            and (self.name_contains is None or (intent.name is not None and self.name_contains in intent.name))
            and (self.goal_contains is None or self.goal_contains in intent.goal)
            and (self.priority_min is None or intent.priority >= self.priority_min)
            and (self.priority_max is None or intent.priority <= self.priority_max)
        )


def to_seconds(moment: datetime) -> int:
    """A time as whole seconds since 1970 UTC."""
    return to_micros(moment) // _MICROS_PER_SECOND


def from_seconds(seconds: object, *, field: str) -> datetime:
    """Read whole seconds since 1970 UTC.

    Raises:
        InvalidInputError: it is not an integer from 0 to the end of the year 9999; the message names ``field``.
    """
    if type(seconds) is not int or not 0 <= seconds <= _SECONDS_MAX:
        raise InvalidInputError(f"{field} must be whole seconds since 1970, up to the year 9999; got {_shown(seconds)}")
    return from_micros(seconds * _MICROS_PER_SECOND)


_TIMES: Final = frozenset({"created_at", "updated_at", "generation_timestamp"})


def _members(cls: type[Any], document: object, *, form: str) -> dict[str, Any]:
    """The fields of a class that a JSON object has, by the names of the class; times as times."""
    data = json_object(document, field=form)
    members = {}
    for known in fields(cls):
        name = known.name.rstrip("_")
        if name in data:
            members[known.name] = from_seconds(data[name], field=name) if name in _TIMES else data[name]
        elif known.default is MISSING and known.default_factory is MISSING:
            raise InvalidInputError(f"{form} has no field {name}")
    return members


def _set(value: object, name: str, member: object) -> None:
    """Give a frozen value the checked form of a field while it is made."""
    object.__setattr__(value, name, member)


def _shown(value: object) -> str:
    return repr(value)[:80]


def _escaped(identity: str) -> str:
    """As a segment of a JSON pointer (RFC 6901)."""
    return identity.replace("~", "~0").replace("/", "~1")


def _one_of(kind: type[E], value: Any, *, field: str) -> E:
    try:
        return kind(value)
    except ValueError as exc:
        raise InvalidInputError(f"{field} must be one of {', '.join(kind)}; got {_shown(value)}") from exc


def _object(value: object, *, field: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"{field} must be a JSON object, got {type(value).__name__}")
    return dict(value)


def _text(value: object, *, field: str) -> None:
    if type(value) is not str:
        raise InvalidInputError(f"{field} must be a text, got {type(value).__name__}")


def _text_or_none(value: object, *, field: str) -> None:
    if value is not None:
        _text(value, field=field)


def _ids(value: object, *, field: str) -> tuple[str, ...]:
    if type(value) not in (list, tuple):
        raise InvalidInputError(f"{field} must be a list of ids, got {type(value).__name__}")
    return tuple([check_text(item, field=field) for item in value])  # type: ignore[attr-defined]  # one of the two


def _priority(value: object, *, field: str) -> None:
    if type(value) is not int or not 0 <= value <= PRIORITY_MAX:
        raise InvalidInputError(f"{field} must be an integer from 0 to {PRIORITY_MAX}, got {_shown(value)}")


def _weight(value: object) -> float:
    if type(value) not in (int, float):
        raise InvalidInputError(f"weight must be a number, got {type(value).__name__}")
    try:
        weight = float(value)  # type: ignore[arg-type]  # one of the two
    except OverflowError as exc:
        raise InvalidInputError("weight is too large for a double") from exc
    if not isfinite(weight):
        raise InvalidInputError(f"weight must be finite, got {weight}")
    return weight


def _whole_second(value: object, *, field: str) -> datetime:
    """A time in UTC: nothing that a backup could not hold is accepted, and nothing is cut off silently."""
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise InvalidInputError(f"{field} must be an aware datetime, got {_shown(value)}")
    seconds, fraction = divmod(to_micros(value), _MICROS_PER_SECOND)
    if fraction:
        raise InvalidInputError(f"{field} must be a whole second, as backups hold; use .replace(microsecond=0)")
    return from_seconds(seconds, field=field)
