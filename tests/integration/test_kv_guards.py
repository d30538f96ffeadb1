"""The guard of the log of keys: compaction and erasure may remove what a newer row replaced, and nothing else goes."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from charter_persist.backends.sql.migrate import upgrade
from tests.migration.database import Database

ROWS = [(1, "/a", b"1"), (2, "/b", b"1"), (3, "/a", b"2"), (4, "/a", None)]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        found = Database(f"sqlite:///{tmp_path / 'charter.db'}", None)
    else:
        found = Database(request.getfixturevalue("postgres_database"), "charter")
    upgrade(found.url)
    columns = "position, key, version, revision, nonce, value, created_at, updated_at"
    insert = sa.text(
        f"INSERT INTO {found.table('kv_change')} ({columns}) VALUES (:position, :key, 1, 1, :nonce, :value, 0, 0)"
    )
    with found.connect() as connection:
        for position, key, value in ROWS:
            connection.execute(insert, {"position": position, "key": key, "value": value, "nonce": b""})
    return found


def positions(database: Database) -> list[int]:
    with database.connect() as connection:
        query = sa.text(f"SELECT position FROM {database.table('kv_change')} ORDER BY position")
        return list(connection.scalars(query))


@pytest.mark.spec("P20", "KV-1")
def test_what_a_newer_row_replaced_may_go(database: Database) -> None:
    database.execute(f"DELETE FROM {database.table('kv_change')} WHERE key = '/a' AND position < 4")
    assert positions(database) == [2, 4]


@pytest.mark.spec("P20")
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM {table}",
        "DELETE FROM {table} WHERE position = 4",
        "DELETE FROM {table} WHERE position = 2",
        "DELETE FROM {table} WHERE key = '/a'",
        "UPDATE {table} SET value = NULL",
        "UPDATE {table} SET position = 9 WHERE position = 1",
        "INSERT INTO {table} SELECT * FROM {table} WHERE position = 1",
    ],
)
def test_nothing_else_is_changed_or_removed(database: Database, statement: str) -> None:
    with pytest.raises(sa.exc.DBAPIError, match=r"append-only: kv_change|pk_kv_change"):
        database.execute(statement.format(table=database.table("kv_change")))
    assert positions(database) == [1, 2, 3, 4]
