"""Compaction: dropping logged changes that newer ones of the same key replaced. One mechanism for every log of keys.

What was done is recorded in the log itself, under keys that no caller can use: one record for each prefix that was ever
compacted, the newest in place of the one before. So a backup carries it, and whoever misses a row can ask whether it
may be missing: after a compaction up to a position the newest row of each key up to that position is there.

Cost: one pass over the keys of the prefix. Imports ``backends.contract``, ``model`` and ``errors``.

Source: STO-3.4, DESIGN 1.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from charter_persist.backends.contract import JOURNAL, KV_CHANGE, METADATA_LOG, Reader, Relation
from charter_persist.errors import IntegrityError
from charter_persist.model.canonical import canonical_bytes, load_canonical
from charter_persist.model.text import POSITION_MAX, prefix_end
from charter_persist.repositories.write_set import WriteSet

BY_KEY: Final = ("key", "position")
OPERATION: Final = "compact"
_OF_A_PREFIX: Final = "*"
# The first text that a caller can use as a key; records stand below it.
FIRST_KEY: Final = {METADATA_LOG: " ", KV_CHANGE: "/"}


@dataclass(frozen=True, slots=True)
class Compaction:
    """A compaction, as it is recorded.

    Attributes:
        prefix: of the keys that it was about; empty for all.
        upto: changes that a newer one at or below this position replaced were dropped.
        position: of its own journal entry.
        revision: of its own unit.
    """

    prefix: str
    upto: int
    position: int
    revision: int


def is_record(log: Relation[Any], key: str) -> bool:
    """Whether a row of that key records a compaction."""
    return key < FIRST_KEY[log]


def record_key(prefix: str) -> str:
    """The key that compactions of a prefix are recorded under."""
    return _OF_A_PREFIX + prefix if prefix else ""


def record_value(upto: int) -> bytes:
    """What a record holds."""
    return canonical_bytes({"upto": upto})


def compactions(reader: Reader, log: Relation[Any]) -> list[Compaction]:
    """The newest compaction of each prefix, by prefix."""
    newest: dict[str, Compaction] = {}
    for row in reader.scan(log, BY_KEY, stop=(FIRST_KEY[log], 0)):
        found = recorded(row)
        newest[found.prefix] = found
    return list(newest.values())


def recorded(row: Any) -> Compaction:
    """The compaction that a row records.

    Raises:
        IntegrityError: it records none.
    """
    try:
        upto = int(load_canonical(row.value)["upto"])
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise IntegrityError("the record of a compaction cannot be read; run `charter verify`") from exc
    return Compaction(row.key.removeprefix(_OF_A_PREFIX), upto, row.position, row.revision)


def known_from(reader: Reader, log: Relation[Any], found: Compaction) -> tuple[int, int]:
    """From which position and revision on a compacted log is known: of keys no history can be asked for."""
    if log is METADATA_LOG:
        return found.position, found.revision
    entry = reader.get(JOURNAL, (found.upto,))
    return found.upto, entry.revision if entry is not None else found.revision


def replaced(reader: Reader, log: Relation[Any], upto: int, prefix: str = "") -> Iterator[Any]:
    """Yield each logged change that a newer one of the same key, at or below a position, replaced.

    Args:
        reader: of the log; yielded rows may be deleted meanwhile.
        log: METADATA_LOG or KV_CHANGE.
        upto: position that the newer change must not exceed.
        prefix: only of keys that begin so.
    """
    end = prefix_end(prefix) if prefix else None
    start, stop = (prefix or FIRST_KEY[log], 0), None if end is None else (end, 0)
    return _replaced(reader.scan(log, BY_KEY, start=start, stop=stop, reverse=True), upto)


def _replaced(newest_first: Iterator[Any], upto: int) -> Iterator[Any]:
    newer: Any = None
    for row in newest_first:
        if newer is not None and newer.key == row.key and newer.position <= upto:
            yield row
        newer = row


def drop_replaced(write: WriteSet, log: Relation[Any], upto: int, prefix: str = "") -> int:
    """Drop what `replaced` yields, in constant memory; returns how many rows that were."""
    return drop(write, log, replaced(write, log, upto, prefix))


def drop(write: WriteSet, log: Relation[Any], rows: Iterator[Any]) -> int:
    """Drop rows of a log, in constant memory; returns how many."""
    dropped = 0
    for row in rows:
        write.delete(log, (row.position,))
        dropped += 1
        if write.full:
            write.flush()
    return dropped


def drop_older_records(write: WriteSet, log: Relation[Any], prefix: str | None = None) -> None:
    """Of each prefix, or of one, keep the newest record alone."""
    if prefix is None:
        rows = write.scan(log, BY_KEY, stop=(FIRST_KEY[log], 0), reverse=True)
    else:
        rows = write.scan(log, BY_KEY, prefix=(record_key(prefix),), reverse=True)
    drop(write, log, _replaced(rows, POSITION_MAX))


def repeat(write: WriteSet, log: Relation[Any]) -> None:
    """Do again what the recorded compactions did, in a log that was filled with rows of before and after them."""
    for found in compactions(write, log):
        drop_replaced(write, log, found.upto, found.prefix)
    drop_older_records(write, log)


def accounts_for(found: list[Compaction], log: Relation[Any], key: str, newer: int) -> bool:
    """Whether a missing change was dropped by one of these compactions.

    Args:
        found: what `compactions` gave.
        log: that the change is missing from.
        key: of the change.
        newer: position of the oldest newer row of the key that is there.
    """
    return is_record(log, key) or any(newer <= one.upto and key.startswith(one.prefix) for one in found)
