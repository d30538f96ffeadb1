"""The migration environment: run by ``charter_persist.upgrade`` and by plain ``alembic``, which then do the same.

The lock, the transaction rules and the checks are in ``charter_persist.backends.sql.migrate``; this file only tells
Alembic what to run them on. Source: RELIABILITY 4.3.
"""

from __future__ import annotations

import os
from logging.config import fileConfig
from typing import Any

import sqlalchemy as sa
from alembic import context
from alembic.util import CommandError

from charter_persist.backends.sql.engine import Target, parse_target
from charter_persist.backends.sql.migrate import LOCK_TIMEOUT_S, migration_connection
from charter_persist.backends.sql.schema import VERSION_TABLE, schema_statement, tables_for
from charter_persist.backends.sql.tables.base import NAMING_CONVENTION
from charter_persist.errors import CharterError, NotSupportedError

DEFAULT_URL = "sqlite:///charter.db"
config = context.config


def wanted_url() -> Any:
    """The database: as `upgrade` says; else ``-x url=…``; else ``CHARTER_URL``; else a file in the working directory."""
    x_arguments = context.get_x_argument(as_dictionary=True)
    return config.attributes.get("url") or x_arguments.get("url") or os.environ.get("CHARTER_URL") or DEFAULT_URL


def models(dialect_name: str, schema: str | None) -> sa.MetaData:
    """The mapped tables as they stand in the schema of this database, for Alembic to compare."""
    placed = sa.MetaData(schema=schema, naming_convention=NAMING_CONVENTION)
    for table in tables_for(dialect_name):
        table.to_metadata(placed)
    return placed


def include_object(_item: Any, _name: str | None, kind: str, reflected: bool, counterpart: Any) -> bool:
    """Leave alone the tables of others in the same database."""
    return kind != "table" or not reflected or counterpart is not None


def run(target: Target) -> None:
    """Run the command on the database."""
    known = {script.revision for script in context.script.walk_revisions()}
    lock_timeout_s = config.attributes.get("lock_timeout_s", LOCK_TIMEOUT_S)
    with migration_connection(target, known=known, lock_timeout_s=lock_timeout_s) as connection:
        # Reflection calls the schema that the role's search path leads to None.
        schema = None if target.schema == connection.dialect.default_schema_name else target.schema
        context.configure(
            connection=connection,
            target_metadata=models(connection.dialect.name, schema),
            include_schemas=schema is not None,
            include_name=lambda name, kind, _parents: kind != "schema" or name == schema,
            include_object=include_object,
            **rules(target),
        )
        migrate(target)


def write_sql(target: Target) -> None:
    """Write what the command would do; each migration is a transaction."""
    if target.schema is None:
        raise NotSupportedError("--sql is for Postgres; upgrade a SQLite file with `charter upgrade`")
    named = {"paramstyle": "named"}
    context.configure(url="postgresql+psycopg://", literal_binds=True, dialect_opts=named, **rules(target))
    migrate(target)


def rules(target: Target) -> dict[str, Any]:
    """What holds in both modes. On SQLite the transaction is that of the whole upgrade, already begun."""
    return {
        "version_table": VERSION_TABLE,
        "version_table_schema": target.schema,
        "transactional_ddl": True,
        "transaction_per_migration": True,
    }


def migrate(target: Target) -> None:
    """Make the schema where there is none, inside the transaction of the first migration, and run the migrations."""
    if target.schema is not None:
        context.execute(schema_statement(target.schema))
    with context.begin_transaction():
        context.run_migrations()


if config.config_file_name is not None:
    fileConfig(config.config_file_name, disable_existing_loggers=False)
try:
    wanted = parse_target(wanted_url())
    write_sql(wanted) if context.is_offline_mode() else run(wanted)
except CharterError as exc:
    if "url" in config.attributes:
        raise
    raise CommandError(exc.message) from exc
