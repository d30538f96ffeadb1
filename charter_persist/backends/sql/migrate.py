"""Upgrading a database: one process at a time, a migration whole or not at all, never a database that is not ours.

Alembic has no lock, and on SQLite no transaction either; both are given here, to `upgrade` and to plain ``alembic``
alike, for both go through ``migrations/env.py``. On SQLite the lock is the write transaction of the whole upgrade. On
Postgres it is an advisory lock of a second session, so that a migration may commit and go on. Alembic is imported when
it is needed, because that is slow. Source: RELIABILITY 1.7, 4.3, P43 to P45.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import sqlalchemy as sa

from charter_persist.backends.sql.engine import Target, apply_settings, parse_target
from charter_persist.backends.sql.faults import connect_fault, postgres_fault, sqlite_fault
from charter_persist.backends.sql.schema import (
    APPLICATION_ID,
    SCHEMA_GENERATION,
    VERSION_TABLE,
    check_schema_name,
    create_all,
    current_revision,
)
from charter_persist.errors import (
    InvalidInputError,
    NotSupportedError,
    SchemaError,
    SchemaTooNewError,
    StoreBusyError,
    UnavailableError,
)

LOCK_TIMEOUT_S: Final = 30.0
_TABLE_LOCK_TIMEOUT: Final = "5s"
_RETRY_S: Final = 0.05
# Alembic keeps its context in module globals: two threads must not upgrade at once, whatever they upgrade.
_one_upgrade: Final = threading.Lock()


def migrations_path() -> Path:
    """Where the migrations are: inside the installed package, else at the top of the repository.

    Raises:
        SchemaError: neither place has them.
    """
    package = Path(__file__).parents[2]
    for path in (package / "migrations", package.parent / "migrations"):
        if (path / "env.py").is_file():
            return path
    raise SchemaError("this installation has no migrations; install charter_persist from a wheel or a checkout")


def upgrade(url: str | sa.URL, *, revision: str = "head", lock_timeout_s: float = LOCK_TIMEOUT_S) -> None:
    """Bring a database to a revision of the schema; an empty one becomes a store.

    Safe to repeat, and to call from any number of processes at once: one does the work, the others find it done.
    A migration that fails or is killed leaves the database at the revision before it. Never goes back.

    Args:
        url: ``sqlite:///path`` (the file is made where it is absent) or ``postgresql+psycopg://…``, where ``?schema=``
            names another schema than ``charter``. ``sqlite://`` needs no upgrade, so nothing is done.
        revision: where to stop; the newest by default.
        lock_timeout_s: how long to wait for another upgrade or writer, in seconds.

    Raises:
        InvalidInputError: ``url`` is not the URL of SQLite or Postgres, its schema is no plain name, or ``revision`` is
            empty.
        NotSupportedError: the URL leads through a transaction pooler.
        UnavailableError: the file cannot be opened or the server not be reached.
        SchemaError: the database is not a charter store, or ``revision`` is not known.
        SchemaTooNewError: the store was written by a newer release; nothing was changed.
        StoreBusyError: the lock was not free in time.
        ReadOnlyError: the file or the role may not be used to write.
        StorageFullError: there is no space left.

    Source: P43, P44, P45.
    """
    target = parse_target(url)
    if target.schema is None and target.url.database in {None, "", ":memory:"}:
        return
    if not revision:
        raise InvalidInputError("revision is empty; name one, or head")
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    deadline = time.monotonic() + lock_timeout_s
    config = Config()
    config.set_main_option("script_location", str(migrations_path()).replace("%", "%%"))
    if not _one_upgrade.acquire(timeout=lock_timeout_s):
        raise StoreBusyError
    try:
        config.attributes.update(url=url, lock_timeout_s=max(0.0, deadline - time.monotonic()))
        command.upgrade(config, revision)
    except CommandError as exc:
        raise SchemaError(f"the upgrade to {revision} is not possible: {exc}") from exc
    finally:
        _one_upgrade.release()


def create_sqlite(path: Path, *, store_id: str | None = None) -> None:
    """Make a new SQLite store at head without Alembic: one that is private to a process, or filled from a backup.

    Args:
        path: of a file that does not exist yet.
        store_id: identity of the store; a new one by default.

    Raises:
        CharterError: as `upgrade` says.
    """
    target = Target(sa.URL.create("sqlite+pysqlite", database=str(path)), None)
    with migration_connection(target, known=(), lock_timeout_s=LOCK_TIMEOUT_S) as connection:
        create_all(connection, schema=None, store_id=store_id)


@contextmanager
def migration_connection(target: Target, *, known: Collection[str], lock_timeout_s: float) -> Iterator[sa.Connection]:
    """A connection to run migrations on, while no other process can.

    On SQLite it is inside the one transaction of the upgrade, committed when the block ends well. On Postgres each
    migration begins and commits its own.

    Args:
        target: the database.
        known: the revisions that this release has.
        lock_timeout_s: how long to wait for the lock, in seconds.

    Raises:
        CharterError: as `upgrade` says; errors of the driver inside the block are turned into the same.
    """
    deadline = time.monotonic() + lock_timeout_s
    is_sqlite = target.schema is None
    opened = _sqlite_connection(target, known, deadline) if is_sqlite else _postgres_connection(target, known, deadline)
    try:
        with opened as connection:
            yield connection
    except (sa.exc.DBAPIError, sqlite3.Error, psycopg.Error) as exc:
        raise (sqlite_fault(exc) if is_sqlite else postgres_fault(exc)) from exc


def _refuse_newer(connection: sa.Connection, schema: str | None, known: Collection[str]) -> str | None:
    """The revision of the database, which must be one that this release has."""
    revision = current_revision(connection, schema=schema)
    if revision is not None and revision not in known:
        raise SchemaTooNewError(f"the schema is {revision}, this release has it not; upgrade charter_persist")
    return revision


def _wait(deadline: float) -> None:
    """Sleep a little before another try, until it is too late for one."""
    if time.monotonic() >= deadline:
        raise StoreBusyError
    time.sleep(_RETRY_S)


# SQLite


@contextmanager
def _sqlite_connection(target: Target, known: Collection[str], deadline: float) -> Iterator[sa.Connection]:
    engine = _sqlite_engine(target, deadline)
    with engine.connect() as connection, connection.begin():
        _refuse_foreign_file(connection.connection.driver_connection)
        _refuse_newer(connection, None, known)
        yield connection


def _sqlite_engine(target: Target, deadline: float) -> sa.Engine:
    """An engine that begins by itself: the driver would neither begin before DDL nor undo it."""
    arguments = {"isolation_level": None, "timeout": _left_s(deadline)}
    engine = sa.create_engine(target.url, poolclass=sa.NullPool, connect_args=arguments, hide_parameters=True)

    def prepare(driver: sqlite3.Connection, _record: object) -> None:
        _refuse_foreign_file(driver)  # before the first setting, so that the file of another is not touched
        _use_write_ahead_log(driver, deadline)
        apply_settings(driver)

    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(_left_s(deadline) * 1000)}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    sa.event.listen(engine, "connect", prepare)
    sa.event.listen(engine, "begin", begin)
    return engine


def _left_s(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


def _use_write_ahead_log(driver: sqlite3.Connection, deadline: float) -> None:
    """Switch the file to WAL. SQLite's own waiting does not cover this, so several new processes need another try."""
    while True:
        try:
            mode = driver.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            _wait(deadline)
        else:
            break
    if mode != "wal":
        raise UnavailableError(f"SQLite refused the write-ahead log (it answered {mode}); use a local file system")


def _refuse_foreign_file(driver: Any) -> None:
    """Refuse a file that is neither empty nor a store of a generation that this release knows."""
    application_id = driver.execute("PRAGMA application_id").fetchone()[0]
    tables = {row[0] for row in driver.execute("SELECT name FROM sqlite_master")}
    if application_id == 0 and not tables:
        return
    if application_id != APPLICATION_ID:
        raise SchemaError(
            "the file is a database of another application; give the path of a charter store or a new one"
        )
    generation = driver.execute("PRAGMA user_version").fetchone()[0]
    if generation > SCHEMA_GENERATION:
        raise SchemaTooNewError(
            f"the file is of generation {generation}, this release knows {SCHEMA_GENERATION}; upgrade charter_persist"
        )
    if VERSION_TABLE not in tables:
        raise SchemaError(f"the store has lost its table {VERSION_TABLE}; restore a backup")


# Postgres


@contextmanager
def _postgres_connection(target: Target, known: Collection[str], deadline: float) -> Iterator[sa.Connection]:
    if target.pooler:
        raise NotSupportedError("an upgrade holds a lock of its session; give a URL that leads past the pooler")
    schema = check_schema_name(str(target.schema))
    arguments = {"connect_timeout": 10, "application_name": "charter_persist upgrade"}
    options: dict[str, Any] = {"poolclass": sa.NullPool, "connect_args": arguments, "hide_parameters": True}
    locking = sa.create_engine(target.url, isolation_level="AUTOCOMMIT", **options)
    with _reached(locking) as guard:
        _take_advisory_lock(guard, schema, deadline)  # let go when this session ends
        if _refuse_newer(guard, schema, known) is None:
            _refuse_foreign_schema(guard, schema)
        settings = sa.select(
            sa.func.set_config("lock_timeout", _TABLE_LOCK_TIMEOUT, True),
            sa.func.set_config("statement_timeout", "0", True),
            sa.func.set_config("synchronous_commit", "on", True),
            sa.func.set_config("role", _owner(guard, schema), True),
        )
        engine = sa.create_engine(target.url, **options)
        sa.event.listen(engine, "begin", lambda connection: connection.execute(settings))
        with _reached(engine) as connection:
            yield connection


def _reached(engine: sa.Engine) -> sa.Connection:
    try:
        return engine.connect()
    except sa.exc.DBAPIError as exc:
        raise connect_fault(exc) from exc


def _take_advisory_lock(connection: sa.Connection, schema: str, deadline: float) -> None:
    """Take the lock of the schema's upgrades for as long as the session lives."""
    key = int.from_bytes(hashlib.sha256(f"charter upgrade {schema}".encode()).digest()[:8], "big", signed=True)
    while not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(key))):
        _wait(deadline)


def _refuse_foreign_schema(connection: sa.Connection, schema: str) -> None:
    """A schema without our version must be empty or not there."""
    relations = sa.text(
        "SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace = to_regnamespace(quote_ident(:schema))"
    )
    if connection.scalar(relations, {"schema": schema}):
        raise SchemaError(f"the schema {schema} holds tables of another application; choose another with ?schema=")


def _owner(connection: sa.Connection, schema: str) -> str:
    """Who shall own what is made: the owner of the schema, whoever of its members upgrades."""
    owner = sa.text("SELECT pg_get_userbyid(nspowner) FROM pg_catalog.pg_namespace WHERE nspname = :schema")
    return str(connection.scalar(owner, {"schema": schema}) or connection.scalar(sa.text("SELECT current_user")))
