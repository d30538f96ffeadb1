"""The SQLite backend: WAL with synchronous=FULL, one writer at a time, snapshots that never wait.

Cost of one durable unit with one object: BEGIN IMMEDIATE, one read of the journal's end, one look-up, two inserts,
COMMIT (one fdatasync). A view costs BEGIN and one read. A unit that changed nothing writes nothing.

Source: DESIGN 5, RELIABILITY 1.1 to 1.3, 4.1.
"""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from charter_persist.backends.contract import Changes, Head, Relation
from charter_persist.backends.sql.backend import Facts, SqlBackend, SqlSnapshot, SqlTransaction
from charter_persist.backends.sql.engine import connect_sqlite, sqlite_engine
from charter_persist.backends.sql.faults import commit_fault, sqlite_fault
from charter_persist.backends.sql.joined import JoinedTransaction
from charter_persist.backends.sql.lookout import start_thread, watch_file
from charter_persist.backends.sql.nearest import Distances
from charter_persist.backends.sql.nearest_sqlite import find_distances, load
from charter_persist.backends.sql.scrub_sqlite import scrub_sqlite
from charter_persist.backends.sql.statements import Statements
from charter_persist.backends.sql.writes import erasing, sort_out
from charter_persist.errors import (
    BackendError,
    CharterError,
    InvalidInputError,
    StoreBusyError,
    StoreClosedError,
    TimedOutError,
)

# About a thousand pages of log, the distance that SQLite itself keeps between checkpoints.
COMMITS_PER_CHECKPOINT: Final = 256
# From this version on a checkpoint beside a commit is safe.
WAL_RESET_FIXED: Final = (3, 51, 3)
SYNCHRONOUS: Final = ("off", "normal", "full", "extra")
# From here on an acknowledged commit survives the loss of power.
DURABLE: Final = SYNCHRONOUS.index("full")
# In a damaged file even the name that an error message quotes may be no text, and a value may claim any size.
SQLITE_ERRORS: Final = (sqlite3.Error, UnicodeDecodeError, MemoryError)
LOGGER: Final = logging.getLogger(__name__)
_LOADED: Final = "charter_extension"


class _Ended:
    """What a link leads to after its end."""

    def execute(self, *_: Any) -> Any:
        """Refuse."""
        raise StoreClosedError("this view or unit of work has ended; open a new one")

    executemany = execute


_ENDED: Final = _Ended()


class SqliteLink:
    """`reader.Link` over a `sqlite3.Connection`, for the time of one view or one unit.

    Several threads may use it, each in its turn. Without turns the process could freeze: one thread holds the mutex of
    the connection and waits for the interpreter to run `engine._authorize`, another holds the interpreter and waits for
    the mutex. A turn that nobody else wants costs 50 ns.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection: Any = connection
        self.turn = threading.Lock()

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """The first row, or None."""
        try:
            with self.turn:
                return self.connection.execute(sql, parameters).fetchone()
        except SQLITE_ERRORS as exc:
            raise sqlite_fault(exc) from exc

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows."""
        try:
            with self.turn:
                rows: list[Any] = self.connection.execute(sql, parameters).fetchall()
        except SQLITE_ERRORS as exc:
            raise sqlite_fault(exc) from exc
        return rows

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement for each row."""
        try:
            with self.turn:
                if len(rows) == 1:
                    self.connection.execute(sql, rows[0])
                else:
                    self.connection.executemany(sql, rows)
        except sqlite3.Error as exc:
            raise sqlite_fault(exc) from exc

    def last(self, sql: str, *, fault: Callable[[Exception], CharterError] = sqlite_fault) -> None:
        """Run the statement that ends it; a thread that comes later is refused, for the connection is another's then.

        Args:
            sql: without rows.
            fault: what an error of it means.
        """
        try:
            with self.turn:
                connection, self.connection = self.connection, _ENDED
                connection.execute(sql)
        except SQLITE_ERRORS as exc:
            raise fault(exc) from exc


class SqliteSnapshot(SqlSnapshot):
    """A view of the file; BEGIN alone takes no snapshot, so the journal's end is read at once."""

    _backend: SqliteBackend

    def _begin(self) -> None:
        self._link.one("BEGIN")
        self._link.one(self._backend.last_entry)

    def _measure(self, distances: Distances, sql: str, parameters: Sequence[Any]) -> list[Any]:
        """Load the extension into a connection that has not got it, and run the statement."""
        link, pooled = self._link, self._pooled
        if pooled is not None and _LOADED not in pooled.info:
            with link.turn:
                load(link.connection, distances.library)
            pooled.info[_LOADED] = True
        return super()._measure(distances, sql, parameters)


class SqliteTransaction(SqlTransaction):
    """A write transaction that holds the file's write lock."""

    _backend: SqliteBackend

    def __init__(self, backend: SqliteBackend, link: SqliteLink, *, joined: JoinedTransaction | None = None) -> None:
        super().__init__(backend, link, joined=joined)
        self._writer = link
        last = link.one(backend.last_entry)
        self.position: int = last[0] if last else 0
        self.revision: int = last[1] if last else 0

    def _check_open(self) -> None:
        """Refuse as well where SQLite rolled back by itself, as it may after an error of any statement."""
        super()._check_open()
        if not _in_transaction(self._writer.connection):
            raise BackendError("SQLite rolled the transaction back after an earlier error; begin a new unit")

    def apply(self, changes: Changes) -> None:
        """One `executemany` for each kind of change of each relation."""
        self._check_open()
        for relation, rows in changes.items():
            written, erased, deleted = sort_out(relation, rows)
            if written:
                self._writer.many(self._writing(relation), written)
            if erased:
                here, elsewhere = zip(*erasing(relation, erased), strict=True)
                self._writer.many(self._statements.erase(relation), here)
                self._writer.many(self._statements.insert_absent(relation), elsewhere)
            if deleted:
                self._writer.many(self._statements.delete(relation), deleted)

    def _writing(self, relation: Relation[Any]) -> str:
        return self._statements.upsert(relation) if relation.mutable else self._statements.insert(relation)

    def commit(self, changes: Changes, head: Head | None) -> None:
        """Apply and commit; a failed COMMIT leaves the backend to open a new connection."""
        self.apply(changes)
        if self._joined is not None:
            self._end()
            return
        try:
            self._writer.last("COMMIT", fault=commit_fault)
        except CharterError:
            self._backend.discard_writer()
            self._end()
            raise
        self._backend.wakeup.ring()
        try:
            self._backend.committed()
        finally:
            self._end()


class SqliteBackend(SqlBackend[SqliteTransaction]):
    """A ledger backend on one SQLite file.

    Args:
        path: the file; it must exist and hold the schema at head.
        read_only: open it for reading; nothing is ever written.
        private: remove the file and its folder at close; they were made for this backend alone.
    """

    name = "sqlite"
    requires_network = False
    errors = (sa.exc.SQLAlchemyError, *SQLITE_ERRORS)
    _fault = staticmethod(sqlite_fault)

    def __init__(self, path: Path, *, read_only: bool = False, private: bool = False) -> None:
        self.path = path
        self._private = private
        self._commits = 0
        self._interrupted = threading.Event()
        engine = sqlite_engine(path, read_only=read_only)
        super().__init__(engine, Statements(engine.dialect, None), schema=None, read_only=read_only)
        self.last_entry = self.statements.text(
            sa.text("SELECT position, revision FROM journal ORDER BY position DESC LIMIT 1")
        )

    def snapshot(self) -> SqliteSnapshot:
        """A view of the last committed state."""
        pooled = self._pooled()
        return SqliteSnapshot(self, pooled, SqliteLink(_driver(pooled)))

    def _begin(self, deadline: float) -> SqliteTransaction:
        self._interrupted.clear()
        link = self.writing_link()
        _begin_immediate(link.connection, deadline, self._interrupted)
        return SqliteTransaction(self, link)

    def writing_link(self) -> SqliteLink:
        """The one connection that writes; it waits for the lock by `_begin_immediate` and not by itself."""
        if self._writer is None:
            # Nobody may interrupt it before it is ready.
            self._writer = self._pooled_for_writing()
        return SqliteLink(_driver(self._writer))

    def _pooled_for_writing(self) -> sa.PoolProxiedConnection:
        pooled = self._pooled()
        link = SqliteLink(_driver(pooled))
        try:
            link.one("PRAGMA query_only = OFF")
            link.one("PRAGMA busy_timeout = 0")
        except BaseException:
            pooled.invalidate()
            raise
        return pooled

    def _find_distances(self, connection: sa.Connection) -> Distances | None:
        return find_distances(self.statements)

    def _check_connection(self, connection: Any) -> None:
        if not isinstance(connection, sa.Connection) or connection.dialect.name != "sqlite":
            raise InvalidInputError("connection must be a sqlalchemy Connection to this store's SQLite file")
        driver = _driver(connection.connection)
        if not _same_file(driver, self.path):
            raise InvalidInputError("the connection leads to another SQLite file than the store")
        if driver.execute("PRAGMA synchronous").fetchone()[0] < DURABLE:
            raise InvalidInputError("the connection is not durable; set PRAGMA synchronous = FULL on it")

    def _join(self, connection: sa.Connection, deadline: float) -> SqliteTransaction:
        if not connection.in_transaction():
            connection.begin()
        driver = _driver(connection.connection)
        if not driver.in_transaction:
            self._interrupted.clear()
            _begin_immediate(driver, deadline, self._interrupted)
        link = SqliteLink(driver)
        link.one("SAVEPOINT joined")
        return SqliteTransaction(self, link, joined=JoinedTransaction(connection, partial(_in_transaction, driver)))

    def committed(self) -> None:
        """Count a commit, and from time to time move the log into the file; nothing that fails here undoes the commit.

        The unit still has its turn.
        """
        self._commits += 1
        if self._commits >= COMMITS_PER_CHECKPOINT:
            self._commits = 0
            try:
                self._checkpoint()
            except (CharterError, *self.errors) as exc:
                self.discard_writer()  # nobody knows where it stands
                LOGGER.warning("checkpoint failed, the log grows until the next one: %s", exc)

    def _checkpoint(self) -> None:
        """Move the log into the file while no commit can run beside it; leave it where a writer is in the way.

        The writing connection holds the file's write lock and another one checkpoints: so the defect that SQLite had
        before 3.51.3 cannot occur, whoever else writes (RELIABILITY 4.1-4). That one is no connection of the pool, where
        it would wait for views to end.
        """
        with closing(connect_sqlite(self.path, read_only=False)) as worker:
            lock = self.writing_link().connection
            try:
                lock.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as exc:
                if isinstance(sqlite_fault(exc), StoreBusyError):
                    return
                raise
            try:
                worker.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            finally:
                lock.execute("ROLLBACK")

    def interrupt(self) -> None:
        """End the waiting for the file's lock, and what runs on the writing connection."""
        self._interrupted.set()
        writer = self._writer
        driver = None if writer is None else writer.driver_connection
        if isinstance(driver, sqlite3.Connection):
            with suppress(sqlite3.ProgrammingError):  # closed by now, so nothing runs on it
                driver.interrupt()

    def _look_out(self) -> Callable[[], None]:
        return start_thread("charter-sqlite-lookout", partial(watch_file, self._pooled, self.wakeup.ring))

    def _scrub(self, deadline: float) -> None:
        scrub_sqlite(self.path, self._checkpoint, deadline)

    def _facts(self, connection: sa.Connection) -> Facts:
        wal = Path(f"{self.path}-wal")
        return {
            "sqlite_version": sqlite3.sqlite_version,
            "checkpoints_only_under_writer_lock": sqlite3.sqlite_version_info < WAL_RESET_FIXED,
            "journal_mode": str(connection.exec_driver_sql("PRAGMA journal_mode").scalar()),
            "synchronous": SYNCHRONOUS[connection.exec_driver_sql("PRAGMA synchronous").scalar_one()],
            "file_bytes": self.path.stat().st_size,
            "wal_bytes": wal.stat().st_size if wal.exists() else 0,
        }

    def close(self) -> None:
        """Give back every connection; the last one of the file checkpoints it."""
        was_closed = self.closed
        super().close()
        if self._private and not was_closed:
            for file in self.path.parent.iterdir():
                file.unlink(missing_ok=True)  # SQLite removes its log itself when another thread closes the last view
            self.path.parent.rmdir()


def _driver(pooled: Any) -> sqlite3.Connection:
    """The driver's connection behind one of the pool."""
    driver: sqlite3.Connection = pooled.driver_connection
    return driver


def _in_transaction(driver: sqlite3.Connection) -> bool:
    """Whether a connection is in a transaction; one that was closed is in none."""
    try:
        return driver.in_transaction
    except sqlite3.ProgrammingError:
        return False


def _begin_immediate(connection: sqlite3.Connection, deadline: float, interrupted: threading.Event) -> None:
    """BEGIN IMMEDIATE with our own waiting: SQLite's is unfair between processes (RELIABILITY 4.1-18)."""
    pause = 0.000_2
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as exc:
            fault = sqlite_fault(exc)
            if not isinstance(fault, StoreBusyError) or time.monotonic() > deadline:
                raise fault from exc
        if interrupted.wait(pause * random.uniform(0.5, 1.5)):  # noqa: S311  # jitter, not a secret
            raise TimedOutError("the unit was interrupted while it waited for the writer lock; nothing was written")
        pause = min(pause * 1.5, 0.01)


def _same_file(driver: sqlite3.Connection, path: Path) -> bool:
    """Whether a connection's main database is that file."""
    name = driver.execute("PRAGMA database_list").fetchone()[2]
    return bool(name) and path.samefile(name)
