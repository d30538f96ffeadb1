"""What a key holds, and the operations of a transaction on keys.

Imports nothing from the package but ``errors`` (through annotations). Source: KV-1, KV-2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and what it holds.

    Attributes:
        key: its name.
        value: opaque bytes.
        version: 1 at creation, then one more with each change; it begins again at 1 after a deletion.
        revision: of the unit of work that changed it, store-wide; it never repeats.
        created_at: when the key was created, in UTC.
        updated_at: when it was changed, in UTC.
        lease: id of the lease that it lives as long as; None where it stays until it is deleted.
    """

    key: str
    value: bytes = field(repr=False)
    version: int
    revision: int
    created_at: datetime
    updated_at: datetime
    lease: str | None = None


@dataclass(frozen=True, slots=True)
class Set:
    """Give a key a value, and attach it to a lease where one is named."""

    key: str
    value: bytes = field(repr=False)
    lease: str | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a key; that it is absent already is no error."""

    key: str


@dataclass(frozen=True, slots=True)
class CheckVersion:
    """The key must have this version; 0 where it must be absent."""

    key: str
    expected: int


@dataclass(frozen=True, slots=True)
class CheckRevision:
    """The key must have been changed by this revision; 0 where it must be absent."""

    key: str
    expected: int


KvOperation = Set | Delete | CheckVersion | CheckRevision
