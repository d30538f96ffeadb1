"""Driver errors turned into ours, with what to do and whether the write may have been applied.

Source: KV-7, RELIABILITY 1.2, 4.1-16, 4.2-3.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

import psycopg
import sqlalchemy as sa

from charter_persist.errors import (
    AppendOnlyError,
    BackendError,
    CharterError,
    CommitUnknownError,
    ConnectionLostError,
    CorruptStoreError,
    IntegrityError,
    InvalidInputError,
    ReadOnlyError,
    SchemaError,
    SerializationFailureError,
    StorageFullError,
    StoreBusyError,
    StoreClosedError,
    TimedOutError,
    UnavailableError,
)

_SQLITE: Final[dict[int, Callable[[], CharterError]]] = {
    sqlite3.SQLITE_BUSY: StoreBusyError,
    sqlite3.SQLITE_LOCKED: StoreBusyError,
    sqlite3.SQLITE_FULL: StorageFullError,
    sqlite3.SQLITE_CORRUPT: CorruptStoreError,
    sqlite3.SQLITE_NOTADB: lambda: SchemaError("the file is not a SQLite database; give the path of a charter store"),
    sqlite3.SQLITE_READONLY: lambda: ReadOnlyError("the database file cannot be written; check its permissions"),
    sqlite3.SQLITE_CANTOPEN: lambda: UnavailableError(
        "the database file cannot be opened; check that it exists and that its folder can be written"
    ),
    sqlite3.SQLITE_PERM: lambda: UnavailableError("the database file cannot be opened; check its permissions"),
    sqlite3.SQLITE_AUTH: lambda: AppendOnlyError("that statement is never allowed on a charter store"),
    sqlite3.SQLITE_INTERRUPT: TimedOutError,
    sqlite3.SQLITE_IOERR: lambda: BackendError("reading or writing the database file failed; check the disk"),
}

_POSTGRES: Final[dict[str, Callable[[], CharterError]]] = {
    "40001": SerializationFailureError,
    "40P01": SerializationFailureError,
    "55P03": StoreBusyError,
    "57014": TimedOutError,
    "25P03": TimedOutError,
    "25P04": TimedOutError,
    "25006": lambda: ReadOnlyError("the server takes no writes; is it a standby?"),
    "42501": lambda: ReadOnlyError("the role has no right to do this; see roles.sql"),
    "42P01": lambda: SchemaError("the database has no charter tables; run `charter upgrade`"),
    "3F000": lambda: SchemaError("the database has no charter schema; run `charter upgrade`"),
    "53100": StorageFullError,
    "53300": lambda: UnavailableError("the server has no free connection; raise max_connections or try again"),
    "P0001": AppendOnlyError,
}
_CONNECTION_CLASSES: Final = ("08", "57P")


def _driver_error(error: Exception) -> BaseException:
    """The driver's own error behind one of SQLAlchemy."""
    return error.orig or error if isinstance(error, sa.exc.DBAPIError) else error


def sqlite_fault(error: Exception) -> CharterError:
    """What an error of SQLite before COMMIT means: nothing was written."""
    driver = _driver_error(error)
    if isinstance(driver, CharterError):
        return driver
    if isinstance(driver, sqlite3.ProgrammingError) and "closed" in str(driver):
        return StoreClosedError()
    code = getattr(driver, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_CONSTRAINT:
        text = str(driver)
        return AppendOnlyError(text) if text.startswith("append-only") else IntegrityError(f"SQLite refused it: {text}")
    if isinstance(driver, UnicodeDecodeError) or str(driver).startswith("Could not decode to UTF-8"):
        return CorruptStoreError("a text in the database is not UTF-8; restore a backup and run `charter fsck`")
    if isinstance(driver, MemoryError):
        return CorruptStoreError("a value claims more bytes than memory holds; run `charter fsck`, or free memory")
    make = _SQLITE.get(code)
    return make() if make else BackendError(f"SQLite failed: {driver}")


def postgres_fault(error: Exception) -> CharterError:
    """What an error of Postgres before COMMIT means: nothing was written."""
    driver = _driver_error(error)
    if isinstance(driver, CharterError):
        return driver
    state = getattr(driver, "sqlstate", None)
    if state is None:
        return ConnectionLostError() if isinstance(driver, psycopg.OperationalError) else BackendError(str(driver))
    if state.startswith(_CONNECTION_CLASSES):
        return ConnectionLostError()
    if state == "P0001" and not str(driver).startswith("append-only"):
        return BackendError(f"a trigger refused it: {_primary(driver)}")
    if state.startswith("23"):
        return IntegrityError(f"Postgres refused it: {_primary(driver)}")
    make = _POSTGRES.get(state)
    return make() if make else BackendError(f"Postgres failed ({state}): {_primary(driver)}")


def _primary(error: BaseException) -> str:
    """What the server said in its first line; its details would quote the values of the row."""
    return str(error.diag.message_primary if isinstance(error, psycopg.Error) else error)


def connect_fault(error: Exception) -> CharterError:
    """What it means that Postgres could not be connected to; libpq says why, without the password."""
    fault = postgres_fault(error)
    driver = _driver_error(error)
    reason = str(driver).strip().splitlines()[0] if str(driver).strip() else "no reason given"
    if isinstance(driver, psycopg.ProgrammingError) and getattr(driver, "sqlstate", None) is None:
        return InvalidInputError(f"Postgres does not take that URL: {reason}")
    if isinstance(fault, ConnectionLostError):
        return UnavailableError(f"the Postgres server cannot be used: {reason}")
    return fault


def commit_fault(error: Exception) -> CharterError:
    """What an error of COMMIT means: unknown, unless the database itself said that it took nothing."""
    driver = _driver_error(error)
    if isinstance(driver, sqlite3.Error):
        # A full disk stops the log before its commit frame, so the transaction is not in it.
        full = getattr(driver, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
        return StorageFullError() if full else CommitUnknownError()
    state = getattr(driver, "sqlstate", None)
    lost = state is None or state.startswith(_CONNECTION_CLASSES)
    return CommitUnknownError() if lost else postgres_fault(error)
