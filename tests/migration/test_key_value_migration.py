"""The migration to keys and values: what stood before stands after it, and the tables are those of a fresh store."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from charter_persist import connect
from charter_persist.backends.contract import SCHEMA_VERSION
from charter_persist.backends.sql.guards import missing_guards
from charter_persist.backends.sql.migrate import upgrade
from charter_persist.backends.sql.schema import SCHEMA_HEAD, tables_for
from charter_persist.errors import MigrationRequiredError
from tests.integration.hostile import seed
from tests.migration.database import Database

NEW = ("kv_change", "kv_entry")


def old_rows(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Every row of the tables that stood before."""
    names = [table.name for table in tables_for("postgresql" if database.schema else "sqlite")]
    with database.connect() as connection:
        return {
            name: [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {database.table(name)}")]
            for name in names
            if name not in NEW
        }


@pytest.mark.spec("P42", "KV-1")
def test_every_row_stands_after_the_upgrade(database: Database) -> None:
    upgrade(database.url, revision="0001")
    with database.connect() as connection:
        for table in tables_for(connection.dialect.name):
            if table.name not in (*NEW, "journal_head"):
                seed(connection, table, database.schema)
    before = old_rows(database)
    assert all(before.values())
    with pytest.raises(MigrationRequiredError, match="charter upgrade"):
        connect(database.url)
    upgrade(database.url)
    assert old_rows(database) == before
    assert database.revision() == SCHEMA_HEAD
    with database.connect() as connection:
        assert missing_guards(connection, schema=database.schema) == []
        for name in NEW:
            assert connection.scalar(sa.text(f"SELECT count(*) FROM {database.table(name)}")) == 0


@pytest.mark.spec("KV-9")
def test_the_version_that_a_key_shows_is_that_of_the_schema(database: Database) -> None:
    assert int(SCHEMA_HEAD) == SCHEMA_VERSION
    upgrade(database.url)
    with connect(database.url) as store, store.read() as view:
        assert view.kv.require("/meta/schema_version").value == str(SCHEMA_VERSION).encode()
