"""A unit of work, a read view, the receipt, and the commit that carries one unit or several.

One unit of work is one revision, inside one commit: all that it changed becomes visible together or not at all.
A unit costs its backend one transaction; one that changed nothing is rolled back and leaves no revision.

Source: DESIGN 1.1, 3 and 5.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar, overload

from charter_persist.backends.contract import HeadRow, OperationRow, Reader, Snapshot, Transaction
from charter_persist.errors import StoreClosedError
from charter_persist.journal.entry import commitment
from charter_persist.journal.ledger import JournalReader, JournalWriter, Ledger
from charter_persist.journal.tree import Tree, root_of_edge
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.limits import Options
from charter_persist.repositories.audit import AuditReader, AuditRepository
from charter_persist.repositories.base import ReadContext, Sources, WriteContext
from charter_persist.repositories.kv import KeyValueRepository
from charter_persist.repositories.kv_reader import KeyValueReader
from charter_persist.repositories.metadata import MetadataReader, MetadataRepository
from charter_persist.repositories.objects import ObjectReader, ObjectRepository
from charter_persist.repositories.refs import RefReader, RefRepository
from charter_persist.repositories.sessions import SessionReader, SessionRepository
from charter_persist.repositories.write_set import Below, WriteSet

R = TypeVar("R")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a unit of work became.

    Attributes:
        revision: its number, store-wide.
        first_position: the first journal position that it took.
        size: number of journal entries after it; its last position.
        edge: roots of the complete subtrees after it, largest first.
    """

    revision: int
    first_position: int
    size: int
    edge: tuple[bytes, ...] = field(repr=False, compare=False)

    @property
    def root(self) -> bytes:
        """Merkle root over all entries after this unit, 32 bytes; computed when it is asked for."""
        return root_of_edge(self.edge)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What `run` gives back.

    Attributes:
        value: what the function returned; JSON where it was kept under an operation id.
        receipt: None where nothing changed.
        repeated: True where the operation had been committed before, so the function was not called.
    """

    value: T
    receipt: Receipt | None
    repeated: bool = False


class _Lazy(Generic[R]):
    """A repository that is made when it is first used; then it is a plain attribute."""

    def __init__(self, make: Callable[[Any], R]) -> None:
        self._make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> _Lazy[R]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> R: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        made = instance.__dict__[self._name] = self._make(instance._context)
        return made


class ReadView:
    """One snapshot for all that is read in it; the same repositories without their writes."""

    objects = _Lazy(ObjectReader)
    refs = _Lazy(RefReader)
    audit = _Lazy(AuditReader)
    metadata = _Lazy(MetadataReader)
    sessions = _Lazy(SessionReader)
    kv = _Lazy(KeyValueReader)

    def __init__(self, snapshot: Snapshot, options: Options) -> None:
        self._snapshot = snapshot
        self.reader: Reader = snapshot
        self._context = ReadContext(snapshot, options, lambda: self.revision)
        self.journal = JournalReader(snapshot)

    @property
    def revision(self) -> int:
        """Of the newest unit of work in this snapshot, the past one of a view as of it; 0 in an empty store."""
        last = self.journal.last()
        return last.revision if last else 0

    def head(self) -> HeadRow | None:
        """What the backend keeps of the journal's end beside the journal; None where it keeps nothing."""
        return self._snapshot.head()

    def close(self) -> None:
        """End the view; what it handed out stays valid, its repositories do not."""
        self._snapshot.close()

    def __enter__(self) -> ReadView:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class UnitOfWork:
    """All changes made through its repositories become visible together when its block ends well, or not at all."""

    objects = _Lazy(ObjectRepository)
    refs = _Lazy(RefRepository)
    audit = _Lazy(AuditRepository)
    metadata = _Lazy(MetadataRepository)
    sessions = _Lazy(SessionRepository)
    kv = _Lazy(KeyValueRepository)

    def __init__(self, context: WriteContext) -> None:
        self._context = context
        self._receipt: Receipt | None = None
        self.reader: Reader = context.reader

    @property
    def now(self) -> int:
        """The time of the unit in microseconds since 1970 UTC; the clock is asked once."""
        return self._context.now

    @property
    def options(self) -> Options:
        """The limits in force."""
        return self._context.options

    def new_id(self) -> str:
        """A new identifier."""
        return self._context.sources.new_id()

    @property
    def receipt(self) -> Receipt | None:
        """What the unit became; None where it changed nothing.

        Raises:
            StoreClosedError: the unit has not ended yet.
        """
        if not self._context.ended:
            raise StoreClosedError("the receipt is there when the unit of work has ended")
        return self._receipt

    def flush(self) -> Receipt | None:
        """Write what was changed so far into the open transaction and return the receipt as it would be now.

        It is provisional until the commit; use it where the unit joined a transaction of yours.

        Raises:
            BackendError: the database refused; the unit can only be rolled back.
        """
        context = self._context
        context.finish()
        context.write.flush()
        return self.provisional()

    def provisional(self) -> Receipt | None:
        """The receipt of what was changed so far; None where nothing was."""
        journal = self._context.journal
        if not journal.count:
            return None
        return Receipt(journal.revision, journal.first_position, journal.position, journal.edge())


class Views(Protocol):
    """What everything that only reads a store needs of it."""

    def read(self) -> ReadView:
        """Open a view."""
        ...


class Units(Views, Protocol):
    """What everything above a unit of work needs of a store."""

    @property
    def options(self) -> Options:
        """The limits in force."""
        ...

    def begin(self, *, timeout_s: float | None = None) -> AbstractContextManager[UnitOfWork]:
        """Open a unit of work."""
        ...

    def read(self, *, as_of: int | None = None) -> ReadView:
        """Open a view, of the present or as of a past revision."""
        ...

    def run(self, fn: Callable[[UnitOfWork], T], *, operation_id: str | None = None) -> Outcome[T]:
        """Run a function as one unit of work."""
        ...


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
            tree = ledger.tree(transaction)
        except BaseException:
            self.abort()
            raise
        # Whether a joined transaction commits is not known here, so it grows a tree of its own.
        self._tree = tree.copy() if joined else tree
        self._position = transaction.position
        self._revision = transaction.revision
        self._last: Receipt | None = None

    def unit(self, timeout_s: float, below: Below | None = None) -> UnitOfWork:
        """The next unit of this commit; end it with `close` before opening another.

        Args:
            timeout_s: how long it may take.
            below: what its changes go to when it is flushed; the transaction by default.
        """
        write = WriteSet(below or self.transaction)
        journal = JournalWriter(write, self._tree, self._position, self._revision)
        return UnitOfWork(WriteContext(write, journal, self._sources, time.monotonic() + timeout_s))

    def close(self, unit: UnitOfWork) -> Receipt | None:
        """End a unit well; its changes stay in its write set."""
        context = unit._context
        context.finish()
        receipt = unit.provisional()
        if receipt is not None:
            self._position, self._revision, self._last = receipt.size, receipt.revision, receipt
        return receipt

    def commit(self, write: WriteSet) -> None:
        """Make everything durable, with what still waits in the write set; without any change it is rolled back."""
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


class OpenUnit:
    """The block of `Store.begin`: opens a unit on entry, commits or rolls back on exit."""

    def __init__(self, open_commit: Callable[[], Commit], timeout_s: float) -> None:
        self._open_commit = open_commit
        self._timeout_s = timeout_s
        self._commit: Commit | None = None
        self._unit: UnitOfWork | None = None

    def __enter__(self) -> UnitOfWork:
        if self._commit is not None:
            raise StoreClosedError("a unit of work is used once; begin a new one")
        self._commit = self._open_commit()
        self._unit = self._commit.unit(self._timeout_s)
        return self._unit

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        commit, unit = self._commit, self._unit
        if commit is None or unit is None:
            return
        try:
            if error is not None:
                commit.abort()
                return
            try:
                receipt = commit.close(unit)
            except BaseException:
                commit.abort()
                raise
            commit.commit(unit._context.write)
            unit._receipt = receipt
        finally:
            unit._context.end()


def operation_row(operation_id: str, value: bytes, receipt: Receipt | None, recorded_at: int) -> OperationRow:
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


def operation_receipt(row: OperationRow) -> Receipt | None:
    """The receipt that was kept."""
    if row.revision is None or row.first_position is None or row.size is None or row.root is None:
        return None
    return Receipt(row.revision, row.first_position, row.size, (row.root,))
