"""Bringing an index to a later position by the journal.

Cost: one scan of the entries since, one look-up for every `BATCH` objects among them, and one `Index.apply` for all of
them; entries of other stores, and objects of other types, cost their entry alone.

Imports ``backends.contract``, ``model``, ``errors`` and the modules of ``index``. Source: IDX-10, RELIABILITY 4.7.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from charter_persist.backends.contract import JOURNAL, OBJECT, Key, ObjectRow, Reader
from charter_persist.errors import IntegrityError
from charter_persist.index.index import Index
from charter_persist.index.stored import TYPES, last_position, read_object
from charter_persist.model.digest import parse_digest

BATCH: Final = 1_000


def follow(index: Index, reader: Reader) -> None:
    """Bring an index to the last journal position of a reader, as if it had been rebuilt there.

    When it raises, the index may be anywhere between two positions: its owner must drop it and build a new one.

    Args:
        index: nobody may be asking it meanwhile.
        reader: of committed state, at or behind no earlier position than that of the index.

    Raises:
        IntegrityError: the reader is behind the index, or an object that the journal names is not stored.
        InvalidInputError: an entry of the journal names no digest.
        BackendError: the database could not be read.

    Spec: IDX-10
    """
    position = last_position(reader)
    if position < index.position:
        raise IntegrityError(f"the index is at position {index.position}, the reader at {position}; build a new index")
    index.apply(map(read_object, _new_rows(reader, index.position)))
    index.position = position


def _new_rows(reader: Reader, after: int) -> Iterator[ObjectRow]:
    """The objects of an index behind a position; one whose type was altered in the store is none any more."""
    keys = _new_keys(reader, after)
    while batch := list(islice(keys, BATCH)):
        rows = reader.get_many(OBJECT, batch)
        if len(rows) != len(set(batch)):
            raise IntegrityError("the journal names an object that is not stored; run `charter verify`")
        yield from (row for row in rows if row.type in TYPES)


def _new_keys(reader: Reader, after: int) -> Iterator[Key]:
    """The keys of those objects, as the journal names them."""
    for entry in reader.scan(JOURNAL, ("position",), after=(after,)):
        if entry.store == "object":
            object_type, _, digest = entry.subject.partition("/")
            if object_type in TYPES:
                yield (bytes.fromhex(parse_digest(digest)),)
