"""A change of a key: what the journal commits to, and the entry that follows from it.

Imports ``backends.contract`` and ``model``. Source: KV-1, DESIGN 4.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Final

from charter_persist.backends.contract import KvChangeRow, KvEntryRow
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.entry import Entry
from charter_persist.model.time import format_micros, from_micros

STORE: Final = "kv"
CREATE: Final = "create"
UPDATE: Final = "update"
DELETE: Final = "delete"
ERASE: Final = "erase"


def change_bytes(row: KvChangeRow) -> bytes:
    """What the journal commits to for a change, the value in base64; nothing for a deletion."""
    if row.value is None:
        return b""
    fields: dict[str, str | int] = {
        "created_at": format_micros(row.created_at),
        "key": row.key,
        "revision": row.revision,
        "updated_at": format_micros(row.updated_at),
    }
    if row.lease is not None:
        fields["lease"] = row.lease
    head = canonical_bytes(fields)
    # "value" and "version" sort behind the others, so a large value is copied once.
    return b"".join((head[:-1], b',"value":"', b64encode(row.value), b'","version":', b"%d" % row.version, b"}"))


def entry_row(row: KvChangeRow) -> KvEntryRow | None:
    """The row of the present state that follows from the newest change of a key; None where it was deleted."""
    if row.value is None:
        return None
    return KvEntryRow(
        row.key, row.value, row.version, row.revision, row.created_at, row.updated_at, row.position, row.lease
    )


def entry_of(row: KvEntryRow) -> Entry:
    """What callers see of a key."""
    key, value, version, revision, created_at, updated_at, _position, lease = row
    created = from_micros(created_at)
    updated = created if updated_at == created_at else from_micros(updated_at)
    return Entry(key, value, version, revision, created, updated, lease)
