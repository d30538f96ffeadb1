"""One pass over the journal, joined with the logs it commits to: every digest, commitment, leaf and tile recomputed.

Constant memory but for the newest version of each ref and session. Cost of an entry: the two rows, the hash of its
leaf, on average one node of the tree, and the hash of its value. What else wants to see the values is told of each
while it is read, so nothing is read twice.

Imports ``repositories``, ``journal``, ``backends.contract``, ``model`` and ``errors``. Source: RELIABILITY P23, P24.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any, Final

from charter_persist.backends.contract import (
    ARCHIVE_ENTRY,
    AUDIT,
    EVENT,
    INTENT_EDGE_LOG,
    INTENT_LOG,
    JOURNAL,
    JOURNAL_TILE,
    JOURNAL_TILE_ROOT,
    KV_CHANGE,
    MESSAGE_LOG,
    METADATA_LOG,
    OBJECT,
    REF_LOG,
    SESSION_LOG,
    THREAD_LOG,
    ArchiveRow,
    AuditRow,
    IntentChangeRow,
    JournalRow,
    KvChangeRow,
    MetadataRow,
    ObjectRow,
    Reader,
    RefLogRow,
    Relation,
    SessionLogRow,
)
from charter_persist.errors import CharterError, CorruptStoreError
from charter_persist.integrity.collected import Findings
from charter_persist.integrity.execution_rows import check_event, check_message, check_thread
from charter_persist.integrity.reading import is_well_typed, rows_by_key, rows_by_position
from charter_persist.journal.checkpoint import Checkpoint
from charter_persist.journal.entry import NONCE_BYTES, commitment, entry_leaf
from charter_persist.journal.tree import TILE_WIDTH, Tree
from charter_persist.model.canonical import load_canonical
from charter_persist.model.digest import hash_version
from charter_persist.model.session import Session
from charter_persist.repositories import erasure
from charter_persist.repositories.archive_ledger import PUT, entry_bytes, subject_of
from charter_persist.repositories.audit import audit_row
from charter_persist.repositories.compaction import BY_KEY, Compaction, accounts_for, compactions, is_record
from charter_persist.repositories.compaction import OPERATION as COMPACT
from charter_persist.repositories.contents import BESIDE, MISSING
from charter_persist.repositories.intent_change import change_bytes as intent_bytes
from charter_persist.repositories.intent_change import is_sound
from charter_persist.repositories.kv_change import CREATE, DELETE, ERASE, UPDATE, change_bytes
from charter_persist.repositories.metadata import metadata_bytes
from charter_persist.repositories.refs import ref_bytes

_ALTERED: Final = "it is not what the journal recorded"
PROGRESS_EVERY: Final = 4_096
_COMPACTED: Final[dict[str, Relation[Any]]] = {"metadata": METADATA_LOG, "kv": KV_CHANGE}
"""By store the logs whose older rows may be missing."""
# What reading a value that was altered may raise.
UNREADABLE: Final = (
    *(CharterError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError),
)
Progress = Callable[[int, int], None]
"""Called now and then with the entries done and the entries in all."""


class Watcher:
    """Is told of each value in order of position: of each that is sound, and of every object. Override what shall be seen."""

    def object(self, row: ObjectRow, sound: bool) -> None:
        """An object, and whether it is what the journal recorded."""

    def ref(self, row: RefLogRow) -> None:
        """A change of a ref."""

    def audit(self, row: AuditRow) -> None:
        """An event."""

    def session(self, row: SessionLogRow, session: Session) -> None:
        """A session after a change."""


_Check = Callable[[Any, JournalRow], bool]
_Tell = Callable[[Any, bool], None]


class _Log:
    """The rows of one log in order of position; ``next`` waits for its entry."""

    def __init__(self, rows: Iterator[Any], relation: Relation[Any], check: _Check, tell: _Tell | None) -> None:
        self.name = relation.name
        self.relation = relation
        self.check = check
        self.tell = tell
        self.rows = rows
        self.next: Any = next(rows, None)


class JournalPass:
    """State of one pass, and what it leaves behind.

    Attributes:
        tree: of all entries.
        revision: of the newest entry.
        objects: how many were read.
        refs: the newest change of each ref.
        sessions: position and version of the newest row of each session.
    """

    def __init__(
        self,
        reader: Reader,
        findings: Findings,
        *,
        store_id: str,
        checkpoint: Checkpoint | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        self.tree = Tree()
        self.revision = 0
        self.objects = 0
        self.refs: dict[str, RefLogRow] = {}
        self.sessions: dict[str, tuple[int, int]] = {}
        self._reader = reader
        self._findings = findings
        self._find = findings.add
        self._store_id = store_id
        self._checkpoint = checkpoint
        self._session: Session  # the one that was read last
        self._waiting: list[bytes] = []  # leaves that the tree has not taken yet
        self._root_then: bytes | None = None
        self._erased: dict[tuple[str, str], int] = {}  # by subject the newest erased row that no erasure follows yet
        self._compactions = {store: self._compactions_of(log) for store, log in _COMPACTED.items()}
        self._logs = self._open_logs(watcher)

    def _open_logs(self, watcher: Watcher | None) -> dict[str, _Log]:
        """Each log with how its rows are checked, and who is told of them."""
        reader, findings = self._reader, self._findings

        def log(relation: Relation[Any], check: _Check, tell: _Tell | None) -> _Log:
            return _Log(
                rows_by_position(reader, relation, findings), relation, check, None if watcher is None else tell
            )

        told = watcher or Watcher()
        return {
            "object": log(OBJECT, self._check_object, told.object),
            "ref": log(REF_LOG, self._check_ref, lambda row, _sound: told.ref(row)),
            "audit": log(AUDIT, self._check_audit, lambda row, _sound: told.audit(row)),
            "metadata": log(METADATA_LOG, _check_metadata, None),
            "kv": log(KV_CHANGE, _check_kv, None),
            "archive": log(ARCHIVE_ENTRY, _check_archive, None),
            "event": log(EVENT, check_event, None),
            "thread": log(THREAD_LOG, check_thread, None),
            "message": log(MESSAGE_LOG, check_message, None),
            "intent": log(INTENT_LOG, _check_intent, None),
            "intent_edge": log(INTENT_EDGE_LOG, _check_intent, None),
            "session": log(SESSION_LOG, self._check_session, lambda row, _sound: told.session(row, self._session)),
        }

    def run(self, total: int, progress: Progress) -> None:
        """Read everything once.

        Args:
            total: number of entries, for the progress.
            progress: is told of it.
        """
        self._remember_root()
        remembered = 0 if self._checkpoint is None else self._checkpoint.size
        done = last = 0
        for entry in rows_by_position(self._reader, JOURNAL, self._findings):
            done += 1
            if entry.position != last + 1 or entry.revision != self.revision:
                self._check_order(entry, last + 1)
            last = entry.position
            self._check_value(entry)
            self._waiting.append(self._checked_leaf(entry))
            if done % TILE_WIDTH == 0:
                self._grow()
            if done == remembered:
                self._grow()
                self._remember_root()
            if done % PROGRESS_EVERY == 0:
                progress(done, total)
        self._grow()
        for log in self._logs.values():
            self._check_unrecorded(log, sys.maxsize)
        for (store, subject), position in self._erased.items():
            where = f"{self._logs[store].name}/{position}"
            self._find("VALUE_MISSING", where, f"the value of {subject} is missing, and nobody erased it")
        self._check_superfluous_tiles()
        self._check_checkpoint()
        progress(done, total)

    def _check_order(self, entry: JournalRow, expected: int) -> None:
        if entry.position != expected:
            self._find("JOURNAL_GAP", f"journal/{entry.position}", f"position {expected} should stand here")
        revision = entry.revision if is_well_typed(entry) else 0
        if not self.revision <= revision <= self.revision + 1 or revision < 1:
            self._find("JOURNAL_REVISION", f"journal/{entry.position}", f"revision {entry.revision} is out of order")
        self.revision = revision

    def _checked_leaf(self, entry: JournalRow) -> bytes:
        """The leaf hash recomputed from the entry; it must be the one that is stored with it."""
        try:
            recomputed = entry_leaf(*entry[:7])
        except UNREADABLE:  # a time or a text that no entry can have
            recomputed = b""
        if recomputed != entry.leaf:
            self._find("JOURNAL_LEAF", f"journal/{entry.position}", "the entry was changed after it was recorded")
        return recomputed or bytes(32)

    def _check_value(self, entry: JournalRow) -> None:
        log = self._logs.get(entry.store)
        if log is None:
            self._find("JOURNAL_STORE", f"journal/{entry.position}", f"there is no store {entry.store!r}")
            return
        if entry.operation == erasure.OPERATION and log.relation.erasable:
            self._check_erasure(entry)
            return
        if log.next is None or log.next.position != entry.position:
            self._check_unrecorded(log, entry.position)
            if log.next is None or log.next.position != entry.position:
                if not self._was_removed(entry):
                    self._find(
                        "VALUE_MISSING", f"{log.name}/{entry.position}", f"the value of {entry.subject} is missing"
                    )
                return
        row, log.next = log.next, next(log.rows, None)
        try:
            sound = log.check(row, entry)
        except UNREADABLE as exc:
            code = "UNKNOWN_OBJECT_KIND" if entry.store == "object" else "VALUE_UNREADABLE"
            self._find(code, f"{log.name}/{entry.position}", f"{entry.subject} cannot be read: {exc}")
            self._tell_of_broken(log, row)
            return
        if not sound:
            code, fault = _fault_of(row)
            self._find(code, f"{log.name}/{entry.position}", f"{entry.subject}: {fault}")
            self._tell_of_broken(log, row)
        elif log.relation.is_erasure(row):
            self._erased[entry.store, entry.subject] = entry.position
        elif log.tell is not None:
            log.tell(row, True)

    def _check_erasure(self, entry: JournalRow) -> None:
        """An erasure has no row of its own; it accounts for what its subject lost before it, and commits to the rest."""
        self._erased.pop((entry.store, entry.subject), None)
        log, rows_of = erasure.LOGS[entry.store]
        rows: list[Any] = []
        try:
            rows = [row for row in rows_of(self._reader, entry.subject) if row.position < entry.position]
            sound = commitment(b"", erasure.remains(log, rows)) == entry.commitment
        except UNREADABLE:
            sound = False
        if not sound:
            where = f"{log.name}/{rows[-1].position}" if rows else f"journal/{entry.position}"
            self._find("COMMITMENT_MISMATCH", where, f"what an erasure left of {entry.subject} was changed")

    def _check_unrecorded(self, log: _Log, position: int) -> None:
        """Report the rows below a position that no entry stands for."""
        while log.next is not None and log.next.position < position:
            row, log.next = log.next, next(log.rows, None)
            self._find("NOT_JOURNALLED", f"{log.name}/{row.position}", "the row has no journal entry")
            self._tell_of_broken(log, row)

    @staticmethod
    def _tell_of_broken(log: _Log, row: Any) -> None:
        """An object is seen by the watcher whatever is wrong with it."""
        if log.tell is not None and isinstance(row, ObjectRow) and is_well_typed(row):
            log.tell(row, False)

    def _check_object(self, row: ObjectRow, entry: JournalRow) -> bool:
        digest = hash_version(row.hash_version).digest_bytes(row.type, row.data)
        self.objects += 1
        return (
            digest == row.digest == entry.commitment
            and row.size == len(row.data)
            and entry.subject == f"{row.type}/{digest.hex()}"
        )

    def _check_ref(self, row: RefLogRow, entry: JournalRow) -> bool:
        before = self.refs.get(row.name)
        self._check_version("ref_log", row, 0 if before is None else before.version)
        self.refs[row.name] = row
        return (
            commitment(b"", ref_bytes(row)) == entry.commitment
            and row.name == entry.subject
            and row.revision == entry.revision
        )

    def _check_audit(self, row: AuditRow, entry: JournalRow) -> bool:
        copies_agree = audit_row(row.position, row.data) == row
        return (
            copies_agree
            and commitment(b"", row.data) == entry.commitment
            and entry.subject == f"{row.scope}/{row.event_id}"
        )

    def _check_session(self, row: SessionLogRow, entry: JournalRow) -> bool:
        session = self._session = Session.from_json(load_canonical(row.data))
        self._check_version("session_log", row, self.sessions.get(row.session_id, (0, 0))[1])
        self.sessions[row.session_id] = (row.position, row.version)
        return (
            (row.session_id, row.version) == (session.session_id, session.version)
            and commitment(row.nonce, row.data) == entry.commitment
            and row.session_id == entry.subject
            and row.revision == entry.revision
        )

    def _check_version(self, table: str, row: RefLogRow | SessionLogRow, before: int) -> None:
        if row.version != before + 1:
            self._find("VERSION_GAP", f"{table}/{row.position}", f"version {row.version} follows version {before}")

    def _compactions_of(self, log: Relation[Any]) -> list[Compaction]:
        try:
            return compactions(self._reader, log)
        except UNREADABLE:
            return []  # the row itself is checked like any other, and is reported there

    def _was_removed(self, entry: JournalRow) -> bool:
        """Whether a compaction or an erasure may have removed this value: a newer row of its key tells."""
        log = _COMPACTED.get(entry.store)
        if log is None:
            return False
        try:
            rows = self._reader.scan(log, BY_KEY, prefix=(entry.subject,), after=(entry.position,), limit=1)
            newer = next(rows, None)
            if newer is None:
                return False
            if accounts_for(self._compactions[entry.store], log, entry.subject, newer.position):
                return True
            recorded = self._reader.get(JOURNAL, (newer.position,))
        except CorruptStoreError:
            return True  # there is one, and it is reported where it stands
        return recorded is not None and (recorded.store, recorded.operation) == ("kv", ERASE)

    def _grow(self) -> None:
        """Let the tree take the waiting leaves, and compare the tiles that they finish."""
        self.tree.extend(self._waiting)
        self._waiting.clear()
        for tile in self.tree.take_tiles():
            try:
                stored = self._reader.get(JOURNAL_TILE, (tile.level, tile.number))
            except CorruptStoreError:
                stored = None
            if stored is None or (stored.root, stored.nodes) != (tile.root, tile.nodes):
                what = "is missing, or cannot be read" if stored is None else "does not follow from the entries"
                self._find("TILE_MISMATCH", f"journal_tile/{tile.level}/{tile.number}", f"the tile {what}")

    def _check_superfluous_tiles(self) -> None:
        """A tile that the entries do not fill yet would be taken for the real one later."""
        for tile in rows_by_key(self._reader, JOURNAL_TILE_ROOT, self._findings):
            known = is_well_typed(tile) and 0 <= tile.level < 8 and tile.tile >= 0
            if not known or (tile.tile + 1) * TILE_WIDTH ** (tile.level + 1) > self.tree.size:
                self._find(
                    "TILE_MISMATCH", f"journal_tile/{tile.level}/{tile.tile}", "the journal is too short for this tile"
                )

    def _remember_root(self) -> None:
        if self._checkpoint is not None and self.tree.size == self._checkpoint.size:
            self._root_then = self.tree.root()

    def _check_checkpoint(self) -> None:
        checkpoint = self._checkpoint
        if checkpoint is None:
            return
        if checkpoint.origin != self._store_id:
            self._find("CHECKPOINT_ORIGIN", "checkpoint", f"it is of {checkpoint.origin}, this is {self._store_id}")
        if self._root_then is None:
            self._find(
                "CHECKPOINT_AHEAD",
                "checkpoint",
                f"the checkpoint has {checkpoint.size} entries, the store only {self.tree.size}: it is older, or was cut",
            )
        elif self._root_then != checkpoint.root:
            self._find(
                "CHECKPOINT_MISMATCH", "checkpoint", f"the first {checkpoint.size} entries are not those of then"
            )


def _fault_of(row: Any) -> tuple[str, str]:
    """What is said of a value that is not the one that was recorded."""
    if not isinstance(row, ObjectRow):
        return "COMMITMENT_MISMATCH", _ALTERED
    return ("CONTENT_MISSING", MISSING) if row.data == BESIDE else ("HASH_MISMATCH", _ALTERED)


def _check_metadata(row: MetadataRow, entry: JournalRow) -> bool:
    return (
        commitment(b"", metadata_bytes(row)) == entry.commitment
        and row.key == entry.subject
        and row.revision == entry.revision
    )


def _check_kv(row: KvChangeRow, entry: JournalRow) -> bool:
    if row.value is None:
        # No commitment covers the columns of a deletion, so they have one form.
        operations: tuple[str, ...] = (DELETE, ERASE)
        sound = (row.version, row.nonce, row.created_at) == (0, b"", row.updated_at)
    else:
        operations = (COMPACT,) if is_record(KV_CHANGE, row.key) else (CREATE if row.version == 1 else UPDATE,)
        sound = len(row.nonce) == NONCE_BYTES
    return (
        sound
        and entry.operation in operations
        and commitment(row.nonce, change_bytes(row)) == entry.commitment
        and (row.key, row.revision, row.updated_at) == (entry.subject, entry.revision, entry.recorded_at)
    )


def _check_intent(row: IntentChangeRow, entry: JournalRow) -> bool:
    return (
        is_sound(row, entry.operation)
        and commitment(row.nonce, intent_bytes(row)) == entry.commitment
        and (row.subject, row.revision) == (entry.subject, entry.revision)
    )


def _check_archive(row: ArchiveRow, entry: JournalRow) -> bool:
    told = (subject_of(row), PUT, row.stored_at) == (entry.subject, entry.operation, entry.recorded_at)
    if row.data is None:
        return told and row.nonce == b""
    return (
        told
        and len(row.nonce) == NONCE_BYTES
        and row.size == len(row.data)
        and sha256(row.data).digest() == row.content_hash
        and commitment(row.nonce, entry_bytes(row)) == entry.commitment
    )
