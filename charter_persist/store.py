"""The composition root: `connect` chooses a backend by its URL, `Store` is what programs hold.

Cost: `begin` is one backend transaction, `read` one snapshot, `run` shares a commit with whatever queued meanwhile.

Source: DESIGN 1 and 3, REQUIREMENTS 8.
"""

from __future__ import annotations

import os
import stat
import tempfile
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar
from weakref import WeakSet

import stamina
import uuid_utils

from charter_persist.backends.contract import BackendCapabilities, Diagnosis, LedgerBackend
from charter_persist.backends.memory import MemoryBackend
from charter_persist.backends.sql import migrate as migrations
from charter_persist.backends.sql.engine import parse_target
from charter_persist.backends.sql.postgres import PostgresBackend
from charter_persist.backends.sql.restore_postgres import PostgresTarget
from charter_persist.backends.sql.restore_sqlite import SqliteTarget
from charter_persist.backends.sql.sqlite import SqliteBackend
from charter_persist.batch import Batches, Job, find_operation
from charter_persist.errors import (
    BackendError,
    CharterError,
    ForkedHandleError,
    InvalidInputError,
    MigrationRequiredError,
    NotSupportedError,
    StoreClosedError,
    TimedOutError,
    UnavailableError,
)
from charter_persist.journal.entry import NONCE_BYTES
from charter_persist.journal.ledger import Ledger
from charter_persist.model.limits import DEFAULT_OPTIONS, Options
from charter_persist.model.text import check_text
from charter_persist.repositories.base import Sources
from charter_persist.repositories.past import PastSnapshot
from charter_persist.transfer.restore import RestoreTarget
from charter_persist.unit_of_work import Commit, OpenUnit, Outcome, ReadView, UnitOfWork
from charter_persist.watch.delivery import Watch
from charter_persist.watch.subjects import parse_subjects

T = TypeVar("T")

ATTEMPTS_MAX = 8


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a store can be used now.

    Attributes:
        ok: True where a view could be opened.
        problem: what is wrong and what to do, in one sentence; None where nothing is.
    """

    ok: bool
    problem: str | None = None


class Store:
    """A store: units of work, views, and what it knows of itself. Safe for use by several threads.

    Use `connect` to make one. A store must not be used after a fork; connect again in the child.
    """

    def __init__(
        self, backend: LedgerBackend, sources: Sources, *, unit_timeout_s: float = 30.0, batching: bool = True
    ) -> None:
        self._backend = backend
        self._sources = sources
        self._timeout_s = unit_timeout_s
        self._ledger = Ledger()
        self._open_here = threading.local()
        self._batches = Batches(self._open_commit, unit_timeout_s, batching=batching)
        self._pid = os.getpid()
        self._closed = False
        self._watches: WeakSet[Watch] = WeakSet()

    @property
    def name(self) -> str:
        """Of the backend, such as ``sqlite``."""
        return self._backend.name

    @property
    def store_id(self) -> str:
        """The identity that the store was given when it was made; the origin of its checkpoints."""
        return self._backend.store_id()

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
        return not self._backend.requires_network

    @property
    def options(self) -> Options:
        """The limits in force."""
        return self._sources.options

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
            InvalidInputError: this thread has a unit of work open, or the connection leads elsewhere.
            StoreClosedError: the store is closed.
        """
        self._check_open()
        return OpenUnit(lambda: self._open_commit(connection), timeout_s or self._timeout_s)

    def _open_commit(self, connection: Any = None) -> Commit:
        self._refuse_nesting()
        self._open_here.unit = True
        try:
            if connection is None:
                transaction = self._backend.transaction(self._timeout_s)
            else:
                transaction = self._backend.join(connection, self._timeout_s)
        except BaseException:
            self._leave()
            raise
        joined = connection is not None
        return Commit(transaction, self._ledger, self._sources, release=self._leave, joined=joined)

    def _refuse_nesting(self) -> None:
        if getattr(self._open_here, "unit", False):
            raise InvalidInputError("this thread has a unit of work open; use that one, or end it first")

    def _leave(self) -> None:
        self._open_here.unit = False

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
        self._check_open()
        snapshot = self._backend.snapshot()
        try:
            return ReadView(snapshot if as_of is None else PastSnapshot(snapshot, as_of), self._sources.options)
        except BaseException:
            snapshot.close()
            raise

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
        subjects = parse_subjects(pattern)
        self._check_open()
        watch = Watch(self, self._backend.listen, subjects, after)
        self._watches.add(watch)
        return watch

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
        self._check_open()
        self._refuse_nesting()
        try:
            return self._batches.run(Job.of(fn, operation_id))
        except BackendError as exc:
            if not _worth_retrying(exc):
                raise
        for attempt in stamina.retry_context(on=_worth_retrying, attempts=ATTEMPTS_MAX - 1, timeout=self._timeout_s):
            with attempt:
                return self._batches.run(Job.of(fn, operation_id))
        raise StoreClosedError

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
        self._check_open()
        self._refuse_nesting()
        identity = check_text(operation_id, field="operation_id")
        transaction = self._backend.transaction(self._timeout_s)
        try:
            return find_operation(transaction, identity)
        finally:
            transaction.rollback()

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
        self._check_open()
        self._refuse_nesting()
        self._backend.scrub(self._timeout_s)

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
            for watch in list(self._watches):
                watch.close()
            self._backend.close()

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


def _worth_retrying(error: Exception) -> bool:
    """Whether the same unit may succeed later, and nothing can have been written."""
    return (
        isinstance(error, BackendError)
        and error.retryable
        and error.applied == "no"
        and not isinstance(error, TimedOutError)
    )


def connect(
    url: str,
    *,
    migrate: Literal["check", "upgrade"] = "check",
    read_only: bool = False,
    air_gapped: bool = False,
    unit_timeout_s: float = 30.0,
    batching: bool = True,
    options: Options = DEFAULT_OPTIONS,
    clock: Callable[[], datetime] | None = None,
    new_id: Callable[[], str] | None = None,
    nonce: Callable[[], bytes] | None = None,
) -> Store:
    """Open a store. It never migrates by itself and never falls back to another backend.

    Args:
        url: ``sqlite:///file.db``, ``postgresql+psycopg://…`` (``?schema=`` names the schema, ``?pooler=true`` says
            that a transaction pooler stands between), ``sqlite://`` (a private temporary file), ``memory://``.
        migrate: ``"check"`` refuses a schema that is not at head; ``"upgrade"`` brings it there first.
        read_only: refuse every write.
        air_gapped: refuse a backend that needs the network.
        unit_timeout_s: how long a unit may wait for the writer lock, and how long it may take; seconds, above 0.
        batching: False gives each `Store.run` a commit of its own; results are the same.
        options: limits, settable downwards.
        clock: gives the time, an aware datetime.
        new_id: gives a new identifier.
        nonce: gives 16 bytes nobody can guess.

    Returns:
        The open store.

    Raises:
        InvalidInputError: the URL or an argument is not valid.
        MigrationRequiredError: the schema is missing or older; the message says what to run.
        SchemaTooNewError: the schema is of a newer release.
        SchemaError: the database belongs to another application.
        UnavailableError: the file cannot be opened, or the server cannot be reached.
        NotSupportedError: no such backend, or it needs the network and ``air_gapped`` is set.
    """
    if unit_timeout_s <= 0:
        raise InvalidInputError(f"unit_timeout_s must be above 0, got {unit_timeout_s}")
    if migrate not in ("check", "upgrade"):
        raise InvalidInputError(f'migrate must be "check" or "upgrade", got {migrate!r}')
    sources = Sources(
        clock=clock or (lambda: datetime.now(UTC)),
        new_id=new_id or (lambda: str(uuid_utils.uuid7())),
        nonce=nonce or (lambda: os.urandom(NONCE_BYTES)),
        options=options,
    )
    backend = _backend(url, migrate=migrate, read_only=read_only, air_gapped=air_gapped, timeout_s=unit_timeout_s)
    return Store(backend, sources, unit_timeout_s=unit_timeout_s, batching=batching)


def upgrade(url: str) -> None:
    """Bring the schema of a database to head: created where it is missing, under a lock, in one transaction.

    Any number of processes may call it at once: one does the work and all succeed. It is the same as
    ``charter upgrade`` and as ``alembic upgrade head``.

    Args:
        url: as for `connect`.

    Raises:
        SchemaError: the database belongs to another application, or its schema is of a newer release.
        UnavailableError: the file cannot be opened, or the server cannot be reached.
        StoreBusyError: another process migrates for longer than the time limit.
    """
    if _scheme(url) == "memory" or _is_private(url):
        return  # such a store is at head from its beginning
    parse_target(url)
    migrations.upgrade(url)


def restore_target(url: str, *, replace: bool = False) -> RestoreTarget:
    """The place of a URL, for `transfer.restore.restore`; nothing is opened yet.

    Args:
        url: ``sqlite:///file.db`` or ``postgresql+psycopg://…``, as for `connect`.
        replace: what is there may be replaced; it is kept beside, under another name.

    Raises:
        InvalidInputError: the URL is not valid.
        NotSupportedError: nothing can be restored there.
    """
    if _scheme(url) in ("memory", "file", "s3", "etcd") or _is_private(url):
        raise NotSupportedError("a backup is restored to a SQLite file or a Postgres schema; give the URL of one")
    target = parse_target(url)
    if target.schema is not None:
        return PostgresTarget(target, replace=replace)
    return SqliteTarget(Path(target.url.database or ""), replace=replace)


def _scheme(url: str) -> str:
    if type(url) is not str or ":" not in url:
        raise InvalidInputError("that is not a database URL; an example is sqlite:///charter.db")
    return url.partition(":")[0]


def _is_private(url: str) -> bool:
    return url in ("sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite+pysqlite://")


def _backend(url: str, *, migrate: str, read_only: bool, air_gapped: bool, timeout_s: float) -> LedgerBackend:
    scheme = _scheme(url)
    if scheme == "memory":
        return MemoryBackend(read_only=read_only)
    if scheme in ("file", "s3", "etcd"):
        raise NotSupportedError(f"the {scheme} backend is not part of this release; use SQLite or Postgres")
    if _is_private(url):
        return _private_sqlite()
    target = parse_target(url)
    if target.schema is not None and air_gapped:
        raise NotSupportedError("the postgresql backend needs the network and air_gapped is set; use SQLite")
    if migrate == "upgrade":
        migrations.upgrade(url)
    if target.schema is not None:
        return PostgresBackend(target, read_only=read_only, timeout_s=timeout_s)
    return SqliteBackend(_existing_file(Path(target.url.database or "")), read_only=read_only)


def _existing_file(path: Path) -> Path:
    """The path of a database file that is there."""
    try:
        kind = path.stat().st_mode
    except FileNotFoundError as exc:
        raise MigrationRequiredError(
            f"there is no store at {path} yet; run `charter upgrade` (or upgrade(url))"
        ) from exc
    except OSError as exc:
        raise UnavailableError(f"{path} cannot be opened: {exc.strerror}") from exc
    if not stat.S_ISREG(kind):
        raise UnavailableError(f"{path} is not a file; give the path of a database file")
    return path


def _private_sqlite() -> SqliteBackend:
    """A new SQLite file in a folder of its own, removed at close."""
    folder = tempfile.mkdtemp(prefix="charter-")
    path = Path(folder) / "charter.db"
    migrations.create_sqlite(path)
    return SqliteBackend(path, private=True)
