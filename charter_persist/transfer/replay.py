"""Replay: the rows of a backup into a new store, verbatim, up to a revision.

Logs, journal and operations are copied; the refs and sessions of now and the tiles of the tree are computed from them
by the functions that compute them anywhere else. Nothing is appended.

A compaction that happened between two segments is repeated, so the store holds what its original held at that
revision. Before a compaction nothing can be restored that it dropped before a backup had it.

Cost: one pass over the files, one transaction with one commit, one more pass over the logs of refs and sessions, in
constant memory. Imports ``repositories`` and what they stand on, and ``errors``.

Source: GOV-12, RELIABILITY P37, DESIGN 1.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from charter_persist.backends.contract import (
    JOURNAL,
    JOURNAL_TILE,
    METADATA_LOG,
    OPERATION,
    REF,
    REF_LOG,
    SESSION_LOG,
    JournalRow,
    LedgerBackend,
    MetadataRow,
    RefRow,
    Relation,
    TileRow,
)
from charter_persist.errors import CompactedError, IntegrityError
from charter_persist.journal.tree import Tree
from charter_persist.repositories.metadata import COMPACTION_KEY, replaced
from charter_persist.repositories.sessions import projection_of
from charter_persist.repositories.write_set import WriteSet
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
            copy.begin(is_last=manifest is chain[-1])
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
        self._compacted_at = 0  # position of the newest compaction that is copied
        self._lacks_value = False  # whether the newest entry, or one before it, has no value in this segment
        self._waits_for_value = False
        self._compacted_later: int | None = None

    def begin(self, *, is_last: bool) -> None:
        """A segment begins; what the one before it lacks, a compaction in it or before it accounts for."""
        self._is_last = is_last
        self._lacks_value = self._waits_for_value = False

    def take(self, relation: Relation[Any], row: Any) -> None:
        """Copy a row if it belongs to the wanted revisions."""
        if relation is JOURNAL:
            self._entry(row)
        elif relation is METADATA_LOG:
            self._metadata(row)
        if self._is_wanted(relation, row):
            self.write.put(relation, row, size=len(getattr(row, relation.payload) or b"") if relation.payload else 0)
        if self.write.full:
            self.write.flush()

    def _is_wanted(self, relation: Relation[Any], row: Any) -> bool:
        if relation is not OPERATION:
            return self._within
        return self._is_last if row.revision is None else bool(row.revision <= self._wanted)

    def _entry(self, entry: JournalRow) -> None:
        self._lacks_value |= self._waits_for_value
        self._within = entry.revision <= self._wanted
        self._waits_for_value = self._within and entry.store == "metadata"
        if not self._within:
            return
        self._revision = entry.revision
        self._tree.append(entry.leaf)
        for tile in self._tree.take_tiles():
            self.write.put(JOURNAL_TILE, TileRow(tile.level, tile.number, tile.root, tile.nodes), size=len(tile.nodes))

    def _metadata(self, row: MetadataRow) -> None:
        self._waits_for_value = False
        if row.key == COMPACTION_KEY:
            if self._within:
                self._compacted_at = row.position
            else:
                self._compacted_later = row.revision

    def finish(self) -> State:
        """Compute what follows from the logs."""
        if self._compacted_later is not None and (self._lacks_value or self._waits_for_value):
            oldest = self._compacted_later
            raise CompactedError(
                f"metadata of revision {self._wanted} was compacted before a backup had it; restore revision {oldest} "
                "or a later one, or one of an earlier segment",
                oldest=oldest,
            )
        for row in replaced(self.write, self._compacted_at):
            self.write.delete(METADATA_LOG, (row.position,))
            if self.write.full:
                self.write.flush()
        try:
            self._project()
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise IntegrityError("a session of the backup cannot be read; use another copy of the backup") from exc
        return State(self._revision, self._tree.size, self._tree.root())

    def _project(self) -> None:
        """The refs and sessions of now are the newest rows of their logs."""
        for ref in self._newest(REF_LOG, ("name", "position")):
            if ref.digest is not None:
                self.write.put(REF, RefRow(ref.name, ref.digest, ref.version, ref.revision, ref.position))
        for logged in self._newest(SESSION_LOG, ("session_id", "version")):
            for (relation, _key), row in projection_of(logged).items():
                self.write.put(relation, row)

    def _newest(self, log: Relation[Any], order: tuple[str, str]) -> Iterator[Any]:
        rows = self.write.scan(log, order, reverse=True)
        for _name, of_one in groupby(rows, key=lambda row: getattr(row, order[0])):
            if self.write.full:
                self.write.flush()
            yield next(of_one)
