"""The journal over a backend: appending entries under the writer lock, and reading entries, roots and proofs.

Cost of an append: one row, one leaf hash, one node hash on average, and one tile row for every 256 entries. The tree
is kept between units; it is right exactly when its size is the last position, else the missing entries are read.

Imports ``backends.contract``, ``model`` and ``errors``. Source: DESIGN 1.2, 4 and 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from charter_persist.backends.contract import (
    JOURNAL,
    JOURNAL_TILE,
    JOURNAL_TILE_ROOT,
    JournalRow,
    Reader,
    Relation,
    Row,
    TileRow,
    Transaction,
)
from charter_persist.errors import InvalidInputError
from charter_persist.journal.entry import Entry, entry_leaf
from charter_persist.journal.tree import (
    TILE_WIDTH,
    Tree,
    consistency_proof,
    inclusion_proof,
    root_at,
)
from charter_persist.model.text import check_position

BY_POSITION = ("position",)


class Writer(Protocol):
    """Where rows are put until the unit ends."""

    def put(self, relation: Relation[Row], row: Row, *, size: int = 0) -> None:
        """Write a row."""
        ...


class StoredNodes:
    """`tree.NodeReader` over the tiles and the entries of one snapshot."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def tile(self, level: int, index: int) -> bytes | None:
        """A finished tile."""
        row = self._reader.get(JOURNAL_TILE, (level, index))
        return None if row is None else row.nodes

    def tile_roots(self, level: int, first_index: int, count: int) -> Sequence[bytes]:
        """Roots of finished tiles."""
        rows = self._reader.scan(
            JOURNAL_TILE_ROOT, ("level", "tile"), prefix=(level,), start=(first_index,), stop=(first_index + count,)
        )
        return [row.root for row in rows]

    def leaves(self, first_index: int, count: int) -> Sequence[bytes]:
        """Leaf hashes, as they stand with the entries."""
        rows = self._reader.scan(JOURNAL, BY_POSITION, start=(first_index + 1,), limit=count)
        return [row.leaf for row in rows]


class Ledger:
    """Keeps the tree between units of work. Whoever holds the writer lock may use it, nobody else."""

    def __init__(self) -> None:
        self._tree: Tree | None = None

    def tree(self, transaction: Transaction, *, keep: bool) -> Tree:
        """The tree at the head of an open transaction.

        Args:
            transaction: to whose end it grows.
            keep: for the next one as well; not where the entries in it may never be committed.
        """
        tree, size = self._tree, transaction.position
        if tree is None or tree.size > size or size - tree.size > TILE_WIDTH:
            tree = Tree.load(size, StoredNodes(transaction))
        elif not keep:
            tree = tree.copy()
        if tree.size < size:
            for row in transaction.scan(JOURNAL, BY_POSITION, after=(tree.size,)):
                tree.append(row.leaf)
            tree.take_tiles()  # whoever appended these entries stored them
        if keep:
            self._tree = tree
        return tree

    def forget(self) -> None:
        """Drop the tree: it holds entries that were not committed."""
        self._tree = None


class JournalWriter:
    """Appends the entries of one unit of work."""

    __slots__ = ("_pending", "_tree", "_writer", "count", "first_position", "position", "revision", "settled")

    def __init__(self, writer: Writer, tree: Tree, position: int, revision: int) -> None:
        self._writer = writer
        self._tree = tree
        self._pending: list[bytes] = []
        self.position = position
        self.first_position = position + 1
        self.revision = revision + 1
        self.count = 0
        self.settled = False

    def append(self, store: str, subject: str, operation: str, commitment: bytes, recorded_at: int) -> int:
        """Append one entry; returns its position."""
        position = self.position = self.position + 1
        leaf = entry_leaf(position, self.revision, store, subject, operation, commitment, recorded_at)
        row = JournalRow(position, self.revision, store, subject, operation, commitment, recorded_at, leaf)
        self._writer.put(JOURNAL, row)
        self._pending.append(leaf)
        self.count += 1
        return position

    def settle(self) -> None:
        """Grow the tree by the entries since the last call and put the tiles that they finish."""
        if self._pending:
            self.settled = True
            tree = self._tree
            tree.extend(self._pending)
            self._pending.clear()
            for tile in tree.take_tiles():
                self._writer.put(
                    JOURNAL_TILE, TileRow(tile.level, tile.number, tile.root, tile.nodes), size=len(tile.nodes)
                )

    def edge(self) -> tuple[bytes, ...]:
        """The right edge after this unit; its root is the root of the receipt."""
        return self._tree.edge()


class JournalReader:
    """Entries, roots and proofs of one snapshot."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._nodes = StoredNodes(reader)
        self._size: int | None = None

    def size(self) -> int:
        """Number of entries; the position of the last one."""
        if self._size is None:
            last = self.last()
            self._size = last.position if last else 0
        return self._size

    def last(self) -> Entry | None:
        """The newest entry, or None where there is none."""
        return next(self._reader.scan(JOURNAL, BY_POSITION, reverse=True, limit=1), None)

    def entry(self, position: int) -> Entry | None:
        """The entry at a position, or None.

        Raises:
            InvalidInputError: it is not a position.
        """
        return self._reader.get(JOURNAL, (check_position(position, field="position"),))

    def entries(self, *, after: int = 0, limit: int | None = None) -> Iterator[Entry]:
        """Entries in order of position, lazily, in constant memory.

        Args:
            after: only entries behind this position, 0 or more.
            limit: at most so many.

        Raises:
            InvalidInputError: ``after`` or ``limit`` is not such a number.
        """
        after = check_position(after, field="after")
        limit = None if limit is None else check_position(limit, field="limit")
        return self._reader.scan(JOURNAL, BY_POSITION, after=(after,), limit=limit)

    def root(self, size: int | None = None) -> bytes:
        """Merkle root over the first ``size`` entries, over all of them by default.

        Raises:
            InvalidInputError: ``size`` is not within 0 to the number of entries.
        """
        return root_at(self._checked(size), self._nodes)

    def inclusion_proof(self, position: int, size: int | None = None) -> list[bytes]:
        """Proof that the entry at ``position`` is among the first ``size`` ones; a handful of rows are read.

        Args:
            position: 1 to ``size``. The proof's index is ``position - 1``.
            size: number of entries, all of them by default.

        Raises:
            InvalidInputError: position or size is out of range.

        Source: RFC 6962 section 2.1.1.
        """
        return inclusion_proof(position - 1, self._checked(size), self._nodes)

    def consistency_proof(self, size1: int, size2: int | None = None) -> list[bytes]:
        """Proof that the first ``size2`` entries begin with the first ``size1`` ones.

        Raises:
            InvalidInputError: a size is out of range.

        Source: RFC 6962 section 2.1.2.
        """
        return consistency_proof(size1, self._checked(size2), self._nodes)

    def _checked(self, size: int | None) -> int:
        total = self.size()
        if size is None:
            return total
        if not 0 <= size <= total:
            raise InvalidInputError(f"size must be within 0 and {total}, the number of entries; got {size}")
        return size
