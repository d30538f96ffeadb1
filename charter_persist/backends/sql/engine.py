"""SQLAlchemy engines: where connections come from and the settings that each must have.

SQLAlchemy stays the one source of schema, pool and dialect; hot statements run on the driver's connection that the
pool hands out. Settings that a promise depends on are set and read back. Source: DESIGN 5, RELIABILITY 4.1, 4.2.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import sqlalchemy as sa

from charter_persist.backends.sql.forks import Connection, reset_in_this_process
from charter_persist.backends.sql.guards import APPEND_ONLY, COMPACTED, ERASABLE
from charter_persist.backends.sql.schema import DEFAULT_SCHEMA, check_schema_name
from charter_persist.errors import InvalidInputError, UnavailableError

GRACE_MS: Final = 1_000
# What the package promises depends on these; each is set on every connection and read back.
SQLITE_SETTINGS: Final[Mapping[str, tuple[str, int | str]]] = {
    "synchronous": ("FULL", 2),
    "foreign_keys": ("ON", 1),
    "recursive_triggers": ("ON", 1),
    "trusted_schema": ("OFF", 0),
    "cell_size_check": ("ON", 1),
    "secure_delete": ("ON", 1),
    # Below 3.51.3 a checkpoint beside a commit can damage the file: only `SqliteBackend.checkpoint` makes one.
    "wal_autocheckpoint": ("0", 0),
    "journal_size_limit": ("67108864", 67_108_864),
}
# Digests arrive in no order: with the 2 MiB of SQLite's default a large unit reads its index again and again.
CACHE_KIB: Final = 32 * 1024
# Postgres cuts longer names off.
NAME_BYTES_MAX: Final = 63
_GUARDED_PRAGMAS: Final = frozenset({"writable_schema", "journal_mode", "ignore_check_constraints", *SQLITE_SETTINGS})
_DENIED_ACTIONS: Final = frozenset(
    {
        sqlite3.SQLITE_DROP_TABLE,
        sqlite3.SQLITE_DROP_TRIGGER,
        sqlite3.SQLITE_DROP_INDEX,
        sqlite3.SQLITE_ALTER_TABLE,
        sqlite3.SQLITE_ATTACH,
        sqlite3.SQLITE_DETACH,
    }
)
_APPEND_ONLY: Final = frozenset(APPEND_ONLY)
_EMPTIED: Final = {table: (payload, "nonce") for table, payload in ERASABLE.items()}
_NEVER_REMOVED: Final = _APPEND_ONLY - frozenset(COMPACTED)


@dataclass(frozen=True, slots=True)
class Target:
    """A database URL taken apart: what SQLAlchemy needs, and what only this package knows.

    Attributes:
        url: without the parameters of this package.
        schema: the Postgres schema; None on SQLite.
        pooler: True where a transaction pooler such as pgbouncer stands between, so nothing may outlive a transaction.
    """

    url: sa.URL
    schema: str | None
    pooler: bool = False


def parse_target(url: str | sa.URL) -> Target:
    """Take a database URL apart.

    Raises:
        InvalidInputError: it is not a URL of SQLite or of Postgres with psycopg.
    """
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as exc:
        raise InvalidInputError("that is not a database URL; an example is sqlite:///charter.db") from exc
    if parsed.drivername in {"postgresql", "postgresql+psycopg"}:
        schema = check_schema_name(str(parsed.query.get("schema", DEFAULT_SCHEMA)))
        pooler = str(parsed.query.get("pooler", "false")).lower() == "true"
        rest = parsed.set(drivername="postgresql+psycopg").difference_update_query(["schema", "pooler"])
        return Target(rest, schema, pooler)
    if parsed.drivername in {"sqlite", "sqlite+pysqlite"}:
        if parsed.query:
            raise InvalidInputError(f"a SQLite URL takes no parameters, got {', '.join(sorted(parsed.query))}")
        return Target(parsed.set(drivername="sqlite+pysqlite"), None)
    raise InvalidInputError(f"no SQL backend for {parsed.drivername}; use sqlite or postgresql+psycopg")


def sqlite_engine(path: Path, *, read_only: bool) -> sa.Engine:
    """An engine on an existing SQLite file; every connection is checked as it is made."""
    engine = sa.create_engine(
        "sqlite+pysqlite://",
        creator=partial(connect_sqlite, path, read_only=read_only),
        poolclass=sa.QueuePool,
        pool_size=4,
        max_overflow=64,
        pool_reset_on_return=None,
        hide_parameters=True,
    )
    return reset_in_this_process(engine)


def connect_sqlite(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """A checked connection to an existing SQLite file."""
    uri = f"file:{quote(str(path.absolute()))}?mode={'ro' if read_only else 'rw'}"
    connection = sqlite3.connect(
        uri,
        uri=True,
        timeout=5.0,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
        factory=Connection,
    )
    try:
        prepare_sqlite(connection, read_only=read_only)
    except BaseException:
        connection.close()
        raise
    return connection


def prepare_sqlite(connection: sqlite3.Connection, *, read_only: bool) -> None:
    """Give a connection the settings that the promises rest on, and read them back.

    Raises:
        UnavailableError: the library or the file refused one, for example WAL on a network file system.
    """
    execute = connection.execute
    execute("PRAGMA mmap_size = 0")
    execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    mode = execute("PRAGMA journal_mode" if read_only else "PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal" and not read_only:
        raise UnavailableError(f"SQLite refused the write-ahead log (it answered {mode}); use a local file system")
    apply_settings(connection)
    execute("PRAGMA query_only = ON")  # the writing connection turns it off
    connection.set_authorizer(_authorize)


def apply_settings(connection: sqlite3.Connection) -> None:
    """Set each of `SQLITE_SETTINGS` and read it back.

    Raises:
        UnavailableError: the library did not take one.
    """
    for name, (value, expected) in SQLITE_SETTINGS.items():
        connection.execute(f"PRAGMA {name} = {value}")
        answer = connection.execute(f"PRAGMA {name}").fetchone()
        if answer is not None and answer[0] != expected:
            raise UnavailableError(f"SQLite did not take {name} = {value}: it answers {answer[0]}")


def _authorize(action: int, first: str | None, second: str | None, _database: str | None, _trigger: str | None) -> int:
    """Refuse what none of our statements ever does: a second wall behind the guards (RELIABILITY 4.1-11)."""
    if action in _DENIED_ACTIONS:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA and second is not None and first in _GUARDED_PRAGMAS:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_UPDATE and first in _APPEND_ONLY and second not in _EMPTIED.get(first, ()):
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_DELETE and first in _NEVER_REMOVED:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def session_name(schema: str) -> str:
    """What the sessions of a store on Postgres are called, so that a restore sees whether it is open."""
    return f"charter_persist {schema}"[:NAME_BYTES_MAX]


def postgres_engine(target: Target, *, timeout_s: float) -> sa.Engine:
    """An engine whose connections are in autocommit mode (transactions are begun by our own statements)."""
    milliseconds = max(1, int(timeout_s * 1000))
    arguments: dict[str, Any] = {
        "autocommit": True,
        "connect_timeout": min(10, max(2, int(timeout_s))),
        "application_name": session_name(str(target.schema)),
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
    }
    if target.pooler:
        arguments["prepare_threshold"] = None
    else:
        # Waiting for the head row must end as "busy", so the other limits come a little later.
        limits = {
            "lock_timeout": milliseconds,
            "statement_timeout": milliseconds + GRACE_MS,
            "idle_in_transaction_session_timeout": milliseconds + GRACE_MS,
        }
        arguments["options"] = " ".join(f"-c {name}={limit}" for name, limit in limits.items())
        arguments["tcp_user_timeout"] = milliseconds
    engine = sa.create_engine(
        target.url,
        connect_args=arguments,
        pool_size=4,
        max_overflow=128,
        pool_recycle=1800,
        pool_reset_on_return=None,
        paramstyle="format",
        hide_parameters=True,
    )
    return reset_in_this_process(engine)
