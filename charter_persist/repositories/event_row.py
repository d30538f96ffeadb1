"""An event as a row: what the journal commits to and names, and what callers see.

Imports ``backends.contract`` and ``model``. Source: ENA-2, DESIGN 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from charter_persist.backends.contract import EVENT, EventRow, Reader
from charter_persist.model.canonical import canonical_bytes, load_canonical
from charter_persist.model.event import StoredEvent, event_from_json
from charter_persist.model.time import format_micros, from_micros
from charter_persist.model.upcasting import Upcasters

STORE: Final = "event"
APPEND: Final = "append"
BY_SEQUENCE: Final = ("execution_id", "sequence")

# The rows of a unit share these.
_text = lru_cache(maxsize=256)(canonical_bytes)
_time = lru_cache(maxsize=16)(lambda micros: canonical_bytes(format_micros(micros)))


def event_subject(execution_id: str, sequence: int) -> str:
    """What the journal names an event."""
    return f"{execution_id}/{sequence}"


def event_bytes(row: EventRow) -> bytes:
    """What the journal commits to: canonical JSON of all that stands in a row; an erased one has none of its own."""
    return (b'{"event":%b,"execution_id":%b,"recorded_at":%b,"revision":%d,"sequence":%d,"tenant_id":%b,"type":%b}') % (
        row.data or b"null",
        _text(row.execution_id),
        _time(row.recorded_at),
        row.revision,
        row.sequence,
        _text(row.tenant_id),
        _text(row.type),
    )


def rows_of(reader: Reader, subject: str) -> Iterator[EventRow]:
    """The row of an event, by what the journal names it."""
    execution_id, _, sequence = subject.rpartition("/")
    number = int(sequence)
    return reader.scan(EVENT, BY_SEQUENCE, prefix=(execution_id,), start=(number,), stop=(number + 1,))


def stored_event(row: EventRow, upcasters: Upcasters | None = None) -> StoredEvent:
    """What callers see of a row."""
    event = None
    if row.data is not None:
        data: dict[str, Any] = load_canonical(row.data)
        # A type that a newer release knows is kept in its own words.
        event = event_from_json(data if upcasters is None else upcasters.apply(data), unknown="custom")
    return StoredEvent(
        row.execution_id,
        row.sequence,
        row.tenant_id,
        row.type,
        event,
        from_micros(row.recorded_at),
        row.position,
        row.revision,
    )
