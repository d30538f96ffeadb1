"""Upgrades that meet, fail half-way or are killed: a migration is done once and whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from charter_persist.backends.sql import migrate
from charter_persist.backends.sql.migrate import migrations_path, upgrade
from charter_persist.backends.sql.schema import SCHEMA_HEAD
from tests.migration.database import Database
from tests.migration.processes import (
    kill_at_statements,
    kill_while_it_upgrades,
    migrations_with,
    upgrade_together,
)
from tests.postgres.fixtures import MakePostgresDatabase

PROCESSES = 6
ROUNDS = 3
CHANGE = """\
schema = op.get_context().version_table_schema
op.execute(f"CREATE TABLE {schema + '.' if schema else ''}side (id integer)")
op.execute(f"ALTER TABLE {schema + '.' if schema else ''}object ADD COLUMN note text")
"""
FAIL = CHANGE + "raise RuntimeError('half-way')\n"


@pytest.fixture
def many(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> list[Database]:
    """Several empty databases of one kind."""
    if database.schema is None:
        return [Database(f"sqlite:///{tmp_path / f'{n}.db'}", None) for n in range(ROUNDS)]
    make: MakePostgresDatabase = request.getfixturevalue("make_postgres_database")
    return [Database(make(), "charter") for _ in range(ROUNDS)]


@pytest.mark.spec("P43")
def test_six_processes_upgrading_at_once_all_succeed(many: list[Database]) -> None:
    assert upgrade_together([database.url for database in many], PROCESSES) == []
    first, *rest = [database.inventory() for database in many]
    assert all(other == first for other in rest)
    for database in many:
        assert database.revision() == SCHEMA_HEAD
        with database.connect() as connection:
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {database.table('store_identity')}").scalar() == 1


@pytest.mark.spec("P43")
def test_six_processes_share_a_chain_of_migrations_without_doing_one_twice(
    many: list[Database], tmp_path: Path
) -> None:
    slow = 'op.execute("INSERT INTO {place}step VALUES ({n})")\ntime.sleep(0.02)\n'
    place = "charter." if many[0].schema else ""
    first = f'op.execute("CREATE TABLE {place}step (n integer PRIMARY KEY)")\n'
    bodies = {f"900{n}": (first if n == 3 else "") + slow.format(place=place, n=n) for n in (3, 4, 5)}
    migrations = migrations_with(tmp_path / "migrations", **bodies)
    assert upgrade_together([database.url for database in many], PROCESSES, migrations) == []
    for database in many:
        assert database.revision() == "9005"
        with database.connect() as connection:
            steps = connection.exec_driver_sql(f"SELECT n FROM {place}step ORDER BY n").scalars().all()
            assert steps == [3, 4, 5]


@pytest.mark.spec("P44")
def test_a_migration_that_fails_half_way_leaves_nothing(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(database.url)
    before = database.inventory()
    failing = migrations_with(tmp_path / "failing", **{"9001": FAIL})
    monkeypatch.setattr(migrate, "migrations_path", lambda: failing)
    with pytest.raises(RuntimeError, match="half-way"):
        upgrade(database.url)
    assert database.inventory() == before
    assert database.revision() == SCHEMA_HEAD
    mended = migrations_with(tmp_path / "mended", **{"9001": CHANGE})
    monkeypatch.setattr(migrate, "migrations_path", lambda: mended)
    upgrade(database.url)
    assert database.revision() == "9001"
    assert database.inventory() != before


@pytest.mark.spec("P44")
def test_an_empty_database_stays_usable_when_a_later_migration_fails(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = migrations_with(tmp_path / "failing", **{"9001": FAIL})
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "migrations_path", lambda: failing)
        with pytest.raises(RuntimeError, match="half-way"):
            upgrade(database.url)
    # One transaction for all on SQLite, one for each migration on Postgres.
    assert database.revision() == (SCHEMA_HEAD if database.schema else None)
    upgrade(database.url)
    assert database.revision() == SCHEMA_HEAD


@pytest.mark.spec("P44")
def test_an_upgrade_killed_at_one_of_its_statements_leaves_nothing_and_can_be_repeated(database: Database) -> None:
    empty = database.inventory()
    *killed, finished = kill_at_statements(database.url, database.schema, step=5 if database.schema else 1)
    assert len(killed) > 10
    # One transaction for all on SQLite, one for each migration on Postgres: only what lies between them is ever seen.
    between = {repr((state["columns"], state.get("triggers", []))) for state in killed}
    assert repr(([], [])) in between
    assert len(between) <= (len(list((migrations_path() / "versions").glob("0*.py"))) if database.schema else 1)
    assert finished != empty
    upgrade(database.url)
    assert database.inventory() == finished
    assert database.revision() == SCHEMA_HEAD


@pytest.mark.spec("P44")
def test_a_killed_upgrade_of_a_store_leaves_its_schema_and_its_lock_free(database: Database, tmp_path: Path) -> None:
    upgrade(database.url)
    before = database.inventory()
    marker = tmp_path / "half-way"
    hanging = migrations_with(
        tmp_path / "hanging", **{"9001": f"{CHANGE}Path({str(marker)!r}).touch()\ntime.sleep(60)\n"}
    )
    kill_while_it_upgrades(database.url, hanging, marker)
    assert database.inventory() == before
    mended = migrations_with(tmp_path / "mended", **{"9001": CHANGE})
    assert upgrade_together([database.url], 1, mended) == []
    assert database.revision() == "9001"


def test_without_our_transaction_rules_a_failing_migration_does_leave_something(sqlite_database: Database) -> None:
    # The control: what Alembic and the driver do by themselves, which the tests above would notice.
    def migrate_without_rules() -> None:
        with sa.create_engine(sqlite_database.url, poolclass=sa.NullPool).connect() as connection:
            context = MigrationContext.configure(connection)
            with context.begin_transaction(), Operations.context(context) as op:
                op.execute("CREATE TABLE side (id integer)")
                raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        migrate_without_rules()
    assert sqlite_database.inventory()["columns"] != []


def test_migrations_are_found_beside_the_package() -> None:
    assert (migrations_path() / "versions" / "0001_foundation.py").is_file()
