"""The journal's Merkle tree: grown at its right edge, stored as tiles, and the maker of proofs.

A tile is 256 entries wide and 8 levels high. The entries of a tile of level 0 are leaf hashes; those of a tile of
level L are the roots of 256 complete tiles of level L - 1. Only the unfinished tile of each level is kept in memory.
A finished tile goes to storage once and never changes, so a tree of any size is loaded, and a proof is made, from a
handful of rows.

Imports ``proofs`` and ``errors`` only, and does no I/O: storage is reached through `NodeReader`.

Source: RFC 6962 section 2.1; C2SP tlog-tiles; RELIABILITY P25.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from charter_persist.errors import IntegrityError, InvalidInputError
from charter_persist.proofs import EMPTY_ROOT, HASH_BYTES, node_hash

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
TILE_BYTES = (2 * TILE_WIDTH - 1) * HASH_BYTES
"""Size of a stored tile: 256 + 128 + … + 2 + 1 hashes."""

Rows = list[list[bytes]]
"""Completed nodes of one tile by their height in it: row 0 holds its entries, row 8 its root once it is complete."""


class Tile(NamedTuple):
    """A finished tile, written once.

    Attributes:
        level: 0 for leaf hashes, L for the roots of tiles of level L - 1.
        number: place among the tiles of its level, from 0.
        nodes: the 256 entries (these alone are the tile of C2SP tlog-tiles), then the 128 nodes above them, then
            64, and so on up to the root, which is the last 32 bytes.
    """

    level: int
    number: int
    nodes: bytes

    @property
    def root(self) -> bytes:
        """Root of the tile, which is an entry of the level above."""
        return self.nodes[-HASH_BYTES:]


class NodeReader(Protocol):
    """What storage must answer so that a tree can be loaded and proofs can be made.

    All answers must come from one snapshot. An answer that mixes two moments makes proofs that do not verify.
    """

    def tile(self, level: int, number: int) -> bytes | None:
        """Return ``nodes`` of a stored tile, None where that tile is not finished."""

    def tile_roots(self, level: int, first_number: int, count: int) -> Sequence[bytes]:
        """Return the roots of ``count`` stored tiles of one level, in order of their number; count is 1 to 256."""

    def leaves(self, first_index: int, count: int) -> Sequence[bytes]:
        """Return the leaf hashes of ``count`` journal entries, in order; count is 1 to 256, index is position - 1."""


class Tree:
    """A Merkle tree that only grows; it remembers its right edge and forgets what is stored.

    Not safe for use by several threads at once: it belongs to whoever holds the writer lock.
    """

    __slots__ = ("_finished", "_levels", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._levels: list[Rows] = []
        self._finished: list[Tile] = []

    @classmethod
    def load(cls, size: int, reader: NodeReader) -> Tree:
        """Rebuild the tree of ``size`` leaves from storage.

        It equals the tree that was grown leaf by leaf. At most 255 leaf hashes are read, and for each level above
        at most 255 roots of tiles.

        Args:
            size: number of leaves, 0 or more.
            reader: storage that holds the first ``size`` leaves and their finished tiles.

        Raises:
            InvalidInputError: ``size`` is negative.
            IntegrityError: storage lacks a leaf or a tile.
        """
        _check_size(size)
        tree = cls()
        tree._size = size
        level = 0
        while size >> (TILE_HEIGHT * level):
            tree._levels.append(_unfinished_rows(level, size, reader))
            level += 1
        return tree

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    def append(self, leaf_hash: bytes) -> None:
        """Add one leaf at the right.

        Args:
            leaf_hash: hash of the leaf, 32 bytes.
        """
        self._size += 1
        self._add(leaf_hash, 0)

    def _add(self, node: bytes, level: int) -> None:
        """Add a node to the last tile of a level, and the root of each tile that this finishes to the level above."""
        while True:
            if level == len(self._levels):
                self._levels.append(_empty_rows())
            rows = self._levels[level]
            if not _push(rows, node):
                return
            number = (self._size >> (TILE_HEIGHT * (level + 1))) - 1
            self._finished.append(Tile(level, number, b"".join(map(b"".join, rows))))
            node = rows[TILE_HEIGHT][0]
            self._levels[level] = _empty_rows()
            level += 1

    def extend(self, leaf_hashes: Iterable[bytes]) -> None:
        """Add leaves at the right, in order; those that make up a whole tile cost no more than the hashes of its nodes."""
        leaves = list(leaf_hashes)
        start = 0
        while start < len(leaves):
            space = TILE_WIDTH - self._size % TILE_WIDTH
            part = leaves[start : start + space]
            start += space
            if len(part) == TILE_WIDTH:
                self._append_tile(part)
            else:
                for leaf_hash in part:
                    self.append(leaf_hash)

    def _append_tile(self, leaves: list[bytes]) -> None:
        """Add the leaves of one tile to a tree whose last tile is whole."""
        rows = [leaves]
        while len(rows) <= TILE_HEIGHT:
            row = rows[-1]
            rows.append([node_hash(row[n], row[n + 1]) for n in range(0, len(row), 2)])
        self._size += TILE_WIDTH
        self._finished.append(Tile(0, (self._size >> TILE_HEIGHT) - 1, b"".join(map(b"".join, rows))))
        if not self._levels:
            self._levels.append(_empty_rows())
        self._add(rows[-1][0], 1)

    def take_tiles(self) -> list[Tile]:
        """Hand over the tiles finished since the last call; they must be stored together with their leaves."""
        taken, self._finished = self._finished, []
        return taken

    def edge(self) -> tuple[bytes, ...]:
        """Roots of the complete subtrees that make up the tree, largest first; empty for the empty tree."""
        return tuple(row[-1] for rows in reversed(self._levels) for row in reversed(rows) if len(row) & 1)

    def root(self) -> bytes:
        """Merkle tree hash of all leaves, 32 bytes (RFC 6962 section 2.1)."""
        return root_of_edge(self.edge())

    def copy(self) -> Tree:
        """An independent tree with the same leaves and the same tiles to be taken, for provisional work."""
        tree = Tree()
        tree._size = self._size
        tree._levels = [[row.copy() for row in rows] for rows in self._levels]
        tree._finished = self._finished.copy()
        return tree


class TileNodes:
    """Answers the root of any complete subtree within a tree of one size; reads each tile at most once."""

    __slots__ = ("_reader", "_size", "_stored", "_unfinished")

    def __init__(self, size: int, reader: NodeReader) -> None:
        """Look into the tree of the first ``size`` leaves that ``reader`` holds."""
        self._size = size
        self._reader = reader
        self._stored: dict[tuple[int, int], bytes | None] = {}
        self._unfinished: dict[int, Rows] = {}

    def node(self, height: int, index: int) -> bytes:
        """Return the root of the complete subtree number ``index`` among those of 2 ** height leaves.

        Args:
            height: 0 for a leaf.
            index: from 0; the subtree must lie within the tree.

        Raises:
            IntegrityError: storage lacks a leaf or a tile, or a tile has a wrong length.
        """
        level, row = divmod(height, TILE_HEIGHT)
        place_bits = TILE_HEIGHT - row
        number, place = index >> place_bits, index & ((1 << place_bits) - 1)
        nodes = self._tile(level, number)
        if nodes is not None:
            start = (2 * TILE_WIDTH - (2 * TILE_WIDTH >> row) + place) * HASH_BYTES
            return nodes[start : start + HASH_BYTES]
        if level not in self._unfinished:
            self._unfinished[level] = _unfinished_rows(level, self._size, self._reader)
        return self._unfinished[level][row][place]

    def root(self, start: int, end: int) -> bytes:
        """Merkle tree hash of the leaves from ``start`` up to but without ``end``.

        Args:
            start: index of the first leaf; a multiple of the largest power of two within ``end - start``, as all
                ranges of RFC 6962 are.
            end: from ``start + 1`` to the size of the tree.
        """
        edge = []
        while start < end:
            height = (end - start).bit_length() - 1
            edge.append(self.node(height, start >> height))
            start += 1 << height
        return root_of_edge(edge)

    def _tile(self, level: int, number: int) -> bytes | None:
        """Nodes of a stored tile; None is allowed only for the one that the tree's edge runs through."""
        if (level, number) not in self._stored:
            nodes = self._reader.tile(level, number)
            is_needed = (number + 1) << (TILE_HEIGHT * (level + 1)) <= self._size
            if (nodes is None and is_needed) or (nodes is not None and len(nodes) != TILE_BYTES):
                raise IntegrityError(f"tile {number} of level {level} is missing or cut", level=level, number=number)
            self._stored[level, number] = nodes
        return self._stored[level, number]


def root_of_edge(edge: Sequence[bytes]) -> bytes:
    """Fold the roots of complete subtrees, largest first, into the root of the tree.

    Args:
        edge: as `Tree.edge` gives it.

    Returns:
        32 bytes; for an empty edge the root of the empty tree, SHA-256 of the empty string.
    """
    if not edge:
        return EMPTY_ROOT
    root = edge[-1]
    for left in edge[-2::-1]:
        root = node_hash(left, root)
    return root


def root_at(size: int, reader: NodeReader) -> bytes:
    """Root of the tree as it was when it had ``size`` leaves.

    Args:
        size: 0 to the number of stored leaves.
        reader: storage.

    Raises:
        InvalidInputError: ``size`` is negative.
        IntegrityError: storage lacks a leaf or a tile.
    """
    _check_size(size)
    return TileNodes(size, reader).root(0, size)


def inclusion_proof(index: int, size: int, reader: NodeReader) -> list[bytes]:
    """Make the proof that a leaf is in the tree of ``size`` leaves.

    Args:
        index: of the leaf, from 0; a journal position less one.
        size: 1 to the number of stored leaves.
        reader: storage.

    Returns:
        The audit path from the leaf up, each hash 32 bytes; empty for a tree of one leaf.

    Raises:
        InvalidInputError: ``index`` is not within 0 to ``size`` - 1.
        IntegrityError: storage lacks a leaf or a tile.

    Source: RFC 6962 section 2.1.1.
    """
    if not 0 <= index < size:
        raise InvalidInputError(f"index {index} is not within a tree of {size} leaves", index=index, size=size)
    nodes = TileNodes(size, reader)
    start, end = 0, size
    proof = []
    while end - start > 1:
        split = start + _largest_power_below(end - start)
        if index < split:
            proof.append(nodes.root(split, end))
            end = split
        else:
            proof.append(nodes.root(start, split))
            start = split
    proof.reverse()
    return proof


def consistency_proof(size1: int, size2: int, reader: NodeReader) -> list[bytes]:
    """Make the proof that the tree of ``size2`` leaves begins with the tree of ``size1`` leaves.

    Args:
        size1: 0 to ``size2``.
        size2: up to the number of stored leaves.
        reader: storage.

    Returns:
        The proof, each hash 32 bytes; empty when ``size1`` is 0 or equals ``size2``, as there is nothing to show.

    Raises:
        InvalidInputError: the sizes are negative or out of order.
        IntegrityError: storage lacks a leaf or a tile.

    Source: RFC 6962 section 2.1.2.
    """
    if not 0 <= size1 <= size2:
        raise InvalidInputError(f"sizes {size1} and {size2} are not in order", size1=size1, size2=size2)
    if size1 == 0:
        return []
    nodes = TileNodes(size2, reader)
    start, end = 0, size2
    proof = []
    while end != size1:
        split = start + _largest_power_below(end - start)
        if size1 <= split:
            proof.append(nodes.root(split, end))
            end = split
        else:
            proof.append(nodes.root(start, split))
            start = split
    if start:
        # The verifier knows the root of the old tree; of a part of it only when that part is the whole.
        proof.append(nodes.root(start, end))
    proof.reverse()
    return proof


def _check_size(size: int) -> None:
    """Refuse a negative number of leaves."""
    if size < 0:
        raise InvalidInputError(f"a tree cannot have {size} leaves", size=size)


def _largest_power_below(count: int) -> int:
    """The largest power of two that is smaller than ``count``, where RFC 6962 splits ``count`` > 1 leaves."""
    return 1 << ((count - 1).bit_length() - 1)


def _empty_rows() -> Rows:
    """Rows of a tile without entries."""
    return [[], [], [], [], [], [], [], [], []]


def _push(rows: Rows, node: bytes) -> bool:
    """Add an entry to a tile and every node that it completes; True when the tile is complete."""
    row = rows[0]
    row.append(node)
    count = len(row)
    height = 0
    while not count & 1:
        node = node_hash(row[-2], node)
        height += 1
        row = rows[height]
        row.append(node)
        count >>= 1
    return height == TILE_HEIGHT


def _unfinished_rows(level: int, size: int, reader: NodeReader) -> Rows:
    """Rows of the tile of a level that the edge of a tree of ``size`` leaves runs through, read from storage."""
    entries_total = size >> (TILE_HEIGHT * level)
    count = entries_total % TILE_WIDTH
    first = entries_total - count
    rows = _empty_rows()
    if not count:
        return rows
    entries = reader.tile_roots(level - 1, first, count) if level else reader.leaves(first, count)
    if len(entries) != count:
        what = f"{count} tiles of level {level - 1}" if level else f"{count} leaves"
        raise IntegrityError(
            f"of {what} from index {first} only {len(entries)} are stored", level=level, first=first, count=count
        )
    for entry in entries:
        _push(rows, entry)
    return rows
