"""The journal, its tree and what became of named units, as rows. Source: DESIGN 4."""

from __future__ import annotations

from typing import NamedTuple

from charter_persist.backends.contract.relation import Relation


class JournalRow(NamedTuple):
    """One change, as the journal records it.

    Attributes:
        position: place in the journal: 1, 2, 3, … without a gap, in commit order.
        revision: number of the unit of work that made the change, from 1.
        store: name of the store that was changed.
        subject: what was changed in it.
        operation: what was done to it.
        commitment: to the new value, 32 bytes.
        recorded_at: time of the unit, in microseconds since 1970-01-01T00:00:00Z.
        leaf: hash of all of these, 32 bytes: the leaf of the Merkle tree.
    """

    position: int
    revision: int
    store: str
    subject: str
    operation: str
    commitment: bytes
    recorded_at: int
    leaf: bytes


class TileRow(NamedTuple):
    """A complete tile of the Merkle tree: its 256 hashes, then the 128, 64, … 1 roots above them."""

    level: int
    tile: int
    root: bytes
    nodes: bytes


class TileRootRow(NamedTuple):
    """The root of a complete tile, read without its nodes."""

    level: int
    tile: int
    root: bytes


class HeadRow(NamedTuple):
    """Where a journal ends, as a backend keeps it beside the journal itself."""

    position: int
    revision: int
    root: bytes


class OperationRow(NamedTuple):
    """What became of one named unit of work."""

    operation_id: str
    value: bytes
    revision: int | None
    first_position: int | None
    size: int | None
    root: bytes | None
    recorded_at: int
    digest: bytes


JOURNAL = Relation("journal", JournalRow, ("position",), (("position",),))

JOURNAL_TILE = Relation("journal_tile", TileRow, ("level", "tile"), (("level", "tile"),), payload="nodes")

JOURNAL_TILE_ROOT = Relation("journal_tile", TileRootRow, ("level", "tile"), (("level", "tile"),))
"""A narrower look at the table of tiles, and not a table."""

OPERATION = Relation("operation", OperationRow, ("operation_id",), (("operation_id",),))
