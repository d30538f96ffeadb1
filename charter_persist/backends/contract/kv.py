"""Keys and every change of them, as rows. Source: DESIGN 4, KV-1."""

from __future__ import annotations

from typing import NamedTuple

from charter_persist.backends.contract.relation import Relation


class KvEntryRow(NamedTuple):
    """A key and its value now; ``position`` is its newest row in the log, ``lease`` what it lives as long as."""

    key: str
    value: bytes
    version: int
    revision: int
    created_at: int
    updated_at: int
    position: int
    lease: str | None = None


class KvChangeRow(NamedTuple):
    """One change of a key; ``value`` is None where it was deleted, and ``nonce`` is empty then."""

    position: int
    key: str
    version: int
    revision: int
    nonce: bytes
    value: bytes | None
    created_at: int
    updated_at: int
    lease: str | None = None


class KvLeaseRow(NamedTuple):
    """A key that is attached to a lease now."""

    lease: str
    key: str


class LeaseRow(NamedTuple):
    """A lease and when its time is over, unless it is kept alive; both in microseconds."""

    lease: str
    ttl: int
    expires_at: int


KV_ENTRY = Relation("kv_entry", KvEntryRow, ("key",), (("key",),), mutable=True, payload="value")

KV_CHANGE = Relation("kv_change", KvChangeRow, ("position",), (("position",), ("key", "position")), payload="value")
KV_LEASE = Relation("kv_lease", KvLeaseRow, ("lease", "key"), (("lease", "key"),), mutable=True)
LEASE = Relation("lease", LeaseRow, ("lease",), (("lease",), ("expires_at", "lease")), mutable=True)
"""Of the moment alone: no journal entry tells of it, no backup has it, and a key whose lease is missing has ended."""
