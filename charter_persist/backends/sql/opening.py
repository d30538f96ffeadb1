"""What is looked at before a database is used: whose it is, and whether its schema is at head.

Opening never migrates and never writes. Source: GOV-10, REQUIREMENTS 8, RELIABILITY 4.1-13 and P45.
"""

from __future__ import annotations

import sqlalchemy as sa

from charter_persist.backends.sql.schema import APPLICATION_ID, SCHEMA_HEAD, current_revision
from charter_persist.backends.sql.tables import StoreIdentity
from charter_persist.errors import MigrationRequiredError, SchemaError, SchemaTooNewError


def check_schema(connection: sa.Connection, *, schema: str | None) -> None:
    """Refuse a database that is not a charter store at head.

    Raises:
        SchemaError: the SQLite file belongs to another application.
        MigrationRequiredError: the schema is missing or older.
        SchemaTooNewError: the schema is of a newer release.
    """
    if connection.dialect.name == "sqlite":
        application = connection.exec_driver_sql("PRAGMA application_id").scalar()
        tables = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
        if tables and application != APPLICATION_ID:
            raise SchemaError("the file is a database of another application; give the path of a charter store")
    revision = current_revision(connection, schema=schema)
    if revision is None:
        raise MigrationRequiredError("the database holds no charter store yet; run `charter upgrade`")
    if revision > SCHEMA_HEAD:
        raise SchemaTooNewError(f"the schema is {revision}, this release knows {SCHEMA_HEAD}; upgrade charter_persist")
    if revision != SCHEMA_HEAD:
        raise MigrationRequiredError(
            f"the schema is {revision}, this release needs {SCHEMA_HEAD}; run `charter upgrade`"
        )


def read_store_id(connection: sa.Connection, *, schema: str | None) -> str:
    """The identity that the first migration gave the store."""
    options = {"schema_translate_map": {None: schema}} if schema else {}
    identity = connection.execute(sa.select(StoreIdentity.store_id), execution_options=options).scalar()
    if identity is None:
        raise SchemaError("the store has no identity row; restore a backup")
    return str(identity)
