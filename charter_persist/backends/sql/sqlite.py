"""The SQLite backend: WAL with synchronous=FULL, one writer at a time, snapshots that never wait.

Cost of one durable unit with one object: BEGIN IMMEDIATE, one read of the journal's end, one look-up, two inserts,
COMMIT (one fdatasync). A view costs BEGIN and one read. A unit that changed nothing writes nothing.

Source: DESIGN 5, RELIABILITY 1.1 to 1.3, 4.1.
"""

from __future__ import annotations

import logging
import random
import shutil
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from charter_persist.backends.contract import (
    BackendCapabilities,
    Changes,
    Diagnosis,
    Head,
    Relation,
)
from charter_persist.backends.sql.engine import sqlite_engine
from charter_persist.backends.sql.faults import commit_fault, sqlite_fault
from charter_persist.backends.sql.guards import missing_guards
from charter_persist.backends.sql.opening import check_schema, read_store_id
from charter_persist.backends.sql.reader import ClosedLink, SqlReader
from charter_persist.backends.sql.schema import SCHEMA_HEAD
from charter_persist.backends.sql.statements import Statements
from charter_persist.errors import InvalidInputError, ReadOnlyError, StoreBusyError, StoreClosedError

# About a thousand pages of log, the distance that SQLite itself keeps between checkpoints.
COMMITS_PER_CHECKPOINT: Final = 256
LOGGER: Final = logging.getLogger(__name__)
# From this version on a checkpoint beside a commit is safe.
WAL_RESET_FIXED: Final = (3, 51, 3)


class SqliteLink:
    """`reader.Link` over a `sqlite3.Connection`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """The first row, or None."""
        try:
            return self.connection.execute(sql, parameters).fetchone()
        except sqlite3.Error as exc:
            raise sqlite_fault(exc) from exc

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows."""
        try:
            return self.connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as exc:
            raise sqlite_fault(exc) from exc

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement for each row."""
        try:
            if len(rows) == 1:
                self.connection.execute(sql, rows[0])
            else:
                self.connection.executemany(sql, rows)
        except sqlite3.Error as exc:
            raise sqlite_fault(exc) from exc


class SqliteSnapshot(SqlReader):
    """A read transaction; its snapshot is taken at once, because BEGIN alone takes none."""

    def __init__(self, backend: SqliteBackend, pooled: sa.PoolProxiedConnection) -> None:
        connection: Any = pooled.driver_connection
        self._backend = backend
        self._pooled: sa.PoolProxiedConnection | None = pooled
        super().__init__(SqliteLink(connection), backend.statements)
        try:
            self._link.one("BEGIN")
            self._link.one(backend.last_entry)
        except BaseException:
            pooled.invalidate()
            raise

    def close(self) -> None:
        """End the snapshot and give the connection back."""
        pooled, self._pooled = self._pooled, None
        if pooled is not None:
            link, self._link = self._link, ClosedLink()
            try:
                link.one("ROLLBACK")
            finally:
                self._backend.give_back(pooled)


class SqliteTransaction(SqlReader):
    """A write transaction that holds the file's write lock."""

    def __init__(self, backend: SqliteBackend, link: SqliteLink, *, joined: bool = False) -> None:
        super().__init__(link, backend.statements)
        self._writer = link
        self._backend = backend
        self._joined = joined
        self._ended = False
        last = link.one(backend.last_entry)
        self.position: int = last[0] if last else 0
        self.revision: int = last[1] if last else 0

    def apply(self, changes: Changes) -> None:
        """One `executemany` for each kind of change of each relation."""
        self._check_open()
        for relation, rows in changes.items():
            written = [row for row in rows.values() if row is not None]
            if written:
                self._writer.many(self._writing(relation), written)
            if len(written) < len(rows):
                gone = [key for key, row in rows.items() if row is None]
                self._writer.many(self._statements.delete(relation), gone)

    def _writing(self, relation: Relation[Any]) -> str:
        return self._statements.upsert(relation) if relation.mutable else self._statements.insert(relation)

    def commit(self, changes: Changes, head: Head | None) -> None:
        """Apply and commit; a failed COMMIT leaves the backend to open a new connection."""
        self.apply(changes)
        if self._joined:
            self._end()
            return
        try:
            self._writer.connection.execute("COMMIT")
        except sqlite3.Error as exc:
            fault = commit_fault(exc)
            self._backend.discard_writer()
            self._end()
            raise fault from exc
        try:
            self._backend.committed()
        finally:
            self._end()

    def rollback(self) -> None:
        """End without a trace."""
        if self._ended:
            return
        try:
            if self._joined:
                self._writer.one("ROLLBACK TO joined")
            elif self._writer.connection.in_transaction:
                self._writer.connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._backend.discard_writer()  # closing the connection rolls back as well
        finally:
            self._end()

    def _check_open(self) -> None:
        if self._ended or self._backend.closed:
            raise StoreClosedError("this unit of work has ended, or its store was closed; begin a new one")

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._link = ClosedLink()
            self._backend.release()


class SqliteBackend:
    """A ledger backend on one SQLite file.

    Args:
        path: the file; it must exist and hold the schema at head.
        read_only: open it for reading; nothing is ever written.
        private: remove the file and its folder at close; they were made for this backend alone.
    """

    name = "sqlite"
    requires_network = False
    capabilities = BackendCapabilities(
        supports_transactions=True, supports_ordering=True, supports_append_only=True, supports_snapshots=True
    )

    def __init__(self, path: Path, *, read_only: bool = False, private: bool = False) -> None:
        self.path = path
        self._read_only = read_only
        self._private = private
        self._engine = sqlite_engine(path, read_only=read_only)
        self.statements = Statements(self._engine.dialect, None)
        self.last_entry = self.statements.text(
            sa.text("SELECT position, revision FROM journal ORDER BY position DESC LIMIT 1")
        )
        self._lock = threading.Lock()
        self._writer: sa.PoolProxiedConnection | None = None
        self._commits = 0
        self.closed = False
        try:
            with self._engine.connect() as connection:
                check_schema(connection, schema=None)
                self._store_id = read_store_id(connection, schema=None)
        except (sa.exc.DBAPIError, sqlite3.Error) as exc:
            self._engine.dispose()
            raise sqlite_fault(exc) from exc
        except BaseException:
            self._engine.dispose()
            raise

    def store_id(self) -> str:
        """The identity the store was given when it was made."""
        return self._store_id

    def snapshot(self) -> SqliteSnapshot:
        """A view of the last committed state."""
        return SqliteSnapshot(self, self._pooled())

    def _pooled(self) -> sa.PoolProxiedConnection:
        if self.closed:
            raise StoreClosedError
        try:
            return self._engine.raw_connection()
        except (sa.exc.SQLAlchemyError, sqlite3.Error) as exc:
            raise sqlite_fault(exc) from exc

    def give_back(self, pooled: sa.PoolProxiedConnection) -> None:
        """Return a connection to the pool, or close it where the pool is gone."""
        if self.closed:
            pooled.invalidate()
        else:
            pooled.close()

    def transaction(self, timeout_s: float) -> SqliteTransaction:
        """Wait for the writer lock of this process, then for that of the file."""
        if self._read_only:
            raise ReadOnlyError("the store is open for reading only; connect without read_only")
        deadline = time.monotonic() + timeout_s
        if not self._lock.acquire(timeout=timeout_s):
            raise StoreBusyError
        try:
            link = self._writing_link()
            self._begin(link.connection, deadline)
            return SqliteTransaction(self, link)
        except BaseException:
            self.discard_writer()
            self._lock.release()
            raise

    def _writing_link(self) -> SqliteLink:
        if self._writer is None:
            self._writer = self._pooled()
            connection: Any = self._writer.driver_connection
            connection.execute("PRAGMA query_only = OFF")
            connection.execute("PRAGMA busy_timeout = 0")
        return SqliteLink(self._writer.driver_connection)  # type: ignore[arg-type]  # the pool types it as Any or None

    @staticmethod
    def _begin(connection: sqlite3.Connection, deadline: float) -> None:
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
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  # jitter, not a secret
            pause = min(pause * 1.5, 0.01)

    def join(self, connection: Any, timeout_s: float) -> SqliteTransaction:
        """Begin inside a transaction of a SQLAlchemy connection to the same file."""
        if not isinstance(connection, sa.Connection) or connection.dialect.name != "sqlite":
            raise InvalidInputError("connection must be a sqlalchemy Connection to this store's SQLite file")
        driver: Any = connection.connection.driver_connection
        if not _same_file(driver, self.path):
            raise InvalidInputError("the connection leads to another SQLite file than the store")
        if driver.execute("PRAGMA synchronous").fetchone()[0] < 2:
            raise InvalidInputError("the connection is not durable; set PRAGMA synchronous = FULL on it")
        if not self._lock.acquire(timeout=timeout_s):
            raise StoreBusyError
        try:
            if not connection.in_transaction():
                connection.begin()
            if not driver.in_transaction:
                self._begin(driver, time.monotonic() + timeout_s)
            link = SqliteLink(driver)
            link.one("SAVEPOINT joined")
            return SqliteTransaction(self, link, joined=True)
        except BaseException:
            self._lock.release()
            raise

    def release(self) -> None:
        """Let the next writer of this process in."""
        self._lock.release()

    def discard_writer(self) -> None:
        """Close the writing connection; never reuse one whose COMMIT or fsync failed."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.invalidate()

    def committed(self) -> None:
        """Count a commit, and from time to time move the log into the file; the writer lock is still held."""
        self._commits += 1
        if self._commits >= COMMITS_PER_CHECKPOINT:
            self._commits = 0
            try:
                self._checkpoint()
            except sqlite3.Error as exc:
                # The commit is done all the same; the log only grows until the next attempt.
                LOGGER.warning("checkpoint failed: %s", exc)

    def _checkpoint(self) -> None:
        """Move the log into the file while no commit can run beside it; leave it where a writer is in the way.

        The writing connection holds the file's write lock and another one checkpoints: so the defect that SQLite had
        before 3.51.3 cannot occur, whoever else writes (RELIABILITY 4.1-4).
        """
        lock = self._writing_link().connection
        try:
            lock.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as exc:
            if isinstance(sqlite_fault(exc), StoreBusyError):
                return
            raise
        worker = self._pooled()
        try:
            checkpointer: Any = worker.driver_connection
            checkpointer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        finally:
            worker.close()
            lock.execute("ROLLBACK")

    def diagnose(self) -> Diagnosis:
        """Versions, log size, missing guards."""
        with self._engine.connect() as connection:
            missing = missing_guards(connection, schema=None)
        wal = Path(f"{self.path}-wal")
        problems = [f"the guard {name} is missing; run `charter upgrade` and then `charter verify`" for name in missing]
        facts: dict[str, str | int | bool] = {
            "schema_revision": SCHEMA_HEAD,  # opening refuses any other
            "sqlite_version": sqlite3.sqlite_version,
            "checkpoints_only_under_writer_lock": sqlite3.sqlite_version_info < WAL_RESET_FIXED,
            "journal_mode": "wal",
            "synchronous": "full",
            "file_bytes": self.path.stat().st_size,
            "wal_bytes": wal.stat().st_size if wal.exists() else 0,
        }
        return Diagnosis(tuple(problems), facts)

    def close(self) -> None:
        """Give back every connection; the last one of the file checkpoints it."""
        if self.closed:
            return
        self.closed = True
        self.discard_writer()
        self._engine.dispose()
        if self._private:
            shutil.rmtree(self.path.parent)


def _same_file(driver: sqlite3.Connection, path: Path) -> bool:
    """Whether a connection's main database is that file."""
    name = driver.execute("PRAGMA database_list").fetchone()[2]
    return bool(name) and path.samefile(name)
