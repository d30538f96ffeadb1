"""Rows as lines of text: what of a store is carried, and how a row is written and read.

A line is canonical JSON: the name of the relation and the row's columns by name. Bytes are lower-case hex, but the
payload of a relation is written as the text that it is in UTF-8, so a line can be read by eye; a payload that is no
text is an object with the one member ``hex``.

Cost: one JSON encoding or decoding a row. Imports ``backends.contract`` and ``errors``. Source: GOV-12.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any, Final, get_args, get_type_hints

from charter_persist.backends.contract import (
    EXECUTION,
    INTENT,
    INTENT_EDGE,
    JOURNAL,
    JOURNAL_TILE,
    KV_ENTRY,
    KV_LEASE,
    LEASE,
    MESSAGE,
    OPERATION,
    REF,
    RELATIONS,
    SESSION,
    SESSION_CANDIDATE,
    SESSION_STANCE,
    STATE_SNAPSHOT,
    STATE_VALUE,
    THREAD,
    VECTOR_COLLECTION,
    VECTOR_DOCUMENT,
    Relation,
)
from charter_persist.errors import IntegrityError, NotSupportedError

# A key-value entry of 64 MiB in hex, and the rest of its line.
LINE_BYTES_MAX: Final = 160 * 1024 * 1024
# What a restore computes anew from the logs, as `replay` does.
DERIVED: Final = frozenset(
    {
        *(REF, SESSION, SESSION_CANDIDATE, SESSION_STANCE, KV_ENTRY, KV_LEASE, INTENT, INTENT_EDGE),
        *(EXECUTION, THREAD, MESSAGE, JOURNAL_TILE),
    }
)
# What may be lost or is of the moment, so a backup has none of it.
CACHES: Final = frozenset({LEASE, STATE_SNAPSHOT, STATE_VALUE, VECTOR_COLLECTION, VECTOR_DOCUMENT})
_INTEGERS: Final = range(-(2**63), 2**63)
_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode

Column = tuple[str, frozenset[type], bool]
"""Name of a column, the types that its values may have, and whether it is the payload."""


def logs(relations: Iterable[Relation[Any]] = RELATIONS) -> tuple[Relation[Any], ...]:
    """The relations that are carried row by row, in order of position; the journal is the first of them.

    Args:
        relations: all of a store.

    Raises:
        NotSupportedError: a relation is neither a log, nor derived from one, nor a cache, so nobody knows how to carry it.
    """
    carried = [relation for relation in relations if "position" in relation.columns and not relation.mutable]
    known = {*carried, *DERIVED, *CACHES, OPERATION}
    for relation in relations:
        if relation not in known:
            raise NotSupportedError(f"a backup does not know how to carry the relation {relation.name}")
    return tuple(sorted(carried, key=lambda relation: (relation is not JOURNAL, relation.name)))


def to_line(relation: Relation[Any], row: Any) -> bytes:
    """Write a row; equal rows give equal lines on every backend."""
    columns = {}
    for (name, kinds, is_payload), value in zip(_columns(relation), row, strict=True):
        columns[name] = _shown(value, is_payload) if bytes in kinds and value is not None else value
    return _ENCODE({relation.name: columns}).encode() + b"\n"


def from_line(line: bytes) -> tuple[Relation[Any], Any]:
    """Read a row, whatever the line holds.

    Raises:
        IntegrityError: it is not a line that `to_line` wrote.
    """
    try:
        ((name, columns),) = json.loads(line).items()
        relation = _carried()[name]
        return relation, relation.make(_values(relation, columns))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise IntegrityError("a line of the backup is not a row of a store") from exc


def _shown(value: bytes, is_payload: bool) -> Any:
    if not is_payload:
        return value.hex()
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"hex": value.hex()}


def _values(relation: Relation[Any], columns: dict[str, Any]) -> list[Any]:
    if columns.keys() != set(relation.columns):
        raise ValueError("other columns")
    values = []
    for name, kinds, is_payload in _columns(relation):
        value = columns[name]
        if bytes in kinds and value is not None:
            value = _bytes(value, is_payload)
        if type(value) not in kinds or (type(value) is int and value not in _INTEGERS):
            raise ValueError("a value of another type")
        values.append(value)
    return values


def _bytes(value: Any, is_payload: bool) -> bytes:
    if not is_payload:
        return bytes.fromhex(value)
    if type(value) is dict:
        return bytes.fromhex(value["hex"])
    data: bytes = value.encode()
    return data


@cache
def _columns(relation: Relation[Any]) -> tuple[Column, ...]:
    hints = get_type_hints(relation.row)
    return tuple(
        (name, frozenset(get_args(hints[name]) or (hints[name],)), name == relation.payload)
        for name in relation.columns
    )


@cache
def _carried() -> dict[str, Relation[Any]]:
    return {relation.name: relation for relation in (*logs(), OPERATION)}
