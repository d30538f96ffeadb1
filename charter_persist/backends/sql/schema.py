"""The schema as a whole: which revision it is, what belongs to it on which database, and making it fresh.

A fresh schema equals one made by the migrations, guards included; a test compares them. Alembic is not imported, for
opening a store must be quick. On Postgres the schema's name stands in each statement, so the search path never matters.
Source: DESIGN 4, RELIABILITY 4.1-13, 4.3-4, 4.3-9.
"""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from charter_persist.backends.sql.guards import guard_statements, quoted
from charter_persist.backends.sql.tables import Base, JournalHead, StoreIdentity
from charter_persist.errors import InvalidInputError, SchemaError

SCHEMA_HEAD: Final = "0008"
SCHEMA_GENERATION: Final = 1
APPLICATION_ID: Final = int.from_bytes(b"ChtP", "big")
VERSION_TABLE: Final = "charter_alembic_version"
DEFAULT_SCHEMA: Final = "charter"
EMPTY_ROOT: Final = hashlib.sha256(b"").hexdigest()

# As Alembic makes it.
_VERSION: Final = sa.Table(
    VERSION_TABLE,
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)


def tables_for(dialect_name: str) -> list[sa.Table]:
    """The tables of the schema in the order they are made.

    Args:
        dialect_name: ``"sqlite"`` or ``"postgresql"``.

    Returns:
        The mapped tables; the head row is on Postgres alone, because SQLite's writer lock is that of the file.
    """
    left_out = () if dialect_name == "postgresql" else (JournalHead.__tablename__,)
    return [table for table in Base.metadata.sorted_tables if table.name not in left_out]


def check_schema_name(schema: str) -> str:
    """The name of a Postgres schema, which must be a plain one, so that it stands in SQL without surprises.

    Raises:
        InvalidInputError: it is not of 1 to 63 ASCII letters, digits and ``_``, or begins with a digit or ``pg_``.
    """
    if not re.fullmatch(r"(?!pg_)[A-Za-z_][A-Za-z0-9_]{0,62}", schema):
        raise InvalidInputError(
            f"{schema!r} is not a schema name: 1 to 63 letters, digits and _, not beginning with pg_"
        )
    return schema


def schema_statement(schema: str) -> str:
    """SQL that makes a Postgres schema where there is none.

    ``CREATE SCHEMA IF NOT EXISTS`` would ask for the right to create one even where it exists, and a migrator has not.
    """
    name = quoted(check_schema_name(schema))
    return f"DO $$ BEGIN IF to_regnamespace('{name}') IS NULL THEN CREATE SCHEMA {name}; END IF; END $$"


def create_all(connection: sa.Connection, *, schema: str | None, store_id: str | None = None) -> None:
    """Make a fresh schema at head, with its guards, its version and the identity of the store.

    Atomic inside the caller's transaction, which the caller commits; on SQLite that needs a connection whose
    transactions are begun explicitly. Equal to what the migrations make.

    Args:
        connection: to an empty database, or to one whose schema ``schema`` is empty.
        schema: the Postgres schema, made where it is missing; None on SQLite.
        store_id: identity of the store, where it is that of a backup; a new one by default.

    Raises:
        InvalidInputError: ``schema`` is no plain name.
        sqlalchemy.exc.DBAPIError: the database refuses, for example because the tables exist.
    """
    dialect = connection.dialect.name
    if schema is not None:
        connection.exec_driver_sql(schema_statement(schema))
    options: dict[str, Any] = {"schema_translate_map": {None: schema}} if schema else {}
    for table in [_VERSION, *tables_for(dialect)]:
        connection.execute(CreateTable(table), execution_options=options)
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            connection.execute(CreateIndex(index), execution_options=options)
    for statement in guard_statements(dialect, schema):
        connection.exec_driver_sql(statement)
    _write_first_rows(connection, options, store_id or str(uuid.uuid4()))
    if dialect == "sqlite":
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_GENERATION}")


def _write_first_rows(connection: sa.Connection, options: dict[str, Any], store_id: str) -> None:
    """The revision, which store this is and, on Postgres, that its journal is empty."""
    connection.execute(sa.insert(_VERSION).values(version_num=SCHEMA_HEAD), execution_options=options)
    identity = {"id": 1, "store_id": store_id, "created_at": time.time_ns() // 1000}
    connection.execute(sa.insert(StoreIdentity).values(identity), execution_options=options)
    if connection.dialect.name == "postgresql":
        head = {"id": 1, "position": 0, "revision": 0, "root": EMPTY_ROOT}
        connection.execute(sa.insert(JournalHead).values(head), execution_options=options)


def current_revision(connection: sa.Connection, *, schema: str | None) -> str | None:
    """The revision that the schema is at, as the database says.

    Args:
        connection: to any database; nothing is written.
        schema: the Postgres schema; None on SQLite.

    Returns:
        The revision, or None where there is no charter schema.

    Raises:
        SchemaError: the version table holds several rows.
    """
    if not sa.inspect(connection).has_table(VERSION_TABLE, schema=schema):
        return None
    options = {"schema_translate_map": {None: schema}} if schema else {}
    rows = connection.scalars(sa.select(_VERSION.c.version_num), execution_options=options)
    revisions = sorted(map(str, rows))  # in a damaged file they may be of any type
    if len(revisions) > 1:
        raise SchemaError(f"{VERSION_TABLE} holds several revisions: {', '.join(revisions)}; restore a backup")
    return revisions[0] if revisions else None
