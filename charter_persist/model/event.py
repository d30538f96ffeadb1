"""What can happen in an execution: sixteen kinds of events, each a value with one JSON form, and the event as stored.

In JSON an event is an object whose ``type`` names its kind; fields that are not known are left out. What a kind does
not have is refused, so a misspelt field is found when it is written and not when it is missed.

Imports ``errors`` only. Source: ENA-2, NEIGHBOURS 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from types import NoneType
from typing import Any, ClassVar, Final, Literal, NamedTuple, get_args, get_type_hints

from charter_persist.errors import InvalidInputError

Unknown = Literal["refuse", "custom"]
"""What becomes of an event of a type that is none of the sixteen: an error, or a `Custom` one."""


class _Variant:
    """What all kinds have."""

    __slots__ = ()
    type: ClassVar[str]

    def to_json(self) -> dict[str, Any]:
        """The JSON form; optional fields that are None are left out."""
        form = _FORMS[self.type]
        values = {name: getattr(self, name) for name in form.accepts if name != "type"}
        kept = {name: value for name, value in values.items() if value is not None or name in form.required}
        return {"type": self.type, **kept}


@dataclass(frozen=True, slots=True)
class ExecutionStarted(_Variant):
    """An execution began; ``parent`` and ``metadata`` are any JSON values."""

    type: ClassVar[str] = "execution_started"
    parent: Any = None
    metadata: Any = None


@dataclass(frozen=True, slots=True)
class StepStarted(_Variant):
    """A step began."""

    type: ClassVar[str] = "step_started"
    step_id: str
    step_type: str
    name: str
    parent_step_id: str | None = None


@dataclass(frozen=True, slots=True)
class StepCompleted(_Variant):
    """A step ended well; ``output`` is any JSON value."""

    type: ClassVar[str] = "step_completed"
    step_id: str
    duration_ms: int
    output: Any = None


@dataclass(frozen=True, slots=True)
class StepFailed(_Variant):
    """A step failed; ``error`` is a text or any JSON value."""

    type: ClassVar[str] = "step_failed"
    step_id: str
    error: Any


@dataclass(frozen=True, slots=True)
class ExecutionPaused(_Variant):
    """The execution waits."""

    type: ClassVar[str] = "execution_paused"
    reason: str


@dataclass(frozen=True, slots=True)
class ExecutionResumed(_Variant):
    """The execution goes on."""

    type: ClassVar[str] = "execution_resumed"


@dataclass(frozen=True, slots=True)
class ExecutionCompleted(_Variant):
    """The execution ended well; ``output`` is any JSON value."""

    type: ClassVar[str] = "execution_completed"
    duration_ms: int
    output: Any = None


@dataclass(frozen=True, slots=True)
class ExecutionFailed(_Variant):
    """The execution failed; ``error`` is a text or any JSON value."""

    type: ClassVar[str] = "execution_failed"
    error: Any


@dataclass(frozen=True, slots=True)
class ExecutionCancelled(_Variant):
    """Somebody ended the execution."""

    type: ClassVar[str] = "execution_cancelled"
    reason: str


@dataclass(frozen=True, slots=True)
class ArtifactStored(_Variant):
    """A step left something behind."""

    type: ClassVar[str] = "artifact_stored"
    artifact_id: str
    step_id: str
    content_hash: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class StepDiscovered(_Variant):
    """A step was found while others ran."""

    type: ClassVar[str] = "step_discovered"
    step_id: str
    source_type: str
    reason: str
    depth: int
    discovered_by: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCallStarted(_Variant):
    """A tool was called; ``input`` is any JSON value."""

    type: ClassVar[str] = "tool_call_started"
    tool_call_id: str
    tool_name: str
    input: Any
    step_id: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCallCompleted(_Variant):
    """A tool answered; ``output`` is any JSON value."""

    type: ClassVar[str] = "tool_call_completed"
    tool_call_id: str
    output: Any
    step_id: str | None = None


@dataclass(frozen=True, slots=True)
class CheckpointSaved(_Variant):
    """The state of the execution was kept elsewhere."""

    type: ClassVar[str] = "checkpoint_saved"
    checkpoint_id: str
    state_hash: str
    step_id: str | None = None


@dataclass(frozen=True, slots=True)
class GoalEvaluated(_Variant):
    """Somebody judged how far a goal was reached."""

    type: ClassVar[str] = "goal_evaluated"
    goal_id: str
    status: str
    step_id: str | None = None
    score: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Custom(_Variant):
    """What an application tells in its own words: ``event_type`` names it, ``data`` is any JSON value.

    ``v`` is the version of that form, which `Upcasters` know.
    """

    type: ClassVar[str] = "custom"
    event_type: str
    data: Any
    v: int = 1

    def to_json(self) -> dict[str, Any]:
        """The JSON form; the first version is left out."""
        form = {"type": self.type, "event_type": self.event_type, "data": self.data}
        return form if self.v == 1 else {**form, "v": self.v}


ExecutionEvent = (
    ExecutionStarted
    | StepStarted
    | StepCompleted
    | StepFailed
    | ExecutionPaused
    | ExecutionResumed
    | ExecutionCompleted
    | ExecutionFailed
    | ExecutionCancelled
    | ArtifactStored
    | StepDiscovered
    | ToolCallStarted
    | ToolCallCompleted
    | CheckpointSaved
    | GoalEvaluated
    | Custom
)
VARIANTS: Final[Mapping[str, Any]] = {variant.type: variant for variant in get_args(ExecutionEvent)}
"""The sixteen kinds, by type."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with its place.

    Attributes:
        execution_id: that it happened in.
        sequence: its number there: 1, 2, 3, … without a gap.
        tenant_id: that the execution belongs to.
        type: of what was stored; it stays when the event is erased.
        event: what happened; None where it was erased.
        timestamp: of the unit that appended it.
        position: place in the journal; the order of all events of a store.
        revision: of that unit.
    """

    execution_id: str
    sequence: int
    tenant_id: str
    type: str
    event: ExecutionEvent | None
    timestamp: datetime
    position: int
    revision: int

    @property
    def erased(self) -> bool:
        """Whether what happened was erased."""
        return self.event is None


class _Form(NamedTuple):
    """The fields of a kind: of which types each may be (None: any), which must be there, which are counts."""

    accepts: dict[str, frozenset[type] | None]
    required: frozenset[str]
    counts: tuple[str, ...]


def _form(variant: Any) -> _Form:
    hints = get_type_hints(variant)
    accepts: dict[str, frozenset[type] | None] = {"type": frozenset({str})}
    for field in fields(variant):
        hint = hints[field.name]
        kinds = frozenset(get_args(hint) or (hint,))
        accepts[field.name] = None if hint is Any else kinds | {int} if float in kinds else kinds
    required = frozenset(field.name for field in fields(variant) if field.default is MISSING)
    return _Form(accepts, required, tuple(field.name for field in fields(variant) if hints[field.name] is int))


_FORMS: Final = {name: _form(variant) for name, variant in VARIANTS.items()}


def event_json(event: ExecutionEvent | Mapping[str, Any], *, unknown: Unknown = "refuse") -> dict[str, Any]:
    """The JSON form of an event, whose fields are those of its kind; what any JSON value may be is not looked into.

    Args:
        event: one of the sixteen values, or an object with ``type``.
        unknown: ``"custom"`` keeps an object of an unknown type as a `Custom` event of that name, with its other
            fields as the data; ``"refuse"`` refuses it.

    Raises:
        InvalidInputError: it is no event, of an unknown type, lacks a field or has one too many, or one is of another
            type; the message names it.
    """
    if isinstance(event, _Variant):
        data = event.to_json()
    elif isinstance(event, Mapping):
        data = dict(event)
    else:
        raise InvalidInputError(f"an event is one of model.event or an object with type, got {type(event).__name__}")
    kind = data.get("type")
    form = _FORMS.get(kind) if type(kind) is str else None
    if form is None:
        return _as_custom(data, unknown)
    return _checked(data, form)


def event_from_json(data: Mapping[str, Any], *, unknown: Unknown = "refuse") -> ExecutionEvent:
    """Read an event; the arguments and errors are those of `event_json`."""
    members = event_json(data, unknown=unknown)
    event: ExecutionEvent = VARIANTS[members.pop("type")](**members)
    return event


def _checked(data: dict[str, Any], form: _Form) -> dict[str, Any]:
    kind = data["type"]
    has_null = False
    for name, value in data.items():
        if name not in form.accepts:
            raise InvalidInputError(f"a {kind} event has no field {name!r}; it has {', '.join(form.accepts)}")
        kinds = form.accepts[name]
        if value is None and name not in form.required and (kinds is None or NoneType in kinds):
            has_null = True
        elif kinds is not None and type(value) not in kinds:
            wanted = " or ".join(sorted(one.__name__ for one in kinds if one is not NoneType))
            raise InvalidInputError(f"{name} of a {kind} event must be {wanted}, got {type(value).__name__}")
    if not form.required <= data.keys():
        missing = ", ".join(sorted(form.required - data.keys()))
        raise InvalidInputError(f"a {kind} event needs {missing}")
    for name in form.counts:
        if data.get(name, 0) < 0:
            raise InvalidInputError(f"{name} of a {kind} event must be 0 or more, got {data[name]}")
    if kind == Custom.type and "v" in data:
        if data["v"] < 1:
            raise InvalidInputError(f"v of a custom event must be 1 or more, got {data['v']}")
        if data["v"] == 1:
            del data["v"]
    if not has_null:
        return data
    return {name: value for name, value in data.items() if value is not None or name in form.required}


def _as_custom(data: dict[str, Any], unknown: Unknown) -> dict[str, Any]:
    kind = data.pop("type", None)
    if type(kind) is not str or not kind:
        raise InvalidInputError("an event needs type, a text such as step_started")
    if unknown != "custom":
        raise InvalidInputError(
            f"there is no event type {kind!r}; use custom, ask for unknown types to be kept as custom, or one of "
            f"{', '.join(VARIANTS)}"
        )
    version = data.pop("v", 1)
    custom = {"type": Custom.type, "event_type": kind, "data": data, "v": version}
    return _checked(custom, _FORMS[Custom.type])
