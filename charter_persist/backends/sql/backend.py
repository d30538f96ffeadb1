"""What the backends of both databases share: the pool, the one writing connection, the turn of the writer, the end.

A writer waits for its turn in this process first and then for the lock of the database, so the unfair waiting of a
database is met only between processes. A connection whose commit failed is never used again.

Source: DESIGN 5, RELIABILITY 4.1-18, 1.2.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

import sqlalchemy as sa

from charter_persist.backends.contract import BackendCapabilities, Diagnosis, HeadRow, VectorCollectionRow
from charter_persist.backends.sql.guards import missing_guards
from charter_persist.backends.sql.joined import JoinedTransaction
from charter_persist.backends.sql.nearest import Distances, nearest
from charter_persist.backends.sql.opening import check_schema, read_store_id
from charter_persist.backends.sql.reader import ClosedLink, Link, SqlReader
from charter_persist.backends.sql.schema import SCHEMA_HEAD
from charter_persist.backends.sql.statements import Statements
from charter_persist.backends.wakeup import Bell, Wakeup
from charter_persist.errors import (
    CharterError,
    ForkedHandleError,
    InvalidInputError,
    ReadOnlyError,
    StoreBusyError,
    StoreClosedError,
)

T = TypeVar("T", bound="SqlTransaction")
Facts = dict[str, str | int | bool]


class SqlSnapshot(SqlReader, ABC):
    """A read transaction on a connection of the pool."""

    def __init__(self, backend: SqlBackend[Any], pooled: sa.PoolProxiedConnection, link: Link) -> None:
        super().__init__(link, backend.statements)
        self._backend = backend
        self._pooled: sa.PoolProxiedConnection | None = pooled
        try:
            self._begin()
        except BaseException:
            pooled.invalidate()
            raise

    @abstractmethod
    def _begin(self) -> None:
        """Begin, and take the snapshot at once."""

    def head(self) -> HeadRow | None:
        """Nothing is kept beside the journal."""
        return None

    def nearest(self, row: VectorCollectionRow, query: bytes, limit: int) -> list[str] | None:
        """As `contract.Nearest`, where the database measures distances."""
        distances = self._backend.distances
        return None if distances is None else nearest(row, query, limit, distances, partial(self._measure, distances))

    def _measure(self, distances: Distances, sql: str, parameters: Sequence[Any]) -> list[Any]:
        rows: list[Any] = self._link.all(sql, parameters)
        return rows

    def close(self) -> None:
        """End the snapshot and give the connection back; a forked child leaves both to its parent."""
        pooled, self._pooled = self._pooled, None
        if pooled is None or self._process.left:
            return
        link, self._own_link = self._own_link, ClosedLink()
        try:
            link.last("ROLLBACK")
        except CharterError:
            pooled.invalidate()  # nothing was written, and a connection that cannot roll back is of no use
        else:
            self._backend.give_back(pooled)


class SqlTransaction(SqlReader):
    """A write transaction: it holds the writer lock until its one end."""

    position: int
    revision: int

    def __init__(self, backend: SqlBackend[Any], link: Link, *, joined: JoinedTransaction | None) -> None:
        super().__init__(link, backend.statements)
        self._backend = backend
        self._joined = joined
        self._ended = False

    def rollback(self) -> None:
        """End without a trace. A forked child sends nothing: the transaction is its parent's."""
        if self._ended or self._process.left:
            self._ended = True
            return
        try:
            if self._joined is None:
                self._own_link.last("ROLLBACK")
            elif self._joined.lasts():
                self._own_link.last("ROLLBACK TO joined")
        except CharterError:
            if self._joined is None:
                self._backend.discard_writer()  # the database rolls back when a connection ends
        finally:
            self._end()

    def _check_open(self) -> None:
        """Refuse a unit that cannot be written to: it ended, was forked, or lost the transaction that it joined."""
        if self._process.left:
            raise ForkedHandleError
        if self._ended or self._backend.closed:
            raise StoreClosedError("this unit of work has ended, or its store was closed; begin a new one")
        if self._joined is not None:
            self._joined.check()

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._own_link = ClosedLink()
            self._backend.release()


class SqlBackend(ABC, Generic[T]):
    """A ledger backend over a SQLAlchemy engine.

    Args:
        engine: where connections come from.
        statements: the compiled SQL.
        schema: the Postgres schema; None on SQLite.
        read_only: refuse writes.
    """

    name: str
    requires_network: bool
    errors: ClassVar[tuple[type[Exception], ...]]  # what the driver raises, and SQLAlchemy around it
    capabilities = BackendCapabilities(
        supports_transactions=True, supports_ordering=True, supports_append_only=True, supports_snapshots=True
    )

    def __init__(self, engine: sa.Engine, statements: Statements, *, schema: str | None, read_only: bool) -> None:
        self.statements = statements
        self.distances: Distances | None = None
        self.closed = False
        self._engine = engine
        self._schema = schema
        self._read_only = read_only
        self._turn = threading.Lock()
        self.wakeup = Wakeup(self._look_out)
        self._writer: sa.PoolProxiedConnection | None = None
        try:
            self._store_id = self._look(self._check)
        except BaseException:
            engine.dispose()
            raise

    @staticmethod
    @abstractmethod
    def _fault(error: Exception) -> CharterError:
        """What an error of the driver means while nothing was committed."""

    @abstractmethod
    def _begin(self, deadline: float) -> T:
        """Take the writer lock of the database and begin on the writing connection."""

    @abstractmethod
    def _join(self, connection: sa.Connection, deadline: float) -> T:
        """Begin inside a transaction of the caller's connection."""

    @abstractmethod
    def _scrub(self, deadline: float) -> None:
        """Do what `LedgerBackend.scrub` says, while nobody else of this process writes."""

    @abstractmethod
    def _look_out(self) -> Callable[[], None]:
        """Begin to ring for the commits of other processes; what it returns ends that."""

    @abstractmethod
    def _check_connection(self, connection: Any) -> None:
        """Refuse what is not a connection to this database."""

    @abstractmethod
    def _find_distances(self, connection: sa.Connection) -> Distances | None:
        """How the database measures distances of embeddings; None where it cannot."""

    @abstractmethod
    def _facts(self, connection: sa.Connection) -> Facts:
        """What only this database can tell of itself."""

    def _check(self, connection: sa.Connection) -> str:
        """Refuse a database that is not a store at head; returns the identity of the store."""
        check_schema(connection, schema=self._schema)
        self.distances = self._find_distances(connection)
        return read_store_id(connection, schema=self._schema)

    def _look(self, at: Callable[[sa.Connection], Any]) -> Any:
        """Ask something of the database outside any hot path."""
        try:
            with self._engine.connect() as connection:
                return at(connection)
        except self.errors as exc:
            raise self._connect_fault(exc) from exc

    def _connect_fault(self, error: Exception) -> CharterError:
        """What it means that a connection could not be made."""
        return self._fault(error)

    def store_id(self) -> str:
        """The identity the store was given when it was made."""
        return str(self._store_id)

    def transaction(self, timeout_s: float) -> T:
        """Wait for the turn in this process, then for the lock of the database."""
        self._refuse_read_only()
        deadline = time.monotonic() + timeout_s
        self._take_turn(timeout_s)
        try:
            return self._begin(deadline)
        except BaseException:
            self.discard_writer()
            self.release()
            raise

    def join(self, connection: Any, timeout_s: float) -> T:
        """Begin inside a transaction of a SQLAlchemy connection to the same database."""
        deadline = time.monotonic() + timeout_s
        try:
            self._check_connection(connection)
            self._take_turn(timeout_s)
            try:
                return self._join(connection, deadline)
            except BaseException:
                self.release()
                raise
        except self.errors as exc:
            raise self._join_fault(exc) from exc

    def _join_fault(self, error: Exception) -> CharterError:
        """What it means that the caller's connection could not be used."""
        fault = self._fault(error)
        if isinstance(fault, StoreClosedError) or isinstance(error, sa.exc.InvalidRequestError):
            return InvalidInputError("the connection is closed, or its transaction has failed; give one that is usable")
        return fault

    def listen(self) -> Bell:
        """A commit of this process rings at once, one of another process when the look-out has seen it."""
        return self.wakeup.listen()

    def _refuse_read_only(self) -> None:
        if self._read_only:
            raise ReadOnlyError("the store is open for reading only; connect without read_only")

    def _take_turn(self, timeout_s: float) -> None:
        if not self._turn.acquire(timeout=timeout_s):
            raise StoreBusyError

    def release(self) -> None:
        """Let the next writer of this process in; the last one of a closed backend closes the writing connection."""
        self._turn.release()
        if self.closed:
            self._discard_idle_writer()

    def _discard_idle_writer(self) -> None:
        """Close the writing connection unless a unit has it: a driver may crash when another thread uses it meanwhile.

        Whoever holds the turn comes here when it releases it.
        """
        if self._turn.acquire(blocking=False):
            self.discard_writer()
            self._turn.release()

    def _pooled(self) -> sa.PoolProxiedConnection:
        """A connection of the pool."""
        if self.closed:
            raise StoreClosedError
        try:
            return self._engine.raw_connection()
        except self.errors as exc:
            raise self._fault(exc) from exc

    def give_back(self, pooled: sa.PoolProxiedConnection) -> None:
        """Return a connection to the pool, or close it where the pool is gone."""
        pool = self._engine.pool
        give = pooled.invalidate if self.closed else pooled.close
        give()
        if self.closed:  # meanwhile, so it may have come too late to be closed with the others
            pool.dispose()

    def discard_writer(self) -> None:
        """Close the writing connection, which is the caller's by its turn; the next unit opens a new one."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.invalidate()

    def scrub(self, timeout_s: float) -> None:
        """Wait for the turn in this process, and scrub what is in our hands."""
        self._refuse_read_only()
        deadline = time.monotonic() + timeout_s
        self._take_turn(timeout_s)
        try:
            self._scrub(deadline)
        finally:
            self.release()

    def diagnose(self) -> Diagnosis:
        """Settings, versions, sizes, and which guards are missing."""

        def look(connection: sa.Connection) -> Diagnosis:
            missing = missing_guards(connection, schema=self._schema)
            problems = [
                f"the guard {name} is missing; restore it from a new store, then `charter verify`" for name in missing
            ]
            # Opening refuses every other schema revision.
            search = self.distances.name if self.distances else "numpy"
            facts: Facts = {"schema_revision": SCHEMA_HEAD, "vector_search": search, **self._facts(connection)}
            return Diagnosis(tuple(problems), facts, tuple(missing))

        diagnosis: Diagnosis = self._look(look)
        return diagnosis

    def close(self) -> None:
        """Give back every connection; a second call does nothing.

        What other threads have open is refused its next write, and its connection is closed when they end it.
        """
        if not self.closed:
            self.closed = True
            self.wakeup.close()
            self._discard_idle_writer()
            self._engine.dispose()
