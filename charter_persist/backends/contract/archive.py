"""Entities of an archive, as rows. Source: DESIGN 4, CCOS-2."""

from __future__ import annotations

from typing import NamedTuple

from charter_persist.backends.contract.relation import Relation


class ArchiveRow(NamedTuple):
    """One entity; ``data`` is its canonical JSON, and None where it was erased, and then ``nonce`` is empty.

    ``generation`` is 1, and one more for each erasure that the entity was stored again after.
    """

    position: int
    entity_type: str
    content_hash: bytes
    generation: int
    entity_id: str
    size: int
    stored_at: int
    nonce: bytes
    data: bytes | None


class ArchiveHeadRow(NamedTuple):
    """An entity without its JSON; ``nonce`` tells whether it was erased."""

    position: int
    entity_type: str
    content_hash: bytes
    generation: int
    size: int
    stored_at: int
    nonce: bytes


_BY_HASH = ("entity_type", "content_hash", "generation")

ARCHIVE_ENTRY = Relation(
    "archive_entry", ArchiveRow, _BY_HASH, (("position",), _BY_HASH), payload="data", erasable=True
)

ARCHIVE_HEAD = Relation("archive_entry", ArchiveHeadRow, _BY_HASH, (_BY_HASH,))
"""A narrower look at the table of entities, and not a table."""
