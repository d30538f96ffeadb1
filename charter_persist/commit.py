"""Units of work on a ledger, and the commit that carries one of them or several.

Cost: one backend transaction a commit. Imports ``journal``, ``repositories`` and ``unit_of_work``.

Source: DESIGN 1.1, 3 and 5.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from charter_persist.backends.contract import OperationRow, Reader, Snapshot, Transaction
from charter_persist.errors import CharterError
from charter_persist.journal.entry import commitment
from charter_persist.journal.ledger import JournalReader, JournalWriter, Ledger
from charter_persist.journal.tree import Tree, root_of_edge
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.limits import Options
from charter_persist.model.time import utc_now
from charter_persist.repositories.base import Sources, WriteContext
from charter_persist.repositories.contents import Contents
from charter_persist.repositories.write_set import Below, WriteSet
from charter_persist.unit_of_work import ReadView, Receipt, UnitOfWork

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class JournalReceipt(Receipt):
    """What a unit of work on a ledger became.

    Attributes:
        edge: roots of the complete subtrees after it, largest first.
    """

    first_position: int
    size: int
    edge: tuple[bytes, ...] = field(repr=False, compare=False)

    @property
    def root(self) -> bytes:
        """Merkle root over all entries after this unit, 32 bytes; computed when it is asked for."""
        return root_of_edge(self.edge)


class LedgerView:
    """`ViewContext` over a snapshot of a ledger, which has every store."""

    def __init__(self, snapshot: Snapshot, options: Options, clock: Callable[[], datetime], contents: Contents) -> None:
        self.reader: Reader = snapshot
        self.contents = contents
        self.options = options
        self.clock = clock
        self.head = snapshot.head
        self.close = snapshot.close

    def revision(self) -> int:
        """Of the newest unit of work; 0 in an empty store."""
        last = JournalReader(self.reader).last()
        return last.revision if last else 0

    def open(self, _store: str, make: Callable[[Any], R]) -> R:
        """Make the repository of a store."""
        return make(self)


def ledger_view(
    snapshot: Snapshot,
    options: Options,
    clock: Callable[[], datetime] = utc_now,
    contents: Contents | None = None,
) -> ReadView:
    """A view of one snapshot of a ledger, which is closed with it."""
    return ReadView(LedgerView(snapshot, options, clock, contents or Contents()))


class LedgerUnit(UnitOfWork):
    """A unit of work on a ledger."""

    _context: WriteContext

    def __init__(self, context: WriteContext) -> None:
        super().__init__(context, self._written)

    def provisional(self) -> JournalReceipt | None:
        """The receipt of what was changed so far; None where nothing was."""
        journal = self._context.journal
        if not journal.count:
            return None
        return JournalReceipt(journal.revision, journal.first_position, journal.position, journal.edge())

    def _written(self) -> JournalReceipt | None:
        self._context.finish()
        self._context.write.flush()
        return self.provisional()


class Commit:
    """One backend transaction that carries one unit or several, each with its own revision."""

    def __init__(
        self,
        transaction: Transaction,
        ledger: Ledger,
        sources: Sources,
        *,
        release: Callable[[], None],
        joined: bool = False,
    ) -> None:
        self.transaction = transaction
        self._ledger = ledger
        self._sources = sources
        self._release = release
        self._tree = Tree()
        try:
            # Whether a joined transaction commits is not known here, so its tree is not kept.
            self._tree = ledger.tree(transaction, keep=not joined)
        except BaseException:
            self.abort()
            raise
        self._position = transaction.position
        self._revision = transaction.revision
        self._last: JournalReceipt | None = None

    def unit(self, timeout_s: float, below: Below | None = None) -> LedgerUnit:
        """The next unit of this commit; end it with `close` before opening another.

        Args:
            timeout_s: how long it may take.
            below: what its changes go to when it is flushed; the transaction by default.
        """
        write = WriteSet(below or self.transaction)
        journal = JournalWriter(write, self._tree, self._position, self._revision)
        context = WriteContext(write, journal, self._sources, time.monotonic() + timeout_s)
        return LedgerUnit(context)

    def close(self, unit: LedgerUnit) -> JournalReceipt | None:
        """End a unit well; its changes stay in its write set."""
        context = unit._context
        context.finish()
        receipt = unit.provisional()
        if receipt is not None:
            self._position, self._revision, self._last = receipt.size, receipt.revision, receipt
        return receipt

    def end(self, unit: LedgerUnit) -> JournalReceipt | None:
        """End the only unit of this commit and make its changes durable."""
        try:
            receipt = self.close(unit)
        except BaseException:
            self.abort()
            raise
        self.commit(unit._context.write)
        return receipt

    def commit(self, write: WriteSet) -> None:
        """Make everything durable, with what still waits in the write set; without any change it is rolled back.

        Raises:
            CharterError: a part of it was refused before, whoever caught that.
            CommitUnknownError: the answer was lost.
            BackendError: it was refused.
        """
        if write.refused is not None:
            self.abort()
            raise CharterError("an earlier write of this unit was refused; it was rolled back") from write.refused
        if not write.dirty:
            self.abort()
            return
        try:
            self.transaction.commit(write.take(), self._last)
        except BaseException:
            self.abort()
            raise
        self._release()

    def abort(self) -> None:
        """Roll back, and drop a tree that holds entries which do not exist now."""
        if self._tree.size != self.transaction.position:
            self._ledger.forget()
        try:
            self.transaction.rollback()
        finally:
            self._release()


def operation_row(operation_id: str, value: bytes, receipt: JournalReceipt | None, recorded_at: int) -> OperationRow:
    """What is kept of a named unit of work."""
    row = OperationRow(operation_id, value, None, None, None, None, recorded_at, b"")
    if receipt is not None:
        row = row._replace(
            revision=receipt.revision, first_position=receipt.first_position, size=receipt.size, root=receipt.root
        )
    return row._replace(digest=operation_digest(row))


def operation_digest(row: OperationRow) -> bytes:
    """What shows that a row of operations was not altered: no journal entry commits to it."""
    receipt = [row.revision, row.first_position, row.size, None if row.root is None else row.root.hex()]
    return commitment(b"", canonical_bytes([row.operation_id, row.value.hex(), *receipt, row.recorded_at]))


def operation_receipt(row: OperationRow) -> JournalReceipt | None:
    """The receipt that was kept."""
    if row.revision is None or row.first_position is None or row.size is None or row.root is None:
        return None
    return JournalReceipt(row.revision, row.first_position, row.size, (row.root,))
