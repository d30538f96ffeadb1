"""Damage to a SQLite store behind its back: its file is opened without guards and without checks."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

TABLES = (
    *("object", "ref", "ref_log", "audit_event", "metadata_log", "session", "session_candidate", "session_stance"),
    *("session_log", "kv_entry", "kv_change", "kv_lease", "journal", "journal_tile", "operation"),
    *("archive_entry", "intent", "intent_edge", "intent_log", "intent_edge_log"),
    *("event", "execution", "thread", "thread_log", "message", "message_log"),
)


@contextmanager
def unguarded(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection of somebody with the file in his hands."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.text_factory = bytes
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f'DROP TRIGGER "{name.decode()}"')
    connection.execute("PRAGMA ignore_check_constraints = ON")
    try:
        yield connection
    finally:
        connection.close()


class Value(NamedTuple):
    """One value of one row."""

    table: str
    column: str
    key_columns: tuple[str, ...]
    key: tuple[Any, ...]
    value: Any
    kind: str

    @property
    def subjects(self) -> tuple[str, ...]:
        """How a finding may name the row."""
        return (f"{self.table}/{'/'.join(map(_text, self.key))}",)


def _text(part: Any) -> str:
    return part.decode(errors="replace") if isinstance(part, bytes) else str(part)


def values(connection: sqlite3.Connection, table: str) -> Iterator[Value]:
    """Every value of a table that is not null."""
    info = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
    kinds = {row[1].decode(): row[2].decode() for row in info}
    key_columns = tuple(row[1].decode() for row in sorted(info, key=lambda row: row[5]) if row[5])
    for row in connection.execute(f'SELECT {", ".join(kinds)} FROM "{table}"').fetchall():
        named = dict(zip(kinds, row, strict=True))
        key = tuple(named[name] for name in key_columns)
        for column, value in named.items():
            if value is not None and value != b"":  # no bit to flip
                yield Value(table, column, key_columns, key, value, kinds[column])


def flipped(value: Any, bit: int) -> Any:
    """A value with one bit changed."""
    if isinstance(value, int):
        changed = (value & (2**64 - 1)) ^ (1 << bit % 64)
        return changed - 2**64 if changed >= 2**63 else changed
    data = bytearray(value)
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(data)


def write(connection: sqlite3.Connection, place: Value, value: Any) -> Value:
    """Write a value in the place of one; returns the place as it is then."""
    slot = f"CAST(? AS {place.kind})"
    where = " AND ".join(f'"{name}" = {_slot(part)}' for name, part in zip(place.key_columns, place.key, strict=True))
    done = connection.execute(
        f'UPDATE "{place.table}" SET "{place.column}" = {slot} WHERE {where}', (value, *place.key)
    )
    assert done.rowcount == 1, place
    named = dict(zip(place.key_columns, place.key, strict=True))
    if place.column in named:
        named[place.column] = value
    return place._replace(key=tuple(named.values()), value=value)


def _slot(part: Any) -> str:
    return "CAST(? AS TEXT)" if isinstance(part, bytes) else "?"


def flip_one(connection: sqlite3.Connection, place: Value, chance: random.Random) -> Value:
    """Flip one bit of a value, another one where a key would then stand twice."""
    while True:
        bits = 63 if isinstance(place.value, int) else len(place.value) * 8
        try:
            return write(connection, place, flipped(place.value, chance.randrange(max(1, bits))))
        except sqlite3.IntegrityError:
            continue
