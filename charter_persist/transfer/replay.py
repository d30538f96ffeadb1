"""Replay: the rows of a backup into a new store, verbatim, up to a revision.

Logs, journal and operations are copied; the tables of the present state and the tiles of the tree are computed from them
by the functions that compute them anywhere else. Nothing is appended.

A compaction or an erasure that happened between two segments is repeated, so the store holds what its original held at
that revision. Where it removed a value before a backup had it, the revisions in between cannot be restored (``gaps``).

Cost: one pass over the files, one transaction with one commit, one more pass over the other logs they follow from,
in constant memory but for the erased keys and, where the revision lies within a segment, its ``gaps``. Imports
``repositories`` and what they stand on, and ``errors``.

Source: GOV-12, RELIABILITY P37, DESIGN 1.2.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain, groupby
from pathlib import Path
from typing import Any, Final

from charter_persist.backends.contract import (
    EVENT,
    EXECUTION,
    JOURNAL,
    JOURNAL_TILE,
    KV_CHANGE,
    KV_ENTRY,
    KV_LEASE,
    MESSAGE,
    MESSAGE_LOG,
    OPERATION,
    REF,
    REF_LOG,
    SESSION_LOG,
    THREAD,
    THREAD_LOG,
    ExecutionRow,
    JournalRow,
    KvLeaseRow,
    LedgerBackend,
    RefRow,
    Relation,
    TileRow,
)
from charter_persist.errors import CompactedError, IntegrityError
from charter_persist.journal.tree import Tree
from charter_persist.repositories import erasure
from charter_persist.repositories.compaction import BY_KEY, drop, is_record, repeat
from charter_persist.repositories.event_row import BY_SEQUENCE
from charter_persist.repositories.intent_change import BY_SUBJECT, PARTS
from charter_persist.repositories.kv_change import ERASE, entry_row
from charter_persist.repositories.kv_change import STORE as KEYS
from charter_persist.repositories.message_row import (
    BY_MESSAGE_VERSION,
    BY_THREAD_VERSION,
    message_row,
    thread_row,
)
from charter_persist.repositories.sessions import projection_of
from charter_persist.repositories.write_set import WriteSet
from charter_persist.transfer.gaps import COMPACTED, Gaps
from charter_persist.transfer.manifest import EMPTY, Manifest, State
from charter_persist.transfer.segment import read_rows

LOCK_TIMEOUT_S: Final = 30.0


def replay(
    backend: LedgerBackend,
    folder: Path,
    chain: tuple[Manifest, ...],
    revision: int,
    at: Callable[[int], None],
) -> State:
    """Fill an empty store with all that the segments hold up to a revision; all of it is committed, or nothing.

    Args:
        backend: of a new store.
        folder: of the backup.
        chain: the segments up to the first one that reaches the revision; each is read and checked as a whole.
        revision: the newest to be copied.
        at: called now and then with the position that was reached.

    Returns:
        Where the journal ends.

    Raises:
        IntegrityError: the backup is damaged.
        CompactedError: values of that revision had been dropped before a backup had them.
        BackendError: the store cannot be written.
    """
    transaction = backend.transaction(LOCK_TIMEOUT_S)
    try:
        copy = _Copy(WriteSet(transaction), revision)
        tree = Tree()
        for manifest in chain:
            copy.begin(manifest, is_last=manifest is chain[-1])
            for relation, row in read_rows(folder, manifest, tree, at):
                tree.take_tiles()
                copy.take(relation, row)
        state = copy.finish()
        transaction.commit(copy.write.take(), state if state.size else None)
    except BaseException:
        transaction.rollback()
        raise
    return state


class _Copy:
    """The new store while it is filled."""

    def __init__(self, write: WriteSet, revision: int) -> None:
        self.write = write
        self._wanted = revision
        self._tree = Tree()
        self._revision = EMPTY.revision
        self._within = True  # whether the newest entry is of a wanted revision
        self._is_last = False
        self._erased: dict[str, int] = {}  # position of the newest erasure of a key
        self._erasures: dict[tuple[str, str], int] = {}  # the same of the subjects of other stores
        self._gaps: Gaps | None = None

    def begin(self, manifest: Manifest, *, is_last: bool) -> None:
        """A segment begins; where all of it is wanted, so is every removal that took from it before it was made."""
        self._is_last = is_last
        self._gaps = Gaps() if self._wanted < manifest.upto.revision else None

    def take(self, relation: Relation[Any], row: Any) -> None:
        """Copy a row if it belongs to the wanted revisions."""
        if relation is JOURNAL:
            self._entry(row)
        elif self._gaps is not None:
            self._gaps.value(relation, row)
        if self._is_wanted(relation, row):
            self.write.put(relation, row, size=len(getattr(row, relation.payload) or b"") if relation.payload else 0)
        if self.write.full:
            self.write.flush()

    def _is_wanted(self, relation: Relation[Any], row: Any) -> bool:
        if relation is not OPERATION:
            return self._within
        return self._is_last if row.revision is None else bool(row.revision <= self._wanted)

    def _entry(self, entry: JournalRow) -> None:
        if self._gaps is not None:
            self._gaps.entry(entry)
        self._within = entry.revision <= self._wanted
        if not self._within:
            return
        if entry.store in erasure.LOGS and entry.operation == erasure.OPERATION:
            self._erasures[entry.store, entry.subject] = entry.position
        elif entry.store == KEYS and entry.operation == ERASE:
            self._erased[entry.subject] = entry.position
        self._revision = entry.revision
        self._tree.append(entry.leaf)
        for tile in self._tree.take_tiles():
            self.write.put(JOURNAL_TILE, TileRow(tile.level, tile.number, tile.root, tile.nodes), size=len(tile.nodes))

    def finish(self) -> State:
        """Compute what follows from the logs."""
        self._refuse_gap()
        for log in COMPACTED.values():
            repeat(self.write, log)
        for key, position in self._erased.items():
            older = self.write.scan(KV_CHANGE, BY_KEY, prefix=(key,), stop=(position,), reverse=True)
            drop(self.write, KV_CHANGE, older)
        for (store, subject), position in self._erasures.items():
            erasure.repeat(self.write, store, subject, position)
        try:
            self._project()
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise IntegrityError(
                "a session, intent or edge of the backup cannot be read; use another copy of the backup"
            ) from exc
        return State(self._revision, self._tree.size, self._tree.root())

    def _refuse_gap(self) -> None:
        oldest = None if self._gaps is None else self._gaps.end_of(self._wanted)
        if oldest is not None:
            raise CompactedError(
                f"values of revision {self._wanted} were compacted or erased before a backup had them; restore revision "
                f"{oldest}, the oldest later one that is whole, or one of an earlier segment",
                oldest=oldest,
            )

    def _project(self) -> None:
        """The refs, keys, intents, edges and sessions of now are the newest rows of their logs."""
        for ref in self._newest(REF_LOG, ("name", "position")):
            if ref.digest is not None:
                self.write.put(REF, RefRow(ref.name, ref.digest, ref.version, ref.revision, ref.position))
        for change in self._newest(KV_CHANGE, BY_KEY):
            entry = None if is_record(KV_CHANGE, change.key) else entry_row(change)
            if entry is not None:
                self.write.put(KV_ENTRY, entry, size=len(entry.value))
                if entry.lease is not None:
                    self.write.put(KV_LEASE, KvLeaseRow(entry.lease, entry.key))
        for part in PARTS:
            for row in map(part.row_of, self._newest(part.log, BY_SUBJECT)):
                if row is not None:
                    self.write.put(part.table, row, size=len(row.data))
        for logged in self._newest(SESSION_LOG, ("session_id", "version")):
            for (relation, _key), row in projection_of(logged).items():
                self.write.put(relation, row)

        self._project_executions()

    def _project_executions(self) -> None:
        """The executions, threads and messages of now follow from the first and the newest rows of their logs."""
        for first, _newest in self._ends(EVENT, BY_SEQUENCE):
            self.write.put(EXECUTION, ExecutionRow(first.execution_id, first.tenant_id, first.position))
        for first, newest in self._ends(THREAD_LOG, BY_THREAD_VERSION):
            self.write.put(THREAD, thread_row(first.position, newest))
        for first, newest in self._ends(MESSAGE_LOG, BY_MESSAGE_VERSION):
            self.write.put(MESSAGE, message_row(first.position, newest))

    def _ends(self, log: Relation[Any], order: tuple[str, str]) -> Iterator[tuple[Any, Any]]:
        """The first and the newest row of each subject."""
        for _name, of_one in groupby(self.write.scan(log, order), key=lambda row: getattr(row, order[0])):
            if self.write.full:
                self.write.flush()
            yield _first_and_last(of_one)

    def _newest(self, log: Relation[Any], order: tuple[str, str]) -> Iterator[Any]:
        rows = self.write.scan(log, order, reverse=True)
        for _name, of_one in groupby(rows, key=lambda row: getattr(row, order[0])):
            if self.write.full:
                self.write.flush()
            yield next(of_one)


def _first_and_last(rows: Iterator[Any]) -> tuple[Any, Any]:
    first = next(rows)
    (last,) = deque(chain((first,), rows), maxlen=1)
    return first, last
