"""Recompute every digest, every commitment and the Merkle tree from what is stored, and say what that shows.

One pass over the journal joined with the logs it commits to, in constant memory but for the refs and sessions, whose
projections are compared at the end. Reads one snapshot and writes nothing.

Source: RELIABILITY P23, P24, P27; the level is computed from what was really checked.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from charter_persist.backends.contract import (
    AUDIT,
    JOURNAL,
    JOURNAL_TILE,
    METADATA_LOG,
    OBJECT,
    REF,
    REF_LOG,
    SESSION,
    SESSION_CANDIDATE,
    SESSION_LOG,
    SESSION_STANCE,
    AuditRow,
    JournalRow,
    MetadataRow,
    ObjectRow,
    Reader,
    RefLogRow,
    Relation,
    SessionLogRow,
)
from charter_persist.errors import CharterError
from charter_persist.journal.checkpoint import Checkpoint
from charter_persist.journal.entry import commitment, leaf
from charter_persist.journal.tree import TILE_WIDTH, Tree
from charter_persist.model.canonical import load_canonical
from charter_persist.model.digest import hash_version
from charter_persist.model.finding import Finding
from charter_persist.model.session import Session
from charter_persist.repositories.audit import audit_row
from charter_persist.repositories.metadata import COMPACTION_KEY, metadata_bytes
from charter_persist.repositories.refs import ref_bytes
from charter_persist.repositories.sessions import projection_of
from charter_persist.unit_of_work import Units

FINDINGS_MAX = 1_000
PROGRESS_EVERY = 4_096
BY_POSITION = ("position",)


class Level(StrEnum):
    """How much a verification showed.

    Attributes:
        NONE: nothing: the store is empty, or something in it is wrong.
        CHAIN: the store agrees with itself; a full rewrite, or the loss of its newest entries, would not show.
        CHECKPOINT: the store also continues an earlier checkpoint that was kept elsewhere.
    """

    NONE = "none"
    CHAIN = "chain"
    CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a verification showed.

    Attributes:
        level: computed from what was really checked.
        size: number of journal entries.
        revision: of the newest unit of work.
        root: Merkle root over all entries, recomputed; 32 bytes.
        objects: number of objects whose digest was recomputed.
        findings: at most `FINDINGS_MAX`; empty where all is well.
    """

    level: Level
    size: int
    revision: int
    root: bytes
    objects: int
    findings: tuple[Finding, ...]


def verify(
    units: Units,
    *,
    store_id: str,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> VerifyReport:
    """Verify a whole store in one snapshot; what it reports as sound was read and recomputed.

    Args:
        units: the store.
        store_id: its identity, which a checkpoint must name.
        checkpoint: an earlier checkpoint, kept elsewhere.
        progress: called now and then with the entries done and the entries in all.

    Returns:
        The report. Damage is a finding, never an exception.

    Raises:
        BackendError: the database could not be read.

    Spec: P24, P27
    """
    with units.read() as view:
        pass_ = _Pass(view.reader, checkpoint, store_id)
        pass_.run(view.journal.size(), progress or (lambda _done, _total: None))
        return pass_.report()


class _Log:
    """The rows of one log in order of position, taken entry by entry."""

    def __init__(
        self, reader: Reader, relation: Relation[Any], digest: Callable[[Any], bytes], subject: Callable[[Any], str]
    ):
        self.name = relation.name
        self.digest = digest
        self.subject = subject
        self._rows: Iterator[Any] = reader.scan(relation, BY_POSITION)
        self.next = next(self._rows, None)

    def take(self) -> Any:
        """Return the waiting row and fetch the next one."""
        row, self.next = self.next, next(self._rows, None)
        return row


class _Pass:
    """State of one verification."""

    def __init__(self, reader: Reader, checkpoint: Checkpoint | None, store_id: str) -> None:
        self._reader = reader
        self._checkpoint = checkpoint
        self._store_id = store_id
        self._tree = Tree()
        self._revision = 0
        self._objects = 0
        self._findings: list[Finding] = []
        self._root_then: bytes | None = None
        self._refs: dict[str, RefLogRow] = {}
        self._sessions: dict[str, int] = {}  # position of the newest row of each
        self._compacted = self._compacted_upto()
        self._logs = {
            "object": _Log(reader, OBJECT, self._object_digest, lambda row: f"{row.type}/{row.digest.hex()}"),
            "ref": _Log(reader, REF_LOG, self._ref_digest, lambda row: row.name),
            "audit": _Log(reader, AUDIT, self._audit_digest, lambda row: f"{row.scope}/{row.event_id}"),
            "metadata": _Log(reader, METADATA_LOG, _metadata_digest, lambda row: row.key),
            "session": _Log(reader, SESSION_LOG, self._session_digest, lambda row: row.session_id),
        }

    def run(self, total: int, progress: Callable[[int, int], None]) -> None:
        """Read everything once."""
        self._remember_root()
        done = 0
        for entry in self._reader.scan(JOURNAL, BY_POSITION):
            done += 1
            self._check_order(entry, done)
            self._check_value(entry)
            self._tree.append(self._checked_leaf(entry))
            if done % TILE_WIDTH == 0:
                self._check_tiles()
            self._remember_root()
            if done % PROGRESS_EVERY == 0:
                progress(done, total)
        for log in self._logs.values():
            self._check_unrecorded(log, sys.maxsize)
        self._check_projections()
        self._check_checkpoint()
        progress(done, total)

    def report(self) -> VerifyReport:
        """What was shown."""
        level = Level.NONE
        if self._tree.size and not self._findings:
            level = Level.CHECKPOINT if self._checkpoint is not None else Level.CHAIN
        return VerifyReport(
            level, self._tree.size, self._revision, self._tree.root(), self._objects, tuple(self._findings)
        )

    def _find(self, code: str, subject: str, message: str) -> None:
        if len(self._findings) < FINDINGS_MAX:
            self._findings.append(Finding(code, subject, message))

    def _check_order(self, entry: JournalRow, expected: int) -> None:
        if entry.position != expected:
            self._find("JOURNAL_GAP", f"journal/{entry.position}", f"position {expected} should stand here")
        if not self._revision <= entry.revision <= self._revision + 1 or entry.revision < 1:
            self._find("JOURNAL_REVISION", f"journal/{entry.position}", f"revision {entry.revision} is out of order")
        self._revision = entry.revision

    def _checked_leaf(self, entry: JournalRow) -> bytes:
        """The leaf hash recomputed from the entry; it must be the one that is stored with it."""
        recomputed = leaf(entry)
        if recomputed != entry.leaf:
            self._find("JOURNAL_LEAF", f"journal/{entry.position}", "the entry was changed after it was recorded")
        return recomputed

    def _check_value(self, entry: JournalRow) -> None:
        log = self._logs.get(entry.store)
        if log is None:
            self._find("JOURNAL_STORE", f"journal/{entry.position}", f"there is no store {entry.store!r}")
            return
        if log.next is not None and log.next.position < entry.position:
            self._check_unrecorded(log, entry.position)
        if log.next is None or log.next.position != entry.position:
            if not self._was_compacted(entry):
                self._find("VALUE_MISSING", f"{log.name}/{entry.position}", f"the value of {entry.subject} is missing")
            return
        row = log.take()
        try:
            sound = (
                log.digest(row) == entry.commitment
                and log.subject(row) == entry.subject
                and getattr(row, "revision", entry.revision) == entry.revision
            )
        except (CharterError, ValueError, KeyError, TypeError) as exc:
            self._find("VALUE_UNREADABLE", f"{log.name}/{entry.position}", f"{entry.subject} cannot be read: {exc}")
            return
        if not sound:
            code = "HASH_MISMATCH" if entry.store == "object" else "COMMITMENT_MISMATCH"
            self._find(code, f"{log.name}/{entry.position}", f"{entry.subject} is not what the journal recorded")

    def _check_unrecorded(self, log: _Log, position: int) -> None:
        """Report the rows below a position that no entry stands for."""
        while log.next is not None and log.next.position < position:
            row = log.take()
            self._find("NOT_JOURNALLED", f"{log.name}/{row.position}", "the row has no journal entry")

    def _check_tiles(self) -> None:
        for tile in self._tree.take_tiles():
            stored = self._reader.get(JOURNAL_TILE, (tile.level, tile.number))
            if stored is None or (stored.root, stored.nodes) != (tile.root, tile.nodes):
                what = "is missing" if stored is None else "does not follow from the entries"
                self._find("TILE_MISMATCH", f"journal_tile/{tile.level}/{tile.number}", f"the tile {what}")

    def _object_digest(self, row: ObjectRow) -> bytes:
        self._objects += 1
        digest = hash_version(row.hash_version).digest_bytes(row.type, row.data)
        return digest if digest == row.digest and row.size == len(row.data) else b""

    def _ref_digest(self, row: RefLogRow) -> bytes:
        self._refs[row.name] = row
        return commitment(b"", ref_bytes(row))

    @staticmethod
    def _audit_digest(row: AuditRow) -> bytes:
        copies_agree = audit_row(row.position, row.data) == row
        return commitment(b"", row.data) if copies_agree else b""

    def _session_digest(self, row: SessionLogRow) -> bytes:
        session = Session.from_json(load_canonical(row.data))
        self._sessions[row.session_id] = row.position
        copies_agree = (row.session_id, row.version) == (session.session_id, session.version)
        return commitment(row.nonce, row.data) if copies_agree else b""

    def _compacted_upto(self) -> int:
        rows = self._reader.scan(METADATA_LOG, ("key", "position"), prefix=(COMPACTION_KEY,), reverse=True, limit=1)
        newest = next(rows, None)
        try:
            return int(load_canonical(newest.value)["upto"]) if newest is not None and newest.value else 0
        except (CharterError, ValueError, KeyError, TypeError):
            return 0  # the row itself is checked like any other, and is reported there

    def _was_compacted(self, entry: JournalRow) -> bool:
        """Whether a compaction may have dropped this value: there must be a newer one of the same key."""
        if entry.store != "metadata" or entry.position > self._compacted:
            return False
        key = entry.subject
        rows = self._reader.scan(METADATA_LOG, ("key", "position"), prefix=(key,), after=(entry.position,), limit=1)
        return next(rows, None) is not None

    def _check_projections(self) -> None:
        """The tables of current values must follow from the logs."""
        refs = {name: row for name, row in self._refs.items() if row.digest is not None}
        for ref in self._reader.scan(REF, ("name",)):
            logged = refs.pop(ref.name, None)
            if logged is None or (logged.digest, logged.version, logged.revision, logged.position) != ref[1:]:
                self._find("PROJECTION_MISMATCH", f"ref/{ref.name}", "the ref does not follow from its log")
        for name in refs:
            self._find("PROJECTION_MISMATCH", f"ref/{name}", "the ref is in its log and not in the table")
        for position in self._sessions.values():
            self._check_session(position)
        tables: tuple[Relation[Any], ...] = (SESSION, SESSION_CANDIDATE, SESSION_STANCE)
        for relation in tables:
            for row in self._reader.scan(relation, relation.key):
                if row[0] not in self._sessions:
                    self._find("PROJECTION_MISMATCH", f"{relation.name}/{row[0]}", "the row belongs to no session")

    def _check_session(self, position: int) -> None:
        """The rows of one session's present state must follow from its newest row in the log."""
        logged = self._reader.get(SESSION_LOG, (position,))
        if logged is None:
            return
        expected = projection_of(logged)
        name = logged.session_id
        for relation in (SESSION, SESSION_CANDIDATE, SESSION_STANCE):
            rows: Iterator[Any]
            if relation is SESSION:
                row = self._reader.get(SESSION, (name,))
                rows = iter(() if row is None else (row,))
            else:
                rows = self._reader.scan(relation, relation.key, prefix=(name,))
            found = {relation.key_of(row): row for row in rows}
            if found != {key: row for (of, key), row in expected.items() if of is relation}:
                self._find("PROJECTION_MISMATCH", f"{relation.name}/{name}", "the table does not follow from the log")

    def _remember_root(self) -> None:
        if self._checkpoint is not None and self._tree.size == self._checkpoint.size:
            self._root_then = self._tree.root()

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
                f"the checkpoint has {checkpoint.size} entries, the store only {self._tree.size}: it is older, or was cut",
            )
        elif self._root_then != checkpoint.root:
            self._find(
                "CHECKPOINT_MISMATCH", "checkpoint", f"the first {checkpoint.size} entries are not those of then"
            )


def _metadata_digest(row: MetadataRow) -> bytes:
    return commitment(b"", metadata_bytes(row))
