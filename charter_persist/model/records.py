"""The values that repositories hand out for refs, metadata and audit events, and the page of a listing.

Each knows its canonical JSON: that is what commitments cover. Source: STO-3.2 to STO-3.4, GOV-9.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from charter_persist.errors import InvalidInputError
from charter_persist.model.digest import Digest
from charter_persist.model.text import check_event_type, check_scope, check_text
from charter_persist.model.time import format_time, parse_time

T = TypeVar("T")

CONTEXT_FIELDS = ("authority_resolution_id", "scope_resolution_id", "session_id")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a listing.

    Attributes:
        items: in order.
        cursor: give it to the next call; None at the end.
        revision: that all items were read at.
    """

    items: tuple[T, ...]
    cursor: str | None
    revision: int


@dataclass(frozen=True, slots=True)
class Ref:
    """A named pointer.

    Attributes:
        name: its name.
        digest: the object it points to; None in a history where it was deleted.
        version: 1 at the first set, then one more with each change, deletions included.
        revision: of the unit of work that changed it.
    """

    name: str
    digest: Digest | None
    version: int
    revision: int

    def to_json(self) -> dict[str, Any]:
        """All authoritative fields."""
        return {"digest": self.digest, "name": self.name, "revision": self.revision, "version": self.version}


@dataclass(frozen=True, slots=True)
class MetadataEntry:
    """A metadata key after one change.

    Attributes:
        key: its key.
        value: any JSON value; None where ``deleted``.
        deleted: True for a tombstone.
        version: 1 at the first set, then one more with each change, deletions included.
        revision: of the unit of work that changed it.
    """

    key: str
    value: Any
    deleted: bool
    version: int
    revision: int

    def to_json(self) -> dict[str, Any]:
        """All authoritative fields."""
        return {"key": self.key, "revision": self.revision, "value": self.value, "version": self.version}


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Something that happened, as it was recorded.

    Attributes:
        position: place in the journal; the order of events.
        event_id: unique in the store.
        event_type: such as ``AREA_CREATED``.
        occurred_at: aware UTC time, informational; order never comes from it.
        actor: who, or None.
        scope: ``GLOBAL`` or ``AREA:<id>``.
        subject: type and id of what it is about.
        context: the ids in force, each a text or None.
        details: any JSON value.
    """

    position: int
    event_id: str
    event_type: str
    occurred_at: datetime
    actor: str | None
    scope: str
    subject: tuple[str, str]
    context: Mapping[str, str | None]
    details: Any

    def to_json(self) -> dict[str, Any]:
        """The event without its position: what is stored and committed to; nulls are explicit."""
        return {
            "event_id": self.event_id,
            "event_type": self.event_type,
            "occurred_at": format_time(self.occurred_at),
            "actor": self.actor,
            "scope": self.scope,
            "subject": {"object_type": self.subject[0], "object_id": self.subject[1]},
            "context": dict(self.context),
            "details": self.details,
        }

    @classmethod
    def from_json(cls, position: int, data: Mapping[str, Any]) -> AuditEvent:
        """Read back what `to_json` gave."""
        subject = data["subject"]
        return cls(
            position=position,
            event_id=data["event_id"],
            event_type=data["event_type"],
            occurred_at=parse_time(data["occurred_at"]),
            actor=data["actor"],
            scope=data["scope"],
            subject=(subject["object_type"], subject["object_id"]),
            context=data["context"],
            details=data["details"],
        )

    def checked(self) -> AuditEvent:
        """Return the event if each field follows its grammar.

        Raises:
            InvalidInputError: a field does not; the message names it.
        """
        check_event_type(self.event_type)
        check_scope(self.scope)
        check_text(self.event_id, field="event_id")
        if self.actor is not None:
            check_text(self.actor, field="actor")
        if type(self.subject) is not tuple or len(self.subject) != 2:
            raise InvalidInputError("subject must be a pair (object type, object id)")
        check_text(self.subject[0], field="subject type")
        check_text(self.subject[1], field="subject id")
        for name, value in self.context.items():
            if value is not None:
                check_text(value, field=f"context {name}")
        return self


def full_context(context: Mapping[str, str | None] | None) -> dict[str, str | None]:
    """A context with each of its fields, None where it was not given.

    Raises:
        InvalidInputError: it has a field of another name.
    """
    given = dict(context or {})
    unknown = sorted(set(given) - set(CONTEXT_FIELDS))
    if unknown:
        raise InvalidInputError(f"context has no field {unknown[0]!r}; it has {', '.join(CONTEXT_FIELDS)}")
    return {name: given.get(name) for name in CONTEXT_FIELDS}
