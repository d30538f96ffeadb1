"""An archive on a ledger: a row for each entity, and a journal entry for each change.

A row is never removed. An erasure takes the JSON and the nonce from it, and the entity can then be stored once more as
the next generation, which is a row and a journal entry of its own. The journal commits to the content hash and to all
else that the row says; the hash vouches for the JSON.

Cost: `add` one look-up and two rows; `remove` one update and one row. Imports ``backends.contract`` and ``model``.

Source: CCOS-2, REQUIREMENTS 8 (erasure), DESIGN 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeVar

from charter_persist.backends.contract import ARCHIVE_ENTRY, ARCHIVE_HEAD, ArchiveHeadRow, ArchiveRow, Reader, Relation
from charter_persist.backends.contract.single import Stored
from charter_persist.errors import DigestMismatchError
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.text import POSITION_MAX
from charter_persist.model.time import format_micros
from charter_persist.repositories import erasure
from charter_persist.repositories.archive import Archives, WritableArchives
from charter_persist.repositories.base import ReadContext, WriteContext

R = TypeVar("R", ArchiveRow, ArchiveHeadRow)

STORE: Final = "archive"
PUT: Final = "store"


def entry_bytes(row: ArchiveRow) -> bytes:
    """What the journal commits to for an entity: everything but its JSON, for which the hash stands."""
    return canonical_bytes(
        {
            "content_hash": row.content_hash.hex(),
            "entity_id": row.entity_id,
            "entity_type": row.entity_type,
            "generation": row.generation,
            "size": row.size,
            "stored_at": format_micros(row.stored_at),
        }
    )


def subject_of(row: ArchiveRow) -> str:
    """How the journal names an entity."""
    return f"{row.entity_type}/{row.content_hash.hex()}"


class LedgerArchive:
    """`ArchiveReading` over the rows of a view."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def get(self, kind: str, content_hash: str) -> bytes | None:
        """The JSON, or None."""
        row = self._newest(ARCHIVE_ENTRY, kind, content_hash)
        return None if row is None else row.data

    def stat(self, kind: str, content_hash: str) -> Stored | None:
        """What is known without the JSON, or None."""
        row = self._newest(ARCHIVE_HEAD, kind, content_hash)
        return Stored(content_hash, row.size, row.stored_at) if row is not None and row.nonce else None

    def scan(self, kind: str, *, after: str = "") -> Iterator[Stored]:
        """All of a kind behind a hash, by hash."""
        beyond = (bytes.fromhex(after), POSITION_MAX) if after else None
        for row in self._reader.scan(ARCHIVE_HEAD, ARCHIVE_HEAD.key, prefix=(kind,), after=beyond):
            if row.nonce:
                yield Stored(row.content_hash.hex(), row.size, row.stored_at)

    def strays(self, kind: str) -> Iterator[str]:
        """None: whatever is in the table is under a hash."""
        return iter(())

    def _newest(self, relation: Relation[R], kind: str, content_hash: str) -> R | None:
        """The newest generation of an entity, erased or not."""
        raw = bytes.fromhex(content_hash)
        found = row = self._reader.get(relation, (kind, raw, 1))
        # An entity is stored again only where the generation before was erased.
        while row is not None and not row.nonce:
            found, row = row, self._reader.get(relation, (kind, raw, row.generation + 1))
        return row or found


class LedgerArchiveWriter(LedgerArchive):
    """`ArchiveWriting` over the rows of a unit of work."""

    def __init__(self, context: WriteContext) -> None:
        super().__init__(context.write)
        self._context = context

    def add(self, kind: str, content_hash: str, entity_id: str, data: bytes) -> None:
        """Keep an entity; where other bytes are under its hash, somebody altered the table."""
        newest = self._newest(ARCHIVE_ENTRY, kind, content_hash)
        if newest is not None and newest.data is not None:
            if newest.data != data:
                raise DigestMismatchError(
                    f"other bytes are stored under the content hash {content_hash}; run `charter verify`"
                )
            return
        generation = 1 if newest is None else newest.generation + 1
        context = self._context
        row = ArchiveRow(
            0, kind, bytes.fromhex(content_hash), generation, entity_id, len(data), context.now,
            context.sources.nonce(), data,
        )  # fmt: skip
        position = context.record_value(STORE, subject_of(row), PUT, entry_bytes(row), row.nonce)
        context.write.put(ARCHIVE_ENTRY, row._replace(position=position), size=len(data))

    def remove(self, kind: str, content_hash: str) -> bool:
        """Erase the JSON and the nonce of an entity."""
        newest = self._newest(ARCHIVE_ENTRY, kind, content_hash)
        if newest is None:
            return False
        subject = subject_of(newest)
        rows = erasure.LOGS[STORE].rows_of(self._context.reader, subject)
        return erasure.erase(self._context, STORE, subject, rows) > 0

    def stat(self, kind: str, content_hash: str) -> Stored | None:
        """What is known without the JSON, this unit's own changes included."""
        row = self._newest(ARCHIVE_ENTRY, kind, content_hash)
        return Stored(content_hash, row.size, row.stored_at) if row is not None and row.nonce else None

    def scan(self, kind: str, *, after: str = "") -> Iterator[Stored]:
        """All of a kind behind a hash, this unit's own changes included, which are passed on first."""
        self._context.write.flush()
        return super().scan(kind, after=after)


def ledger_archive_reader(context: ReadContext) -> Archives:
    """The archives of a view."""
    return Archives(LedgerArchive(context.reader), context.options, context.revision)


def ledger_archive_repository(context: WriteContext) -> WritableArchives:
    """The archives of a unit of work."""
    return WritableArchives(LedgerArchiveWriter(context), context.options, context.revision)
