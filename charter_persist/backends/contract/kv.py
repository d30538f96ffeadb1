"""Keys and every change of them, as rows. Source: DESIGN 4, KV-1."""

from __future__ import annotations

from typing import NamedTuple

from charter_persist.backends.contract.relation import Relation


class KvEntryRow(NamedTuple):
    """A key and its value now; ``position`` is its newest row in the log."""

    key: str
    value: bytes
    version: int
    revision: int
    created_at: int
    updated_at: int
    position: int


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


KV_ENTRY = Relation("kv_entry", KvEntryRow, ("key",), (("key",),), mutable=True, payload="value")

KV_CHANGE = Relation("kv_change", KvChangeRow, ("position",), (("position",), ("key", "position")), payload="value")
