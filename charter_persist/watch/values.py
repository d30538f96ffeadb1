"""What changed, for the journal entries of one revision: the values before and after, from the logs of the stores.

A journal entry says that something changed; the row of the log at its position says to what, and the row of the same
subject before it from what. A row that is missing was compacted or erased, and that is recorded: nothing is skipped
because it could not be read.

Cost: one statement for all rows of a revision, and one for the value before each change that replaced one.

Imports ``backends.contract``, ``journal``, ``repositories`` and ``errors``. Source: KV-5, DESIGN 1.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from charter_persist.backends.contract import (
    ARCHIVE_ENTRY,
    AUDIT,
    EVENT,
    INTENT_EDGE_LOG,
    INTENT_LOG,
    JOURNAL,
    KV_CHANGE,
    MESSAGE_LOG,
    METADATA_LOG,
    OBJECT,
    REF_LOG,
    SESSION_LOG,
    THREAD_LOG,
    Reader,
    Relation,
)
from charter_persist.errors import CompactedError, IntegrityError
from charter_persist.journal.entry import Entry
from charter_persist.repositories import compaction, erasure
from charter_persist.repositories.intent_change import BY_SUBJECT
from charter_persist.repositories.kv_change import ERASE
from charter_persist.repositories.message_row import BY_MESSAGE_VERSION, BY_THREAD_VERSION
from charter_persist.watch.event import EventType, WatchEvent
from charter_persist.watch.subjects import Subjects


def read_events(reader: Reader, subjects: Subjects, entries: Sequence[Entry]) -> Iterator[WatchEvent]:
    """Yield what a watcher is told of these entries.

    Args:
        reader: of a snapshot that has them.
        subjects: that are watched.
        entries: of one revision, in their order; each may fit.

    Returns:
        The events in the same order. Changes of a key that was erased since then are not among them, and neither are
        records of compactions: as of their revision a view shows neither.

    Raises:
        CompactedError: a value that is needed was compacted; ``oldest`` is a revision to go on after.
        IntegrityError: a row is missing, and nothing accounts for it.
    """
    return _STORES[subjects.store](reader, subjects, entries)


@dataclass(frozen=True, slots=True)
class _Log:
    """Reads the changes of a store that logs every change of its subjects.

    Attributes:
        relation: the log.
        order: of the changes of one subject.
        value: of a row; None where the subject is absent since then.
    """

    relation: Relation[Any]
    order: tuple[str, str]
    value: Callable[[Any], bytes | str | None]

    def __call__(self, reader: Reader, subjects: Subjects, entries: Sequence[Entry]) -> Iterator[WatchEvent]:
        changes = [entry for entry in entries if entry.operation != compaction.OPERATION]
        found = {row.position: row for row in reader.get_many(self.relation, [(e.position,) for e in changes])}
        for entry in changes:
            row = found.get(entry.position)
            if row is not None:
                old = None if entry.operation == ERASE else self._old(reader, subjects, entry, row)
                yield _event(entry, old, self.value(row), row.version)
            elif not self._was_erased(reader, subjects, entry):
                raise _missing(entry)

    def _old(self, reader: Reader, subjects: Subjects, entry: Entry, row: Any) -> bytes | str | None:
        """The value before a change."""
        if row.version == 1:
            return None
        subject, place = self.order
        before = (getattr(row, place),)
        rows = reader.scan(
            self.relation, self.order, prefix=(getattr(row, subject),), stop=before, reverse=True, limit=1
        )
        previous = next(rows, None)
        if previous is None:
            self._refuse_compacted(reader, subjects, entry, entry.position)
            raise _missing(entry)
        return self.value(previous)

    def _was_erased(self, reader: Reader, subjects: Subjects, entry: Entry) -> bool:
        """Whether a missing change was erased; one that was compacted is refused."""
        if self.relation not in compaction.FIRST_KEY:
            return False
        newer = next(
            reader.scan(self.relation, self.order, prefix=(entry.subject,), after=(entry.position,), limit=1), None
        )
        if newer is None:
            return False
        self._refuse_compacted(reader, subjects, entry, newer.position)
        cause = reader.get(JOURNAL, (newer.position,))
        return cause is not None and cause.operation == ERASE

    def _refuse_compacted(self, reader: Reader, subjects: Subjects, entry: Entry, newer: int) -> None:
        """Raise where a compaction accounts for a change that ``newer`` replaced, and that is missing."""
        if self.relation not in compaction.FIRST_KEY:
            return
        found = compaction.compactions(reader, self.relation)
        if compaction.accounts_for(found, self.relation, entry.subject, newer):
            start = subjects.pattern.prefix
            met = [one for one in found if one.prefix.startswith(start) or start.startswith(one.prefix)]
            oldest = max(compaction.known_from(reader, self.relation, one)[1] for one in met)
            raise CompactedError(
                f"what {subjects.store}:{subjects.pattern.text} was at revision {entry.revision} was compacted; read it "
                f"as of {oldest} and watch after that",
                oldest=oldest,
            )


@dataclass(frozen=True, slots=True)
class _ErasableLog:
    """Reads the changes of a store whose rows stay when they are erased.

    Attributes:
        relation: the log.
        order: of the rows of one subject, and its column that tells how often the subject changed; None where each
            row is a subject of its own.
    """

    relation: Relation[Any]
    order: tuple[str, str] | None = None

    def __call__(self, reader: Reader, _subjects: Subjects, entries: Sequence[Entry]) -> Iterator[WatchEvent]:
        changes = [entry for entry in entries if entry.operation != erasure.OPERATION]
        found = {row.position: row for row in reader.get_many(self.relation, [(e.position,) for e in changes])}
        for entry in entries:
            row = found.get(entry.position)
            if entry.operation == erasure.OPERATION:
                yield _event(entry, None, None, 0)
            elif row is None:
                raise _missing(entry)
            elif row.data is not None:
                version = row.sequence if self.order is None else row.version
                yield _event(entry, self._old(reader, row), row.data, version)

    def _old(self, reader: Reader, row: Any) -> bytes | None:
        """The value before a change; None where it was erased meanwhile, or the subject was new."""
        if self.order is None or row.version == 1:
            return None
        subject, version = self.order
        prefix, stop = (getattr(row, subject),), (getattr(row, version),)
        before = next(reader.scan(self.relation, self.order, prefix=prefix, stop=stop, reverse=True, limit=1), None)
        return None if before is None else before.data


def _objects(reader: Reader, _subjects: Subjects, entries: Sequence[Entry]) -> Iterator[WatchEvent]:
    keys = [(bytes.fromhex(entry.subject.partition("/")[2]),) for entry in entries]
    found = {row.digest: row for row in reader.get_many(OBJECT, keys)}
    for entry, (raw,) in zip(entries, keys, strict=True):
        if raw not in found:
            raise _missing(entry)
        yield _event(entry, None, found[raw].data, 1)


def _audit(reader: Reader, subjects: Subjects, entries: Sequence[Entry]) -> Iterator[WatchEvent]:
    bounds = ((entries[0].position,), (entries[-1].position + 1,))
    found = {row.position: row for row in reader.scan(AUDIT, ("position",), start=bounds[0], stop=bounds[1])}
    for entry in entries:
        row = found.get(entry.position)
        if row is None:
            raise _missing(entry)
        if subjects.fits(entry.subject, row.scope):
            yield _event(entry, None, row.data, 1)


def _archive(reader: Reader, _subjects: Subjects, entries: Sequence[Entry]) -> Iterator[WatchEvent]:
    """An entity that was erased since then is not told of; its erasure is, without what it was."""
    bounds = ((entries[0].position,), (entries[-1].position + 1,))
    rows = reader.scan(ARCHIVE_ENTRY, ("position",), start=bounds[0], stop=bounds[1])
    found = {row.position: row for row in rows}
    for entry in entries:
        if entry.operation == erasure.OPERATION:
            yield _event(entry, None, None, 0)
        elif entry.position not in found:
            raise _missing(entry)
        elif found[entry.position].data is not None:
            yield _event(entry, None, found[entry.position].data, 1)


def _event(entry: Entry, old: bytes | str | None, new: bytes | str | None, version: int) -> WatchEvent:
    kind: EventType = "deleted" if new is None else "created" if old is None else "updated"
    return WatchEvent(kind, entry.store, entry.subject, old, new, version)


def _missing(entry: Entry) -> IntegrityError:
    return IntegrityError(
        f"what {entry.store} {entry.subject} held at position {entry.position} is missing; run `charter verify`",
        position=entry.position,
    )


_STORES: Final[Mapping[str, Callable[[Reader, Subjects, Sequence[Entry]], Iterator[WatchEvent]]]] = {
    "archive": _archive,
    "audit": _audit,
    "event": _ErasableLog(EVENT),
    "intent": _Log(INTENT_LOG, BY_SUBJECT, lambda row: row.data),
    "intent_edge": _Log(INTENT_EDGE_LOG, BY_SUBJECT, lambda row: row.data),
    "kv": _Log(KV_CHANGE, compaction.BY_KEY, lambda row: row.value),
    "message": _ErasableLog(MESSAGE_LOG, BY_MESSAGE_VERSION),
    "metadata": _Log(METADATA_LOG, compaction.BY_KEY, lambda row: row.value),
    "object": _objects,
    "ref": _Log(REF_LOG, ("name", "position"), lambda row: None if row.digest is None else row.digest.hex()),
    "session": _Log(SESSION_LOG, ("session_id", "version"), lambda row: row.data),
    "thread": _ErasableLog(THREAD_LOG, BY_THREAD_VERSION),
}
