"""Erasure in logs whose rows stay: payload and nonce go, the row and its journal entry stay, and so does every proof.

What was done is a journal entry of its own, of the same store and subject and without a row: it commits to what is left
of the rows. So whoever misses a payload asks whether such an entry follows, and what is left cannot be altered unseen.

Cost: of each subject one journal entry, and of each row one update. Imports ``backends.contract``,
``model`` and what stands beside it.

Source: REQUIREMENTS 8 (erasure), RELIABILITY P28.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from charter_persist.backends.contract import ARCHIVE_ENTRY, EVENT, MESSAGE_LOG, THREAD_LOG, Reader, Relation
from charter_persist.model.canonical import canonical_bytes
from charter_persist.repositories import event_row, message_row
from charter_persist.repositories.base import WriteContext
from charter_persist.repositories.write_set import WriteSet

OPERATION: Final = "erase"


class ErasableLog(NamedTuple):
    """A log that values can be erased from.

    Attributes:
        relation: an erasable one.
        rows_of: the rows of a subject, as the journal names it.
    """

    relation: Relation[Any]
    rows_of: Callable[[Reader, str], Iterator[Any]]


def _archive_rows(reader: Reader, subject: str) -> Iterator[Any]:
    kind, _, content_hash = subject.partition("/")
    return reader.scan(ARCHIVE_ENTRY, ARCHIVE_ENTRY.key, prefix=(kind, bytes.fromhex(content_hash)))


LOGS: Final[Mapping[str, ErasableLog]] = {
    "archive": ErasableLog(ARCHIVE_ENTRY, _archive_rows),
    event_row.STORE: ErasableLog(EVENT, event_row.rows_of),
    message_row.THREADS: ErasableLog(THREAD_LOG, message_row.thread_rows_of),
    message_row.MESSAGES: ErasableLog(MESSAGE_LOG, message_row.message_rows_of),
}
"""By store."""


def erase(context: WriteContext, store: str, subject: str, rows: Iterable[Any]) -> int:
    """Take payload and nonce from rows of one subject, and record it; all of it or nothing.

    Args:
        context: of the unit.
        store: one of `LOGS`.
        subject: that the rows are of.
        rows: all that the log has of it, in order of position.

    Returns:
        How many rows were erased; 0 where none had a payload, and then nothing is recorded.
    """
    log = LOGS[store].relation
    logged = list(rows)
    full = [row for row in logged if not log.is_erasure(row)]
    if full:
        with context.whole():
            context.record_value(store, subject, OPERATION, remains(log, logged))
            _empty(context.write, log, full)
    return len(full)


def remains(log: Relation[Any], rows: Iterable[Any]) -> bytes:
    """What an erasure leaves of rows: the canonical bytes of all columns but payload and nonce, row by row."""
    kept = [name for name in log.columns if name not in (log.payload, "nonce")]
    return b"".join(canonical_bytes([_shown(getattr(row, name)) for name in kept]) for row in rows)


def _shown(value: Any) -> Any:
    return value.hex() if type(value) is bytes else value


def repeat(write: WriteSet, store: str, subject: str, position: int) -> None:
    """Do again what a recorded erasure did, in a log that was filled with rows of before and after it.

    Args:
        write: over the log.
        store: one of `LOGS`.
        subject: that was erased.
        position: of the erasure.
    """
    log, rows_of = LOGS[store]
    _empty(write, log, (row for row in rows_of(write, subject) if row.position < position and not log.is_erasure(row)))


def _empty(write: WriteSet, log: Relation[Any], rows: Iterable[Any]) -> None:
    for row in rows:
        write.put(log, log.erased(row))
        if write.full:
            write.flush()
