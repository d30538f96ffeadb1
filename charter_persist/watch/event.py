"""What a watcher is told: events, and batches of all events of one unit of work.

Imports nothing from the package. Source: KV-5, DESIGN 3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

EventType = Literal["created", "updated", "deleted"]


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change.

    Attributes:
        type: what became of the subject.
        store: that was changed, such as ``kv``.
        key: the subject of the journal entry: a key, a ref name, ``<type>/<digest>`` of an object,
            ``<scope>/<event id>`` of an audit event, a metadata key, a session id, ``<execution id>/<sequence>`` of an
            event, ``<thread id>/<message id>`` of a message, a thread id, an intent id, ``<from>/<to>/<type>`` of an edge.
        old_value: what it held before; None where it was absent, and where that was erased.
        new_value: what it holds since then, None where it was deleted: the bytes that the store keeps, canonical JSON
            for all but keys; of a ref the digest as 64 hexadecimal characters.
        version: that the store gave to the change, of an event its sequence; 0 for a deleted key and for what was
            erased, 1 for objects and audit events.
    """

    type: EventType
    store: str
    key: str
    old_value: bytes | str | None = field(repr=False)
    new_value: bytes | str | None = field(repr=False)
    version: int

    @property
    def size(self) -> int:
        """How much it holds, in bytes."""
        return len(self.old_value or b"") + len(self.new_value or b"")


@dataclass(frozen=True, slots=True)
class WatchBatch:
    """All matching events of one unit of work, in the order of the journal.

    Attributes:
        revision: of the unit; it is the bookmark: a watch ``after`` it goes on behind this batch.
        events: one or more.
    """

    revision: int
    events: tuple[WatchEvent, ...]
