"""The guards of erasable logs let payload and nonce go from a row, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from charter_persist.backends.sql.guards import ERASABLE
from charter_persist.backends.sql.migrate import upgrade
from tests.integration.hostile import mapped, rows, seed
from tests.migration.database import Database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        found = Database(f"sqlite:///{tmp_path / 'charter.db'}", None)
    else:
        found = Database(request.getfixturevalue("postgres_database"), "charter")
    upgrade(found.url)
    with found.connect() as connection:
        for table in ERASABLE:
            seed(connection, mapped(table), found.schema)
    return found


def empty(database: Database) -> str:
    return "x''" if database.schema is None else "''::bytea"


def held(database: Database, table: str) -> list[tuple[object, ...]]:
    with database.connect() as connection:
        return rows(connection, database.table(table))


@pytest.mark.spec("P20", "P28")
@pytest.mark.parametrize("table", ERASABLE)
def test_payload_and_nonce_may_go_together(database: Database, table: str) -> None:
    columns = [column.name for column in mapped(table).columns]
    before = held(database, table)
    erasure = f"UPDATE {database.table(table)} SET {ERASABLE[table]} = NULL, nonce = {empty(database)}"
    database.execute(f"{erasure} WHERE position = 1", f"{erasure} WHERE position = 1")
    expected = [
        tuple(
            None if position == 1 and name == ERASABLE[table] else b"" if position == 1 and name == "nonce" else value
            for name, value in zip(columns, row, strict=True)
        )
        for row in before
        for position in [row[columns.index("position")]]
    ]
    assert held(database, table) == sorted(expected, key=repr)


@pytest.mark.spec("P20", "P28")
@pytest.mark.parametrize("table", ERASABLE)
def test_nothing_else_may_change_with_them(database: Database, table: str) -> None:
    payload = ERASABLE[table]
    name, nothing = database.table(table), empty(database)
    gone = f"{payload} = NULL, nonce = {nothing}"
    others = [column.name for column in mapped(table).columns if column.name not in (payload, "nonce")]
    changes = [f"{gone}, {other} = {_other_value(table, other, nothing)}" for other in others]
    changes += [f"{payload} = NULL", f"nonce = {nothing}", f"{payload} = {nothing}, nonce = {nothing}"]
    changes += [
        f"{payload} = NULL, nonce = {nothing.replace(repr(''), repr('00'))}"
        if database.schema is None
        else gone + ", position = 9"
    ]
    before = held(database, table)
    for change in changes:
        with pytest.raises(sa.exc.DBAPIError, match=f"append-only: {table}"):
            database.execute(f"UPDATE {name} SET {change} WHERE position = 1")
    for statement in (f"DELETE FROM {name}", f"DELETE FROM {name} WHERE position = 1"):
        with pytest.raises(sa.exc.DBAPIError, match=f"append-only: {table}"):
            database.execute(statement)
    # Nor once it was erased.
    database.execute(f"UPDATE {name} SET {gone} WHERE position = 1")
    after = held(database, table)
    for change in (*changes[: len(others)], f"{payload} = {nothing}"):
        with pytest.raises(sa.exc.DBAPIError, match=f"append-only: {table}"):
            database.execute(f"UPDATE {name} SET {change} WHERE position = 1")
    assert held(database, table) == after != before


def _other_value(table: str, column: str, nothing: str) -> str:
    """A value that fits the column, as SQL."""
    kind = mapped(table).columns[column].type
    if isinstance(kind, sa.Text):
        return repr("x")
    return nothing.replace("''", "'77'") if isinstance(kind, sa.LargeBinary) or "Digest" in type(kind).__name__ else "7"
