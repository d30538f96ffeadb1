"""What a write set does to one relation, sorted by the statements it takes. Imports ``backends.contract`` only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from charter_persist.backends.contract import Key, Relation


class Writes(NamedTuple):
    """Rows to write, rows that lose their payload, keys to delete; no key is in two of them."""

    written: list[Any]
    erased: list[Any]
    deleted: list[Key]


def sort_out(relation: Relation[Any], rows: Mapping[Key, Any]) -> Writes:
    """Sort the changes of one relation."""
    written = [row for row in rows.values() if row is not None]
    deleted = [key for key, row in rows.items() if row is None] if len(written) < len(rows) else []
    if not relation.erasable:
        return Writes(written, [], deleted)
    erased = [row for row in written if relation.is_erasure(row)]
    return Writes([row for row in written if not relation.is_erasure(row)] if erased else written, erased, deleted)


def erasing(relation: Relation[Any], rows: list[Any]) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Yield of each erased row the parameters of `Statements.erase` and of `Statements.insert_absent`."""
    for row in map(relation.erased, rows):
        key = relation.key_of(row)
        yield (b"", *key), (*row, *key)
