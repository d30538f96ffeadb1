"""A unit of work, a read view, the receipt, and what everything above asks of a store: `Units`.

One unit of work is one revision, inside one commit: all that it changed becomes visible together or not at all.
A unit costs its backend one transaction; one that changed nothing is rolled back and leaves no revision. What is made
over a ledger or over a backend of one store is made over a `Context`.

Source: DESIGN 1.1, 3 and 5.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar, overload

from charter_persist.backends.contract import HeadRow, Reader
from charter_persist.errors import StoreClosedError
from charter_persist.journal.ledger import JournalReader
from charter_persist.model.limits import Options
from charter_persist.repositories.archive_ledger import ledger_archive_reader, ledger_archive_repository
from charter_persist.repositories.audit import AuditReader, AuditRepository
from charter_persist.repositories.base import Context, ReadContext, Sources
from charter_persist.repositories.contents import Contents, WholeObjects
from charter_persist.repositories.events import EventReader, EventRepository
from charter_persist.repositories.intent_reader import IntentReader
from charter_persist.repositories.intents import IntentRepository
from charter_persist.repositories.kv_ledger import ledger_key_reader, ledger_key_repository
from charter_persist.repositories.leases import LeaseReader, LeaseRepository
from charter_persist.repositories.message_reader import MessageReader
from charter_persist.repositories.messages import MessageRepository
from charter_persist.repositories.metadata import MetadataReader, MetadataRepository
from charter_persist.repositories.objects import ObjectReader, ObjectRepository
from charter_persist.repositories.refs import RefReader, RefRepository
from charter_persist.repositories.sessions import SessionReader, SessionRepository
from charter_persist.repositories.states import StateReader, StateRepository
from charter_persist.repositories.vectors import VectorReader, VectorRepository

R = TypeVar("R")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a unit of work became.

    Attributes:
        revision: its number, store-wide; 0 where the backend counts none.
        first_position: the first journal position that it took; None where there is no journal.
        size: number of journal entries after it, its last position; None where there is no journal.
    """

    revision: int
    first_position: int | None = None
    size: int | None = None

    @property
    def root(self) -> bytes | None:
        """Merkle root over all entries after this unit, 32 bytes; None where there is no journal."""
        return None


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
        made = instance.__dict__[self._name] = instance._context.open(self._name, self._make)
        return made


class ViewContext(Context, Protocol):
    """What a view is made over."""

    def revision(self) -> int:
        """That is read."""
        ...

    def head(self) -> HeadRow | None:
        """What the backend keeps of the journal's end beside the journal."""
        ...

    def close(self) -> None:
        """Give back what is read from."""
        ...


def _reader(context: ReadContext) -> Reader:
    return WholeObjects(context.reader, context.contents)


def _rows(context: ReadContext) -> Reader:
    return context.reader


def _contents(context: ReadContext) -> Contents:
    return context.contents


def _journal_reader(context: ReadContext) -> JournalReader:
    return JournalReader(context.reader)


class ReadView:
    """One snapshot for all that is read in it; the same repositories without their writes."""

    objects = _Lazy(ObjectReader)
    refs = _Lazy(RefReader)
    audit = _Lazy(AuditReader)
    metadata = _Lazy(MetadataReader)
    sessions = _Lazy(SessionReader)
    kv = _Lazy(ledger_key_reader)
    leases = _Lazy(LeaseReader)
    archive = _Lazy(ledger_archive_reader)
    intents = _Lazy(IntentReader)
    events = _Lazy(EventReader)
    states = _Lazy(StateReader)
    messages = _Lazy(MessageReader)
    vectors = _Lazy(VectorReader)
    journal = _Lazy(_journal_reader)
    reader = _Lazy(_reader)
    rows = _Lazy(_rows)
    contents = _Lazy(_contents)

    def __init__(self, context: ViewContext) -> None:
        self._context = context

    @property
    def revision(self) -> int:
        """Of the newest unit of work in this snapshot, the past one of a view as of it; 0 in an empty store."""
        return self._context.revision()

    def head(self) -> HeadRow | None:
        """What the backend keeps of the journal's end beside the journal; None where it keeps nothing."""
        return self._context.head()

    def close(self) -> None:
        """End the view; what it handed out stays valid, its repositories do not."""
        self._context.close()

    def __enter__(self) -> ReadView:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class WorkContext(Context, Protocol):
    """What a unit of work is made over."""

    sources: Sources
    ended: bool

    @property
    def now(self) -> int:
        """The time of the unit in microseconds since 1970 UTC."""
        ...

    def end(self) -> None:
        """The unit is over."""
        ...


class UnitOfWork:
    """All changes made through its repositories become visible together when its block ends well, or not at all.

    Once a write of it was refused, it can only be rolled back, even where the block catches the error and goes on.
    """

    objects = _Lazy(ObjectRepository)
    refs = _Lazy(RefRepository)
    audit = _Lazy(AuditRepository)
    metadata = _Lazy(MetadataRepository)
    sessions = _Lazy(SessionRepository)
    kv = _Lazy(ledger_key_repository)
    leases = _Lazy(LeaseRepository)
    archive = _Lazy(ledger_archive_repository)
    intents = _Lazy(IntentRepository)
    events = _Lazy(EventRepository)
    states = _Lazy(StateRepository)
    messages = _Lazy(MessageRepository)
    vectors = _Lazy(VectorRepository)
    reader = _Lazy(_reader)
    rows = _Lazy(_rows)

    def __init__(self, context: WorkContext, flush: Callable[[], Receipt | None]) -> None:
        self._context = context
        self._flush = flush
        self._receipt: Receipt | None = None

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
            StoreClosedError: the unit has ended.
            NotSupportedError: the backend writes a unit when it ends, and not before.
        """
        return self._flush()


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


U = TypeVar("U", bound=UnitOfWork)


class OpenCommit(Protocol[U]):
    """A commit that is being made."""

    def unit(self, timeout_s: float) -> U:
        """The unit of work that it is about."""
        ...

    def end(self, unit: U) -> Receipt | None:
        """Make what the unit changed durable and visible; where it raises, nothing is but for `CommitUnknownError`."""
        ...

    def abort(self) -> None:
        """Roll back."""
        ...


class OpenUnit(Generic[U]):
    """The block of `Store.begin`: opens a unit on entry, commits or rolls back on exit."""

    def __init__(self, open_commit: Callable[[], OpenCommit[U]], timeout_s: float) -> None:
        self._open_commit = open_commit
        self._timeout_s = timeout_s
        self._commit: OpenCommit[U] | None = None
        self._unit: U | None = None

    def __enter__(self) -> U:
        if self._commit is not None:
            raise StoreClosedError("a unit of work is used once; begin a new one")
        self._commit = self._open_commit()
        try:
            self._unit = self._commit.unit(self._timeout_s)
        except BaseException:
            self._commit.abort()
            raise
        return self._unit

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        commit, unit = self._commit, self._unit
        if commit is None or unit is None:
            return
        try:
            if error is None:
                unit._receipt = commit.end(unit)
            else:
                commit.abort()
        finally:
            unit._context.end()
