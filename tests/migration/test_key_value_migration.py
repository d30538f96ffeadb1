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

KEY = "INSERT INTO {table} (key, value, version, revision, created_at, updated_at, position) VALUES ('/a', {empty}, 1, 1, 1, 1, 1)"
CHANGE = (
    "INSERT INTO {table} (position, key, version, revision, nonce, value, created_at, updated_at)"
    " VALUES (1, '/a', 1, 1, {empty}, {empty}, 1, 1)"
)


def standing(database: Database) -> list[sa.Table]:
    """The tables of the package that are there now."""
    with database.connect() as connection:
        there = set(sa.inspect(connection).get_table_names(schema=database.schema))
    return [table for table in tables_for("postgresql" if database.schema else "sqlite") if table.name in there]


def rows_of(database: Database, names: list[str]) -> dict[str, list[tuple[object, ...]]]:
    with database.connect() as connection:
        return {
            name: [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {database.table(name)}")]
            for name in names
        }


@pytest.mark.spec("P42", "KV-1")
def test_every_row_stands_after_the_upgrade(database: Database) -> None:
    upgrade(database.url, revision="0001")
    old = standing(database)
    with database.connect() as connection:
        for table in old:
            if table.name != "journal_head":
                seed(connection, table, database.schema)
    names = [table.name for table in old]
    before = rows_of(database, names)
    assert all(before.values())
    with pytest.raises(MigrationRequiredError, match="charter upgrade"):
        connect(database.url)
    upgrade(database.url)
    assert rows_of(database, names) == before
    assert database.revision() == SCHEMA_HEAD
    new = [table.name for table in standing(database) if table.name not in names]
    assert {"kv_change", "kv_entry", "kv_lease", "lease"} <= set(new)
    with database.connect() as connection:
        assert missing_guards(connection, schema=database.schema) == []
        for name in new:
            assert connection.scalar(sa.text(f"SELECT count(*) FROM {database.table(name)}")) == 0


@pytest.mark.spec("P42", "KV-1")
def test_keys_that_stood_before_leases_have_none(database: Database) -> None:
    upgrade(database.url, revision="0002")
    tables = {"kv_entry": KEY, "kv_change": CHANGE}
    empty = "''" if database.schema else "X''"
    database.execute(*(text.format(table=database.table(name), empty=empty) for name, text in tables.items()))
    before = rows_of(database, [*tables])
    upgrade(database.url)
    assert rows_of(database, [*tables]) == {name: [(*rows[0], None)] for name, rows in before.items()}
    with database.connect() as connection:
        assert missing_guards(connection, schema=database.schema) == []


@pytest.mark.spec("KV-9")
def test_the_version_that_a_key_shows_is_that_of_the_schema(database: Database) -> None:
    assert int(SCHEMA_HEAD) == SCHEMA_VERSION
    upgrade(database.url)
    with connect(database.url) as store, store.read() as view:
        assert view.kv.require("/meta/schema_version").value == str(SCHEMA_VERSION).encode()
