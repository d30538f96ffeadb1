"""Restoring to Postgres: a new schema beside the wanted one, and the swap of the two in one transaction.

The old schema is renamed and kept. A store that any program has open is never replaced: it remembers the tree of the
old one, and would go on from there. Rights are not carried over: ``roles.sql`` gives them, as after an upgrade.

Cost of the swap: some ten statements. Source: RELIABILITY P38.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
import sqlalchemy as sa

from charter_persist.backends.sql.engine import Target, session_name
from charter_persist.backends.sql.faults import commit_fault, connect_fault, postgres_fault
from charter_persist.backends.sql.guards import quoted
from charter_persist.backends.sql.migrate import LOCK_TIMEOUT_S, migration_connection
from charter_persist.backends.sql.postgres import PostgresBackend
from charter_persist.backends.sql.schema import create_all, current_revision
from charter_persist.errors import AlreadyExistsError, SchemaError, StoreBusyError

_NAME_MAX: Final = 40  # leaves room for what is put behind it
_LOCK_TIMEOUT: Final = "5s"
_SESSION_END_S: Final = 1.0
# How long the filling transaction may be quiet, for example while the rest of a large segment is only checked.
_QUIET_S: Final = 3_600.0
_RELATIONS: Final = sa.text(
    "SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace = to_regnamespace(quote_ident(:schema))"
)
_SESSIONS: Final = sa.text(
    "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = current_database() AND application_name = :name"
)
_EXISTS: Final = sa.text("SELECT to_regnamespace(quote_ident(:schema)) IS NOT NULL")


class PostgresTarget:
    """A schema that a store is restored to.

    Args:
        target: the database and the schema.
        replace: a store with entries in that schema may be replaced.

    Attributes:
        record: None: there is no file beside a schema.
    """

    record = None

    def __init__(self, target: Target, *, replace: bool) -> None:
        self._url = target.url
        self._schema = str(target.schema)
        self._replace = replace
        token = secrets.token_hex(4)
        self._new = Target(target.url, f"{self._schema[:_NAME_MAX]}_restore_{token}", target.pooler)
        self._old = f"{self._schema[:_NAME_MAX]}_before_{token}"

    def check(self) -> None:
        """Refuse a schema that cannot be restored to, before any work is done.

        Raises:
            AlreadyExistsError: it holds a store with entries, which is not to be replaced.
            StoreBusyError: a program has the store open.
            SchemaError: it holds tables of another application.
            UnavailableError: the server cannot be reached.
        """
        with self._transaction() as connection:
            self._refuse_what_is_there(connection)

    def create(self, store_id: str) -> PostgresBackend:
        """Make the new store, empty and in a schema beside the wanted one."""
        with migration_connection(self._new, known=(), lock_timeout_s=LOCK_TIMEOUT_S) as connection, connection.begin():
            create_all(connection, schema=self._new.schema, store_id=store_id)
        return PostgresBackend(self._new, timeout_s=_QUIET_S)

    def swap(self) -> str | None:
        """Put the new store in place in one transaction; returns the schema where the old one is kept, if any.

        Raises:
            AlreadyExistsError: entries were recorded there meanwhile.
            StoreBusyError: a program has the old store open.
            CommitUnknownError: the answer to the commit was lost; look which schema is there.
        """
        with self._transaction() as connection:
            self._refuse_what_is_there(connection)
            there = bool(connection.scalar(_EXISTS, {"schema": self._schema}))
            if there:
                connection.exec_driver_sql(_rename(self._schema, self._old))
            connection.exec_driver_sql(_rename(str(self._new.schema), self._schema))
        return self._old if there else None

    def discard(self) -> None:
        """Drop the new store, wherever the restore failed."""
        with self._transaction() as connection:
            connection.execute(sa.schema.DropSchema(str(self._new.schema), cascade=True, if_exists=True))

    def _refuse_what_is_there(self, connection: sa.Connection) -> None:
        """A store may stand there that nobody has open; who opens it now cannot write before the end."""
        if current_revision(connection, schema=self._schema) is None:
            if connection.scalar(_RELATIONS, {"schema": self._schema}):
                raise SchemaError(f"the schema {self._schema} holds tables of another application; choose another")
            return
        name = quoted(self._schema)
        connection.exec_driver_sql(f"LOCK TABLE {name}.journal_head IN EXCLUSIVE MODE")
        if not self._replace:
            entries = sa.select(
                sa.exists(sa.select(sa.literal(1)).select_from(sa.table("journal", schema=self._schema)))
            )
            if connection.scalar(entries):
                raise AlreadyExistsError(
                    f"the schema {self._schema} holds a store with entries; restore into another schema, or ask for it "
                    "to be replaced"
                )
        self._wait_until_nobody_has_it_open(connection)

    def _wait_until_nobody_has_it_open(self, connection: sa.Connection) -> None:
        """A session stays for a moment when its program has ended."""
        deadline = time.monotonic() + _SESSION_END_S
        while connection.scalar(_SESSIONS, {"name": session_name(self._schema)}):
            if time.monotonic() > deadline:
                raise StoreBusyError(f"a program has the store in {self._schema} open; stop it, then try again")
            time.sleep(0.05)
            connection.execute(sa.select(sa.func.pg_stat_clear_snapshot()))

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        arguments: dict[str, Any] = {"connect_timeout": 10, "application_name": "charter_persist (restore)"}
        engine = sa.create_engine(self._url, poolclass=sa.NullPool, connect_args=arguments, hide_parameters=True)
        try:
            opened = engine.connect()
        except sa.exc.DBAPIError as exc:
            raise connect_fault(exc) from exc
        with opened as connection:
            try:
                connection.execute(sa.select(sa.func.set_config("lock_timeout", _LOCK_TIMEOUT, True)))
                connection.execute(sa.select(sa.func.set_config("synchronous_commit", "on", True)))
                yield connection
            except (sa.exc.DBAPIError, psycopg.Error) as exc:
                raise postgres_fault(exc) from exc
            try:
                connection.commit()
            except (sa.exc.DBAPIError, psycopg.Error) as exc:
                raise commit_fault(exc) from exc


def _rename(schema: str, name: str) -> str:
    return f"ALTER SCHEMA {quoted(schema)} RENAME TO {quoted(name)}"
