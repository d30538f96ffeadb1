"""`upgrade`: repeatable, refuses what is not ours without touching it, and fails with errors that say what to do."""

from __future__ import annotations

import sqlite3
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from charter_persist.backends.sql.engine import parse_target
from charter_persist.backends.sql.migrate import migration_connection, upgrade
from charter_persist.backends.sql.schema import APPLICATION_ID, SCHEMA_HEAD
from charter_persist.errors import (
    CharterError,
    CorruptStoreError,
    InvalidInputError,
    NotSupportedError,
    ReadOnlyError,
    SchemaError,
    SchemaTooNewError,
    StorageFullError,
    StoreBusyError,
    UnavailableError,
)
from tests.migration.database import Database, fingerprint

CANARY = "pass-word-canary"


@pytest.mark.spec("P43")
def test_upgrading_twice_is_a_no_op(database: Database) -> None:
    upgrade(database.url)
    before = database.inventory()
    with database.connect() as connection:
        identity = connection.exec_driver_sql(f"SELECT * FROM {database.table('store_identity')}").all()
    upgrade(database.url)
    assert database.inventory() == before
    with database.connect() as connection:
        assert connection.exec_driver_sql(f"SELECT * FROM {database.table('store_identity')}").all() == identity


def test_a_second_upgrade_does_not_write_to_the_file(sqlite_database: Database) -> None:
    upgrade(sqlite_database.url)
    before = fingerprint(sqlite_database.path)
    upgrade(sqlite_database.url)
    assert fingerprint(sqlite_database.path) == before


def test_a_sqlite_file_is_made_where_it_is_absent_and_left_in_wal_mode(sqlite_database: Database) -> None:
    upgrade(sqlite_database.url)
    assert [file.name for file in sqlite_database.path.parent.iterdir()] == ["store.db"]
    with closing(sqlite3.connect(sqlite_database.path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("name", ["50% off.db", "a b?c#d.db", "ünïcode.db"])
def test_any_file_name_is_taken_literally(tmp_path: Path, name: str) -> None:
    url = sa.URL.create("sqlite", database=str(tmp_path / name))
    upgrade(url)
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_private_database_needs_no_upgrade(url: str) -> None:
    upgrade(url)


@pytest.mark.parametrize(
    ("revision", "reached"), [("0001", "0001"), ("+1", "0001"), (SCHEMA_HEAD, SCHEMA_HEAD), ("heads", SCHEMA_HEAD)]
)
def test_a_revision_may_be_named(database: Database, revision: str, reached: str) -> None:
    upgrade(database.url, revision=revision)
    assert database.revision() == reached


@pytest.mark.parametrize("revision", ["no-such", "0000", "-1"])
def test_an_unknown_revision_is_refused_before_anything_is_written(database: Database, revision: str) -> None:
    before = database.inventory()
    with pytest.raises(SchemaError):
        upgrade(database.url, revision=revision)
    assert database.inventory()["columns"] == before["columns"] == []


def test_an_empty_revision_is_refused(sqlite_database: Database) -> None:
    with pytest.raises(InvalidInputError, match="revision"):
        upgrade(sqlite_database.url, revision="")


# A database of a newer release, or of another application


@pytest.mark.spec("P45")
def test_a_newer_revision_is_refused_and_nothing_is_changed(database: Database) -> None:
    upgrade(database.url)
    database.execute(f"UPDATE {database.table('charter_alembic_version')} SET version_num = '9999'")
    before = database.inventory()
    files = None if database.schema else fingerprint(database.path)
    with pytest.raises(SchemaTooNewError, match="9999"):
        upgrade(database.url)
    assert database.inventory() == before
    assert database.revision() == "9999"
    assert files is None or fingerprint(database.path) == files


@pytest.mark.spec("P45")
def test_a_newer_generation_of_the_file_is_refused_and_no_byte_is_changed(sqlite_database: Database) -> None:
    upgrade(sqlite_database.url)
    sqlite_database.execute("PRAGMA user_version = 2", "PRAGMA journal_mode = DELETE")
    before = fingerprint(sqlite_database.path)
    with pytest.raises(SchemaTooNewError, match="generation 2"):
        upgrade(sqlite_database.url)
    assert fingerprint(sqlite_database.path) == before


FOREIGN = {
    "tables of another application": ["CREATE TABLE invoice (id INTEGER)"],
    "another application id": ["PRAGMA application_id = 1196444487", "CREATE TABLE gpkg_contents (id INTEGER)"],
    "another application id and no table": ["PRAGMA application_id = 1196444487"],
    "a version table of ours but no application id": ["CREATE TABLE charter_alembic_version (version_num TEXT)"],
    "our application id but no version table": [f"PRAGMA application_id = {APPLICATION_ID}", "CREATE TABLE a (b)"],
}


@pytest.mark.spec("P45")
@pytest.mark.parametrize("kind", FOREIGN)
def test_a_sqlite_file_of_another_application_is_refused_and_no_byte_is_changed(
    sqlite_database: Database, kind: str
) -> None:
    sqlite_database.execute(*FOREIGN[kind])
    before = fingerprint(sqlite_database.path)
    with pytest.raises(SchemaError):
        upgrade(sqlite_database.url)
    assert fingerprint(sqlite_database.path) == before


@pytest.mark.spec("P45")
def test_a_file_that_another_application_takes_while_we_wait_is_refused(sqlite_database: Database) -> None:
    errors: list[CharterError] = []

    def wait_for_it() -> None:
        try:
            upgrade(sqlite_database.url)
        except CharterError as exc:
            errors.append(exc)

    thread = threading.Thread(target=wait_for_it)
    with closing(sqlite3.connect(sqlite_database.path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN IMMEDIATE")
        other.execute("CREATE TABLE invoice (id INTEGER)")
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
        other.execute("COMMIT")
        thread.join(30)
        assert [type(error) for error in errors] == [SchemaError]
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("invoice",)]


@pytest.mark.parametrize("content", [b"this is not a database", b"x" * 8192], ids=["short", "long"])
def test_a_file_that_is_no_database_is_refused_and_no_byte_is_changed(
    sqlite_database: Database, content: bytes
) -> None:
    sqlite_database.path.write_bytes(content)
    with pytest.raises(SchemaError, match="not a SQLite database"):
        upgrade(sqlite_database.url)
    assert fingerprint(sqlite_database.path).keys() == {"store.db"}
    assert sqlite_database.path.read_bytes() == content


def test_a_damaged_store_is_reported_as_damaged(sqlite_database: Database) -> None:
    upgrade(sqlite_database.url)
    with sqlite_database.path.open("r+b") as file:
        file.seek(100)  # the header of the schema's first page
        file.write(b"\xff" * 200)
    with pytest.raises(CorruptStoreError):
        upgrade(sqlite_database.url)


@pytest.mark.spec("P45")
def test_a_schema_of_another_application_is_refused(postgres_database: str) -> None:
    database = Database(postgres_database, "charter")
    database.execute("CREATE SCHEMA charter", "CREATE TABLE charter.invoice (id integer)")
    before = database.inventory()
    with pytest.raises(SchemaError, match=r"\?schema="):
        upgrade(database.url)
    assert database.inventory() == before


@pytest.mark.parametrize("revisions", [["0001", "0002"]])
def test_a_version_table_of_several_rows_is_refused(database: Database, revisions: list[str]) -> None:
    upgrade(database.url)
    table = database.table("charter_alembic_version")
    database.execute(f"DELETE FROM {table}", *(f"INSERT INTO {table} VALUES ('{revision}')" for revision in revisions))
    with pytest.raises(SchemaError, match="several revisions"):
        upgrade(database.url)


# Bad URLs and databases that do not answer


@pytest.mark.parametrize(
    "url", ["", "charter.db", "mysql://host/db", "postgresql+asyncpg://host/db", "sqlite+aiosqlite:///x"]
)
def test_a_url_of_no_known_backend_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError):
        upgrade(url)


@pytest.mark.spec("P47")
@pytest.mark.parametrize(
    "schema",
    ["", "pg_mine", "a b", "a.b", 'a"b', "o'k", "$$", "100%", "a:b", "1st", "é", "x; DROP SCHEMA public", "z" * 64],
)
def test_a_schema_that_is_no_plain_name_is_refused_before_anything_is_asked(schema: str) -> None:
    url = sa.URL.create("postgresql+psycopg", host="127.0.0.1", port=1, query={"schema": schema})
    with pytest.raises(InvalidInputError, match="schema name"):
        upgrade(url)


def test_a_folder_that_is_absent_makes_the_database_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="folder"):
        upgrade(f"sqlite:///{tmp_path / 'absent' / 'store.db'}")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_instead_of_a_file_makes_the_database_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        upgrade(f"sqlite:///{tmp_path}")


@pytest.mark.spec("P49")
@pytest.mark.parametrize(
    "wrong", [{"port": 1}, {"database": "no_such_database"}, {"username": "nobody_here"}, {"password": CANARY}]
)
def test_a_server_that_does_not_let_us_in_is_unavailable_and_no_password_is_shown(
    postgres_database: str, wrong: dict[str, Any]
) -> None:
    url = sa.make_url(postgres_database).set(password=CANARY).set(**wrong)
    with pytest.raises(UnavailableError) as caught:
        upgrade(url, lock_timeout_s=5)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert CANARY not in shown
    assert caught.value.retryable


def test_an_upgrade_through_a_pooler_is_refused() -> None:
    with pytest.raises(NotSupportedError, match="pooler"):
        upgrade("postgresql://127.0.0.1:1/db?pooler=true")


@contextmanager
def every_connection_runs(pragma: str) -> Iterator[None]:
    """Real refusals of SQLite itself: no space, or no right to write."""

    def run(driver: sqlite3.Connection, _record: object) -> None:
        driver.execute(pragma)

    sa.event.listen(sa.NullPool, "connect", run)
    try:
        yield
    finally:
        sa.event.remove(sa.NullPool, "connect", run)


@pytest.mark.parametrize(
    ("pragma", "error"), [("PRAGMA max_page_count = 8", StorageFullError), ("PRAGMA query_only = ON", ReadOnlyError)]
)
def test_a_full_disk_or_a_read_only_file_leaves_nothing_behind(
    sqlite_database: Database, pragma: str, error: type[CharterError]
) -> None:
    with every_connection_runs(pragma), pytest.raises(error):
        upgrade(sqlite_database.url)
    assert sqlite_database.inventory()["statements"] == []
    upgrade(sqlite_database.url)
    assert sqlite_database.revision() == SCHEMA_HEAD


def test_a_server_that_takes_no_writes_is_read_only(postgres_database: str) -> None:
    url = sa.make_url(postgres_database).update_query_dict({"options": "-c default_transaction_read_only=on"})
    with pytest.raises(ReadOnlyError):
        upgrade(url)
    assert Database(postgres_database, "charter").revision() is None


def test_a_role_without_rights_is_refused_with_a_hint(postgres_database: str) -> None:
    database = Database(postgres_database, "charter")
    database.execute(
        "DROP ROLE IF EXISTS charter_test_stranger", "CREATE ROLE charter_test_stranger LOGIN PASSWORD 'x'"
    )
    try:
        with pytest.raises(ReadOnlyError, match=r"roles\.sql"):
            upgrade(sa.make_url(postgres_database).set(username="charter_test_stranger", password="x"))
    finally:
        database.execute("DROP ROLE charter_test_stranger")
    assert database.revision() is None


# The lock


@pytest.mark.spec("P43")
def test_a_lock_that_is_not_free_in_time_is_a_busy_store(database: Database) -> None:
    began = time.monotonic()
    with migration_connection(parse_target(database.url), known={SCHEMA_HEAD}, lock_timeout_s=1):
        with pytest.raises(StoreBusyError) as caught:
            upgrade(database.url, lock_timeout_s=0.3)
        assert 0.3 <= time.monotonic() - began < 10
    assert caught.value.retryable
    upgrade(database.url)


@pytest.mark.spec("P43")
def test_an_upgrade_waits_for_the_lock(database: Database) -> None:
    errors: list[Exception] = []

    def wait_for_it() -> None:
        try:
            upgrade(database.url)
        except CharterError as exc:
            errors.append(exc)

    thread = threading.Thread(target=wait_for_it)
    with migration_connection(parse_target(database.url), known={SCHEMA_HEAD}, lock_timeout_s=1):
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
    thread.join(30)
    assert errors == []
    assert database.revision() == SCHEMA_HEAD


def test_another_schema_is_not_waited_for(postgres_database: str) -> None:
    with migration_connection(parse_target(postgres_database), known={SCHEMA_HEAD}, lock_timeout_s=1):
        upgrade(f"{postgres_database}?schema=elsewhere", lock_timeout_s=0)
    assert Database(postgres_database, "elsewhere").revision() == SCHEMA_HEAD


def test_a_table_that_another_session_locks_is_waited_for_only_briefly(postgres_database: str) -> None:
    database = Database(postgres_database, "charter")
    upgrade(database.url)

    def change_a_table() -> None:
        with migration_connection(parse_target(database.url), known={SCHEMA_HEAD}, lock_timeout_s=1) as connection:
            assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "5s"
            connection.exec_driver_sql("SET LOCAL lock_timeout = '50ms'")
            connection.exec_driver_sql("ALTER TABLE charter.object ADD COLUMN note text")

    with database.connect() as other:
        other.exec_driver_sql("LOCK TABLE charter.object")
        with pytest.raises(StoreBusyError):
            change_a_table()


def test_threads_of_one_process_may_upgrade_different_databases_at_once(tmp_path: Path) -> None:
    databases = [Database(f"sqlite:///{tmp_path / f'{n}.db'}", None) for n in range(8)]
    errors: list[Exception] = []

    def run(database: Database) -> None:
        try:
            upgrade(database.url)
        except Exception as exc:  # whatever it is, the test shows it
            errors.append(exc)

    threads = [threading.Thread(target=run, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert {database.revision() for database in databases} == {SCHEMA_HEAD}
