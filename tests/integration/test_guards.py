"""Guards refuse every change of what was recorded, and a guard that is gone, altered or off is reported (P20, P21)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from charter_persist.backends.sql.engine import sqlite_engine
from charter_persist.backends.sql.guards import APPEND_ONLY, guard_statements, missing_guards
from charter_persist.backends.sql.migrate import upgrade
from tests.integration.hostile import mapped, rows, seed, statements
from tests.migration.database import Database

REFUSALS = (
    "append-only: {table}",
    "not authorized",
    "UNIQUE constraint failed",
    "duplicate key value",
    "cannot store TEXT",
)


@pytest.fixture(params=["sqlite", "sqlite engine", "postgresql"])
def connection(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Connection]:
    """A bare connection to a store at head, or one of the engine, which has an authoriser as well."""
    if request.param == "postgresql":
        database = Database(request.getfixturevalue("postgres_database"), "charter")
    else:
        database = Database(f"sqlite:///{tmp_path / 'store.db'}", None)
    upgrade(database.url)
    if request.param == "sqlite engine":
        engine = sqlite_engine(database.path, read_only=False)
    else:
        arguments = {"isolation_level": None} if request.param == "sqlite" else {}
        engine = sa.create_engine(database.url, poolclass=sa.NullPool, connect_args=arguments)
    with engine.connect() as opened:
        if opened.dialect.name == "sqlite":
            opened.exec_driver_sql("PRAGMA query_only = OFF")
            opened.exec_driver_sql("BEGIN")
        yield opened
        opened.rollback()
    engine.dispose()


def schema_of(connection: sa.Connection) -> str | None:
    return None if connection.dialect.name == "sqlite" else "charter"


def prefix(connection: sa.Connection) -> str:
    return "" if connection.dialect.name == "sqlite" else "charter."


def attempt(connection: sa.Connection, texts: list[str]) -> str | None:
    """Run statements inside a savepoint and undo them; the text of the refusal, or None where there was none."""
    connection.exec_driver_sql("SAVEPOINT hostile")
    try:
        for text in texts:
            connection.exec_driver_sql(text)
    except sa.exc.DBAPIError as exc:
        return str(exc.orig)
    else:
        return None
    finally:
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT hostile")


def passes(connection: sa.Connection, table: str) -> list[str]:
    """The hostile statements that were not refused, or refused for a reason that is not ours, or that changed a row."""
    wrong = []
    name = prefix(connection) + table
    before = rows(connection, name)
    assert before
    for kind, texts in statements(connection.dialect.name, mapped(table), prefix(connection)).items():
        refusal = attempt(connection, texts)
        if refusal is None or not any(text.format(table=table) in refusal for text in REFUSALS):
            wrong.append(f"{kind}: {refusal}")
        if rows(connection, name) != before:
            wrong.append(f"{kind}: changed rows")
    return wrong


@pytest.mark.spec("P20")
@pytest.mark.parametrize("table", APPEND_ONLY)
def test_no_statement_changes_or_removes_what_was_recorded(connection: sa.Connection, table: str) -> None:
    seed(connection, mapped(table), schema_of(connection))
    assert len(statements(connection.dialect.name, mapped(table), "")) >= 25
    assert passes(connection, table) == []


@pytest.mark.spec("P20")
@pytest.mark.parametrize("connection", ["sqlite", "postgresql"], indirect=True)
def test_without_guards_the_same_statements_do_pass(connection: sa.Connection) -> None:
    # The control: the statements are sound, so it is the guards that refuse them.
    for name in guard_names(connection, "object"):
        on = "" if connection.dialect.name == "sqlite" else " ON charter.object"
        connection.exec_driver_sql(f"DROP TRIGGER {name}{on}")
    seed(connection, mapped("object"), schema_of(connection))
    assert len(passes(connection, "object")) >= 20


@pytest.mark.spec("P20")
def test_new_rows_are_taken(connection: sa.Connection) -> None:
    for table in APPEND_ONLY:
        seed(connection, mapped(table), schema_of(connection))
        assert rows(connection, prefix(connection) + table)


# Compaction


METADATA = [(1, "a", b"1"), (2, "b", b"1"), (3, "a", b"2"), (4, "a", None)]


@pytest.fixture
def log(connection: sa.Connection) -> str:
    name = prefix(connection) + "metadata_log"
    options = {"schema_translate_map": {None: schema_of(connection)}}
    for position, key, value in METADATA:
        row = {"position": position, "key": key, "value": value, "version": position, "revision": position}
        connection.execute(sa.insert(mapped("metadata_log")).values(row), execution_options=options)
    return name


@pytest.mark.spec("STO-3.4")
def test_compaction_may_remove_what_a_newer_row_replaced(connection: sa.Connection, log: str) -> None:
    connection.exec_driver_sql(f"DELETE FROM {log} WHERE key = 'a' AND position < 4")
    assert [row[0] for row in rows(connection, log)] == [2, 4]


@pytest.mark.spec("STO-3.4")
@pytest.mark.parametrize(
    "condition", ["position = 4", "position = 2", "key = 'a'", "position > 2", "true", "position IN (1, 3, 4)"]
)
def test_compaction_never_loses_a_current_value(connection: sa.Connection, log: str, condition: str) -> None:
    refusal = attempt(connection, [f"DELETE FROM {log} WHERE {condition}"])
    assert refusal is not None
    assert "append-only: metadata_log" in refusal
    assert len(rows(connection, log)) == len(METADATA)


# What only an owner could do


@pytest.mark.spec("P20")
@pytest.mark.parametrize("connection", ["sqlite engine"], indirect=True)
@pytest.mark.parametrize(
    "texts",
    [
        ["DROP TRIGGER guard_object_delete"],
        ["DROP TABLE object"],
        ["ALTER TABLE object RENAME TO elsewhere"],
        ["ALTER TABLE object DROP COLUMN size"],
        ["DROP INDEX ix_object_type_position"],
        ["PRAGMA writable_schema = ON"],
        ["PRAGMA writable_schema = 1"],
        ["DELETE FROM sqlite_master WHERE type = 'trigger'"],
        ["UPDATE sqlite_master SET sql = '' WHERE type = 'trigger'"],
        ["PRAGMA ignore_check_constraints = ON"],
        ["PRAGMA recursive_triggers = OFF"],
        ["PRAGMA synchronous = OFF"],
        ["ATTACH DATABASE ':memory:' AS other"],
    ],
    ids=lambda texts: texts[0],
)
def test_the_engine_does_not_let_a_guard_be_dropped_or_passed_by(connection: sa.Connection, texts: list[str]) -> None:
    assert attempt(connection, texts) is not None
    assert missing_guards(connection, schema=None) == []


@pytest.mark.spec("P20")
@pytest.mark.parametrize("connection", ["postgresql"], indirect=True)
@pytest.mark.parametrize("text", ["DELETE FROM charter.journal_head", "TRUNCATE charter.journal_head"])
def test_the_head_row_moves_but_is_never_removed(connection: sa.Connection, text: str) -> None:
    refusal = attempt(connection, [text])
    assert refusal is not None
    assert "append-only: journal_head" in refusal
    assert attempt(connection, ["UPDATE charter.journal_head SET position = position + 1"]) is None


# P21


def guard_names(connection: sa.Connection, table: str | None = None) -> list[str]:
    """The names of the guards as the database has them."""
    if connection.dialect.name == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = coalesce(:table, tbl_name)"
    else:
        query = (
            "SELECT tgname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid WHERE NOT tgisinternal"
            " AND relnamespace = 'charter'::regnamespace AND c.relname = coalesce(:table, c.relname)"
        )
    return sorted(connection.scalars(sa.text(query), {"table": table}))


@pytest.mark.spec("P21")
def test_a_new_store_misses_no_guard(connection: sa.Connection) -> None:
    assert missing_guards(connection, schema=schema_of(connection)) == []
    each = 3 if connection.dialect.name == "sqlite" else 2
    assert all(len(guard_names(connection, table)) == each for table in APPEND_ONLY)


@pytest.mark.spec("P21")
@pytest.mark.parametrize("connection", ["sqlite", "postgresql"], indirect=True)
def test_each_guard_that_is_dropped_is_reported(connection: sa.Connection) -> None:
    schema = schema_of(connection)
    names = guard_names(connection)
    assert len(names) == (3 * len(APPEND_ONLY) if schema is None else 2 * len(APPEND_ONLY) + 2)
    for name in names:
        table = name.removeprefix("guard_").rpartition("_")[0]
        connection.exec_driver_sql("SAVEPOINT here")
        connection.exec_driver_sql(f"DROP TRIGGER {name}" + (f" ON {schema}.{table}" if schema else ""))
        assert missing_guards(connection, schema=schema) == [name]
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT here")
    assert missing_guards(connection, schema=schema) == []


@pytest.mark.spec("P21")
@pytest.mark.parametrize("connection", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "text",
    [
        "CREATE TRIGGER guard_object_delete BEFORE DELETE ON object BEGIN SELECT 1; END",
        "CREATE TRIGGER guard_object_delete AFTER DELETE ON object BEGIN SELECT RAISE(ABORT, 'append-only: object'); END",
        "CREATE TRIGGER guard_object_delete BEFORE DELETE ON ref BEGIN SELECT RAISE(ABORT, 'append-only: object'); END",
        "CREATE TEMP TRIGGER guard_object_delete BEFORE DELETE ON object\nBEGIN SELECT RAISE(ABORT, 'append-only: object'); END",
    ],
)
def test_an_altered_guard_of_sqlite_is_reported(connection: sa.Connection, text: str) -> None:
    connection.exec_driver_sql("DROP TRIGGER guard_object_delete")
    connection.exec_driver_sql(text)
    assert missing_guards(connection, schema=None) == ["guard_object_delete"]


@pytest.mark.spec("P21")
@pytest.mark.parametrize("connection", ["sqlite"], indirect=True)
def test_a_table_that_was_rebuilt_lost_its_guards_and_is_reported(connection: sa.Connection) -> None:
    # What Alembic's batch mode does.
    connection.exec_driver_sql("CREATE TABLE copy AS SELECT * FROM ref_log")
    connection.exec_driver_sql("DROP TABLE ref_log")
    connection.exec_driver_sql("ALTER TABLE copy RENAME TO ref_log")
    expected = ["guard_ref_log_insert", "guard_ref_log_update", "guard_ref_log_delete"]
    assert missing_guards(connection, schema=None) == expected


CHANGE = "CREATE TRIGGER guard_object_change BEFORE DELETE OR UPDATE ON charter.object FOR EACH ROW"
REMADE = (
    "EXECUTE FUNCTION charter.refuse_change(); ALTER TABLE charter.object ENABLE ALWAYS TRIGGER guard_object_change"
)


@pytest.mark.spec("P21")
@pytest.mark.parametrize("connection", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "text",
    [
        "ALTER TABLE charter.object DISABLE TRIGGER guard_object_change",
        "ALTER TABLE charter.object ENABLE TRIGGER guard_object_change",
        "ALTER TABLE charter.object ENABLE REPLICA TRIGGER guard_object_change",
        "ALTER TRIGGER guard_object_change ON charter.object RENAME TO other",
        f"DROP TRIGGER guard_object_change ON charter.object; {CHANGE} WHEN (false) {REMADE}",
        f"DROP TRIGGER guard_object_change ON charter.object; {CHANGE.replace('UPDATE', 'UPDATE OF size')} {REMADE}",
        f"DROP TRIGGER guard_object_change ON charter.object; {CHANGE.replace('BEFORE', 'AFTER')} {REMADE}",
        f"DROP TRIGGER guard_object_change ON charter.object; {CHANGE.replace('DELETE OR ', '')} {REMADE}",
        f"DROP TRIGGER guard_object_change ON charter.object; {CHANGE.replace('ROW', 'STATEMENT')} {REMADE}",
        "DROP TRIGGER guard_object_change ON charter.object;"
        f"{CHANGE} EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
    ],
)
def test_an_altered_guard_of_postgres_is_reported(connection: sa.Connection, text: str) -> None:
    connection.exec_driver_sql(text)
    assert missing_guards(connection, schema="charter") == ["guard_object_change"]


FUNCTION = "CREATE OR REPLACE FUNCTION charter.refuse_change() RETURNS trigger LANGUAGE plpgsql"


@pytest.mark.spec("P21")
@pytest.mark.parametrize("connection", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "text",
    [
        f"{FUNCTION} SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN OLD; END'",
        "ALTER FUNCTION charter.refuse_change() RESET search_path",
        "ALTER FUNCTION charter.refuse_change() SECURITY DEFINER",
        "ALTER FUNCTION charter.refuse_change() SET work_mem = '1MB'",
    ],
)
def test_an_altered_function_behind_the_guards_is_reported(connection: sa.Connection, text: str) -> None:
    connection.exec_driver_sql(text)
    assert missing_guards(connection, schema="charter") == ["refuse_change"]


@pytest.mark.spec("P21")
@pytest.mark.parametrize("connection", ["postgresql"], indirect=True)
def test_without_the_function_every_guard_is_missing(connection: sa.Connection) -> None:
    names = guard_names(connection)
    connection.exec_driver_sql("DROP FUNCTION charter.refuse_change() CASCADE")
    assert sorted(missing_guards(connection, schema="charter")) == [*names, "refuse_change"]


def test_guards_name_the_schema_and_hold_no_percent_sign() -> None:
    texts = [*guard_statements("sqlite", None), *guard_statements("postgresql", "Order")]
    assert not [text for text in texts if "%" in text]
    assert all('"Order".' in text for text in guard_statements("postgresql", "Order"))
