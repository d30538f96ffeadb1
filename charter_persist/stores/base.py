"""What programs hold: a store, whatever it is kept in.

Source: DESIGN 1 and 3, REQUIREMENTS 8.
"""

from __future__ import annotations

import logging
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar
from weakref import WeakSet

from charter_persist.backends.contract import BackendCapabilities, Diagnosis
from charter_persist.backends.contract.single import SingleBackend
from charter_persist.errors import (
    BackendError,
    CharterError,
    ForkedHandleError,
    InvalidInputError,
    NotSupportedError,
    StoreClosedError,
    TimedOutError,
)
from charter_persist.lease.election import Leadership, elect
from charter_persist.lease.lease import Guard, Lease, unguarded
from charter_persist.model.digest import Digest
from charter_persist.model.limits import Options
from charter_persist.model.time import check_seconds
from charter_persist.repositories.base import Sources
from charter_persist.unit_of_work import Outcome, ReadView, UnitOfWork
from charter_persist.watch.delivery import Watch

T = TypeVar("T")

# A unit that is tried again is no news to a program that configured no logging.
logging.getLogger("stamina").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a store can be used now.

    Attributes:
        ok: True where a view could be opened.
        problem: what is wrong and what to do, in one sentence; None where nothing is. A cluster can be usable and have
            one, such as a member that is away.
    """

    ok: bool
    problem: str | None = None


class _Opened:
    """A unit of work that a thread has open."""

    __slots__ = ("is_open",)

    def __init__(self) -> None:
        self.is_open = True

    def end(self) -> None:
        """It has ended."""
        self.is_open = False


class Store(ABC):
    """A store: units of work, views, and what it knows of itself. Safe for use by several threads.

    Use `connect` to make one. A store must not be used after a fork; connect again in the child.
    """

    def __init__(self, backend: SingleBackend, sources: Sources, *, unit_timeout_s: float) -> None:
        self._backend: SingleBackend = backend
        self._sources = sources
        self._timeout_s = unit_timeout_s
        self._open_here = threading.local()
        self._pid = os.getpid()
        self._closed = False
        self._mutex = threading.Lock()  # of what ends with the store
        self._watches: WeakSet[Watch] = WeakSet()
        self._leases: WeakSet[Lease] = WeakSet()

    @property
    def name(self) -> str:
        """Of the backend, such as ``sqlite``."""
        return self._backend.name

    @property
    def store_id(self) -> str:
        """The identity that the store was given when it was made; the origin of its checkpoints.

        Raises:
            NotSupportedError: the backend has no journal, so there is nothing to sign.
        """
        raise NotSupportedError(f"the {self.name} backend has no journal and no identity; use SQLite or Postgres")

    @property
    def capabilities(self) -> BackendCapabilities:
        """What the backend says of itself; hints only."""
        return self._backend.capabilities

    @property
    def requires_network(self) -> bool:
        """True where the backend talks to a server."""
        return self._backend.requires_network

    @property
    def supports_air_gapped(self) -> bool:
        """True where the store works without a network."""
        return not self.requires_network

    @property
    def options(self) -> Options:
        """The limits in force."""
        return self._sources.options

    @abstractmethod
    def begin(self, *, connection: Any = None, timeout_s: float | None = None) -> AbstractContextManager[UnitOfWork]:
        """Open a unit of work: it takes the writer lock on entry and commits when its block ends well.

        What it changed is durable and visible, all together, when the block has ended; when the block raises,
        nothing is. Do no I/O of your own inside: every other writer waits.

        Args:
            connection: a SQLAlchemy ``Connection`` to the same database, whose transaction the unit joins: your
                rows and ours commit together when you commit. ``flush`` gives the receipt, provisional until then.
            timeout_s: how long the block may take, ``unit_timeout_s`` by default; seconds, above 0.

        Returns:
            A context manager that gives the `UnitOfWork`.

        Raises:
            StoreBusyError: the writer lock was not free within ``unit_timeout_s``.
            TimedOutError: the block took longer than its time; nothing was written.
            CommitUnknownError: the answer to the commit was lost.
            CharterError: a call inside failed half-way or a write was refused, and the block went on all the same.
            InvalidInputError: this thread has a unit of work open, ``timeout_s`` is no such time, or the connection
                leads elsewhere.
            StoreClosedError: the store is closed.
        """

    def stage(self, object_type: str, content: Any) -> Digest:
        """Upload the content of an object that is too large for a row of the ledger, before the unit that puts it.

        Durable on return, and named by ``uow.objects.put(object_type, content)`` of this handle within 12 hours; a unit
        never uploads. What is small or of governance, or where nothing lies beside the ledger, goes into the row as
        always and nothing is done here. An upload that no object names 24 hours later is left over, and `charter fsck` says so.

        Args:
            object_type: of the object.
            content: a JSON value without its own hash.

        Returns:
            The digest that `put` will return.

        Raises:
            NotCanonicalError: the content has no canonical form.
            LimitExceededError: it is too large or nested too deep.
            InvalidInputError: the type does not follow its grammar, or this thread has a unit of work open, so that
                every other writer would wait for the upload.
            NotSupportedError: the backend has no objects.
            BackendError: it could not be uploaded; staging it again is harmless.
        """
        raise NotSupportedError(f"the {self.name} backend has no objects")

    @abstractmethod
    def read(self, *, as_of: int | None = None) -> ReadView:
        """Open a view: one snapshot, taken now, for all that is read in it. It never waits for a writer.

        Args:
            as_of: a revision, 0 for the empty store: everything is then as it was right after it, refs, sessions,
                keys, pages, roots and proofs included. Metadata and keys that were compacted since then raise
                `CompactedError` where they are read; a key that was erased since then is absent.

        Raises:
            NotFoundError: there is no such revision yet.
            InvalidInputError: ``as_of`` is not an integer of 0 or more.
            StoreClosedError: the store is closed.

        Spec: GOV-15
        """

    @abstractmethod
    def watch(self, pattern: str, *, after: int | None = None) -> Watch:
        """Watch what happens to the subjects of a pattern: every change once, in order, a unit's changes together.

        The result is a context manager and an iterator of batches, ``async for`` included; it waits for the next one
        and ends when it is closed. A batch has a ``revision``, its bookmark, and ``events`` with ``type``, ``store``,
        ``key``, ``old_value``, ``new_value`` and ``version``. It never waits for a writer, and a reader that is slow
        misses nothing.

        Args:
            pattern: store and subject: ``kv:/nodes/*``, ``ref:area/*``, ``audit:AREA:x``, ``object:resolution``,
                ``session:*``, ``metadata:policy/*``. A trailing ``*`` fits any rest, an inner one any text within a
                segment, and a backslash before a star makes it a literal one.
            after: only revisions behind this one, of the future too; 0 from the beginning, None from now on.

        Returns:
            The watch, open; close it.

        Raises:
            InvalidInputError: the pattern or ``after`` is not valid. That values were compacted, `CompactedError`
                says when the watch comes to them.
            StoreClosedError: the store is closed.

        Spec: KV-5
        """

    @abstractmethod
    def run(self, fn: Callable[[UnitOfWork], T], *, operation_id: str | None = None) -> Outcome[T]:
        """Run a function as one unit of work; units that queue share a commit.

        The function may be called more than once and on another thread, with a copy of the caller's context
        variables; it is called again only while nothing can have been committed.

        Args:
            fn: its only argument is the unit of work; what it returns is the value of the outcome.
            operation_id: names the operation, so that a repeat returns the kept value and receipt and does not call
                ``fn``. The value must then be JSON of at most ``operation_value_bytes_max`` bytes (64 KiB).

        Returns:
            Value, receipt, and whether it was a repeat.

        Raises:
            CommitUnknownError: the answer to the commit was lost; ask `resolve` with its ``operation_id``.
            StoreBusyError: the writer lock was not free within ``unit_timeout_s``, after several attempts.
            InvalidInputError: this thread has a unit of work open, or the value cannot be kept.

        Whatever ``fn`` raises is raised, and nothing is written then.
        """

    @abstractmethod
    def resolve(self, operation_id: str) -> Outcome[Any] | None:
        """Tell what became of an operation: its outcome if it was committed, None if it was not and never will be.

        It takes the writer lock, so a commit that is still on its way has ended when it answers.

        Args:
            operation_id: that of `run`, or of a `CommitUnknownError`.

        Raises:
            StoreBusyError: the writer lock was not free in time.
            InvalidKeyError: it is not a valid identifier.
            InvalidInputError: this thread has a unit of work open.
        """

    def lease(self, ttl_s: float) -> Lease:
        """Make a lease and keep it alive; keys are attached to it with ``uow.kv.set(key, value, lease=lease.id)``.

        When it ends, by `Lease.revoke` or because nobody keeps it alive, its keys are deleted, which watchers see:
        at once where it was revoked, else within about a second after its time.

        Args:
            ttl_s: how long it lives without being kept alive; 0.1 to 2,592,000 seconds, whole ones on etcd. On a
                ledger by the clock of the store.

        Returns:
            The lease, a context manager that revokes it at its end.

        Raises:
            InvalidInputError: ``ttl_s`` is out of range.
            NotSupportedError: the backend has no keys.
        """
        return self._lease(ttl_s, unguarded)

    @abstractmethod
    def _lease(self, ttl_s: float, guard: Guard) -> Lease:
        """As `lease`, by a unit that is guarded."""

    def elect(self, key: str, value: bytes = b"", *, ttl_s: float = 10.0, timeout_s: float | None = None) -> Leadership:
        """Wait until this caller leads: until it is the one that created a key, which lives as long as its lease.

        At most one caller has the key at any moment, and every leader's ``revision`` is larger than those before. It
        does not promise that a leader knows at once that it is none any more; see `Leadership.check`.

        Args:
            key: that candidates compete for.
            value: that the key is given, such as an address of the leader.
            ttl_s: how long a leader that died stands in the way; as for `lease`.
            timeout_s: how long to wait; None without end.

        Returns:
            The leadership, a context manager that resigns at its end.

        Raises:
            TimedOutError: another led all the time.
            InvalidKeyError: the key does not follow the grammar.
            NotFoundError: the lease ended while waiting, because the store could not be reached.
            NotSupportedError: the backend has no keys.
        """
        return elect(self, key, value, ttl_s=ttl_s, timeout_s=timeout_s)

    def _watched(self, watch: Watch) -> Watch:
        with self._mutex:
            self._watches.add(watch)
        return watch

    def _kept(self, lease: Lease) -> Lease:
        with self._mutex:
            self._leases.add(lease)
        return lease

    def health_check(self) -> Health:
        """Say whether the store can be read now, and otherwise what is wrong, in one sentence. It never raises."""
        try:
            self.read().close()
        except CharterError as exc:
            return Health(ok=False, problem=exc.message)
        return Health(ok=True)

    def scrub(self) -> None:
        """Make sure that what was erased or compacted is in none of the files of the store; returns when it is so.

        On SQLite no view may be open meanwhile, in any process, and the log is emptied. On Postgres the rows are gone
        with the commit, and their space on the server's disk is overwritten after a VACUUM, which is the server's.
        Backups are not touched.

        Raises:
            StoreBusyError: a view or another writer was in the way for ``unit_timeout_s``; nothing is lost, try again.
            ReadOnlyError: the store was opened for reading only.
            InvalidInputError: this thread has a unit of work open.

        Spec: P28
        """
        raise NotSupportedError(f"the {self.name} backend has no files of its own to scrub")

    def interrupt(self) -> None:
        """Let the thread whose unit waits for the writer lock, or runs a statement, stop with `TimedOutError`.

        A hint, for who runs units in threads and wants one back: it may come between two statements and stop none, and
        a backend without statements takes none. Call it only while that unit cannot be committing.
        """
        self._check_open()

    def diagnose(self) -> Diagnosis:
        """Look at settings, guards and sizes of the backend; reads only.

        Raises:
            BackendError: the database cannot be reached.
        """
        self._check_open()
        return self._backend.diagnose()

    def close(self) -> None:
        """Give back every connection; a second call does nothing. Later calls raise `StoreClosedError`."""
        if not self._closed and self._pid == os.getpid():
            self._closed = True
            with self._mutex:
                leases, watches = list(self._leases), list(self._watches)
            for lease in leases:
                lease.abandon()
            for watch in watches:
                watch.close()
            self._backend.close()

    def _refuse_nesting(self) -> None:
        unit: _Opened | None = getattr(self._open_here, "unit", None)
        if unit is not None and unit.is_open:
            raise InvalidInputError("this thread has a unit of work open; use that one, or end it first")

    def _enter(self) -> Callable[[], None]:
        """Note that this thread has a unit of work open, until what is returned is called, by whichever thread.

        Raises:
            InvalidInputError: it has one already.
        """
        self._refuse_nesting()
        unit = self._open_here.unit = _Opened()
        return unit.end

    def _limit(self, timeout_s: float | None) -> float:
        """How long a unit may take."""
        return self._timeout_s if timeout_s is None else check_seconds(timeout_s, field="timeout_s")

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosedError("the store is closed; connect again")
        if self._pid != os.getpid():
            raise ForkedHandleError

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def worth_retrying(error: Exception) -> bool:
    """Whether the same unit may succeed later, and nothing can have been written."""
    return (
        isinstance(error, BackendError)
        and error.retryable
        and error.applied == "no"
        and not isinstance(error, TimedOutError)
    )
