"""The embeddings of collections, read from the store block by block and kept in memory while they do not change.

A collection is kept, as one block, where its embeddings fit into `CACHE_BYTES_MAX`, which all stores of the process share;
the one that was searched longest ago makes room. A search of a larger one reads it in blocks of `BLOCK_BYTES` and keeps
nothing: it needs two of them and a page of rows, whatever its size. The stamp of a collection tells whether it is current. A stamp is chance: no
other collection, store or copy of a file has it, and no unit that was rolled back leaves it to another one.

What is not in memory need not be read to be searched where the database finds the documents that can be among the best:
these alone are read then, and scored as all others are. A collection that fits into memory is searched so
`SEARCHES_BEFORE_READING` times, which costs about what reading it costs, and then it is read.

Imports ``backends.contract``, ``model`` and ``repositories.vector_block``. Source: ENA-5.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Final, NamedTuple

from charter_persist.backends.contract import VECTOR_POINT, Reader, VectorCollectionRow, nearest
from charter_persist.model.vector import FLOAT32_BYTES
from charter_persist.repositories.vector_block import Block

BLOCK_BYTES: Final = 32 * 1024 * 1024
CACHE_BYTES_MAX: Final = 1024 * 1024 * 1024
SEARCHES_BEFORE_READING: Final = 1
_COUNTED_MAX: Final = 1_024
_COLLECTION_BYTES: Final = 8
_CHANGE_BYTES: Final = 8


def first_stamp() -> bytes:
    """The stamp of a new collection. Not from the sources of the store: two stores with equal ones must differ here."""
    return os.urandom(_COLLECTION_BYTES + _CHANGE_BYTES)


def next_stamp(stamp: bytes) -> bytes:
    """The stamp of a collection that was changed; its first half stays, so it takes the place of the old one."""
    return stamp[:_COLLECTION_BYTES] + os.urandom(_CHANGE_BYTES)


class _Kept(NamedTuple):
    stamp: bytes
    blocks: Sequence[Block]
    size: int


class VectorCache:
    """Blocks of collections, by stamp; safe to use from any thread.

    Args:
        bytes_max: of all that is kept.
    """

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self._mutex = threading.Lock()
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._size = 0
        self._searches: OrderedDict[bytes, int] = OrderedDict()

    def get(self, stamp: bytes) -> Sequence[Block] | None:
        """The blocks of that stamp, or None."""
        collection = stamp[:_COLLECTION_BYTES]
        with self._mutex:
            kept = self._kept.get(collection)
            if kept is None or kept.stamp != stamp:
                return None
            self._kept.move_to_end(collection)
            return kept.blocks

    def put(self, stamp: bytes, blocks: Sequence[Block]) -> None:
        """Keep blocks, in place of what was kept of the collection; others make room."""
        size = sum(block.size for block in blocks)
        with self._mutex:
            old = self._kept.pop(stamp[:_COLLECTION_BYTES], None)
            self._size += size - (old.size if old else 0)
            self._kept[stamp[:_COLLECTION_BYTES]] = _Kept(stamp, blocks, size)
            while self._size > self.bytes_max:
                self._size -= self._kept.popitem(last=False)[1].size

    def pays(self, stamp: bytes) -> bool:
        """Count a search of what is not kept; True where keeping it pays by now."""
        with self._mutex:
            searches = self._searches.pop(stamp, 0) + 1
            self._searches[stamp] = searches
            if len(self._searches) > _COUNTED_MAX:
                self._searches.popitem(last=False)
            return searches > SEARCHES_BEFORE_READING

    def forget(self) -> None:
        """Give the memory back; a child after a fork does so, for its parent may have held the mutex."""
        self._mutex = threading.Lock()
        self._kept = OrderedDict()
        self._size = 0
        self._searches = OrderedDict()


CACHE: Final = VectorCache(CACHE_BYTES_MAX)
"""That of this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=CACHE.forget)


def blocks_near(
    reader: Reader, row: VectorCollectionRow, query: bytes, limit: int, cache: VectorCache = CACHE
) -> Iterator[Block]:
    """Documents of a collection in the order of their ids, among them all that can be among the best.

    Args:
        reader: of the snapshot or unit that the row was read from.
        row: the collection.
        query: an embedding as stored.
        limit: how many are wanted.
        cache: where blocks are kept.
    """
    is_read = cache.get(row.stamp) is not None or (_fits(row, cache) and cache.pays(row.stamp))
    names = None if is_read else nearest(reader, row, query, limit)
    return blocks_of(reader, row, cache) if names is None else _read_some(reader, row, names)


def blocks_of(reader: Reader, row: VectorCollectionRow, cache: VectorCache = CACHE) -> Iterator[Block]:
    """The documents of a collection in the order of their ids, from memory where they are there.

    Args:
        reader: of the snapshot or unit that the row was read from.
        row: the collection.
        cache: where blocks are kept.
    """
    kept = cache.get(row.stamp)
    if kept is not None:
        yield from kept
        return
    fits = _fits(row, cache)
    blocks = _read(reader, row, row.documents if fits else _rows_of_block(row))
    if not fits:
        yield from blocks
        return
    read = list(blocks)
    cache.put(row.stamp, read)
    yield from read


def _read(reader: Reader, row: VectorCollectionRow, rows_max: int) -> Iterator[Block]:
    points = reader.scan(VECTOR_POINT, ("collection", "id"), prefix=(row.name,))
    for first in points:
        yield Block(chain([first], points), row.dimension, max(1, rows_max))


def _read_some(reader: Reader, row: VectorCollectionRow, names: Sequence[str]) -> Iterator[Block]:
    ordered = iter(sorted(names, key=str.encode))
    while some := list(islice(ordered, max(1, _rows_of_block(row)))):
        points = reader.get_many(VECTOR_POINT, [(row.name, name) for name in some])
        yield Block(sorted(points, key=lambda point: point.id.encode()), row.dimension, len(points))


def _fits(row: VectorCollectionRow, cache: VectorCache) -> bool:
    return row.documents * row.dimension * FLOAT32_BYTES <= cache.bytes_max


def _rows_of_block(row: VectorCollectionRow) -> int:
    return BLOCK_BYTES // (row.dimension * FLOAT32_BYTES)
