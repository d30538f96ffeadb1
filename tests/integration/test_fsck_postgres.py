"""fsck on Postgres: a flipped bit in a sample of values, the head row, and a role that may only read."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from charter_persist import connect, upgrade
from charter_persist.engine.boot import BootMode, boot
from charter_persist.integrity.fsck import fsck
from tests.damage import TABLES, flipped
from tests.governed_store import record_everything, ticking
from tests.postgres import PostgresServer, create_database, drop_database
from tests.postgres_damage import address, unguarded


@pytest.fixture(scope="module")
def filled(postgres_server: PostgresServer) -> Iterator[str]:
    url = create_database(postgres_server.url)
    upgrade(url)
    with connect(url, clock=ticking()) as store:
        record_everything(store)
    yield url
    drop_database(postgres_server.url, url)


@pytest.fixture
def url(postgres_server: PostgresServer, filled: str) -> Iterator[str]:
    copy = create_database(postgres_server.url, filled)
    yield copy
    drop_database(postgres_server.url, copy)


def rows_of(connection: psycopg.Connection, table: str) -> tuple[list[str], list[str], list[tuple[Any, ...]]]:
    """Columns, key columns and rows of a table; a row begins with its place."""
    key = connection.execute(
        "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)"
        " WHERE i.indrelid = %s::regclass AND i.indisprimary ORDER BY array_position(i.indkey::int2[], a.attnum)",
        (table,),
    ).fetchall()
    cursor = connection.execute(f"SELECT ctid::text, * FROM {table}".encode())
    columns = [column.name for column in cursor.description or ()]
    return columns, [name for (name,) in key], cursor.fetchall()


def another(value: Any, chance: random.Random) -> Any:
    """The value with a bit flipped; a text stays one that the server can store."""
    while True:
        bits = 63 if isinstance(value, int) else len(value) * 8
        changed = flipped(value.encode() if isinstance(value, str) else value, chance.randrange(bits))
        if not isinstance(value, str):
            return changed
        if changed.isascii() and b"\x00" not in changed:
            return changed.decode()


@pytest.mark.spec("P23", "GOV-11")
@pytest.mark.parametrize("table", [*TABLES, "journal_head"])
def test_a_flipped_bit_in_any_column_is_found_with_its_table_and_key(url: str, table: str) -> None:
    chance = random.Random(table)
    missed = []
    with unguarded(url) as tamper, connect(url, read_only=True) as store:
        columns, key, rows = rows_of(tamper, table)
        for column in columns[1:]:
            candidates = [row for row in rows if row[columns.index(column)] not in (None, b"", "")]
            for row in chance.sample(candidates, min(3, len(candidates))):
                before = dict(zip(columns, row, strict=True))
                while True:
                    after = {**before, column: another(before[column], chance)}
                    try:
                        tamper.execute(
                            f"UPDATE {table} SET {column} = %s WHERE ({', '.join(key)}) = ({', '.join('%s' for _ in key)})".encode(),
                            (after[column], *(before[name] for name in key)),
                        )
                        break
                    except psycopg.errors.UniqueViolation:
                        continue
                wanted = {f"{table}/{'/'.join(str(values[name]) for name in key)}" for values in (before, after)}
                if table == "journal_head":
                    wanted = {"journal_head/1"}
                if not wanted & {finding.subject for finding in fsck(store).findings}:
                    missed.append((column, before, after[column]))
                tamper.execute(
                    f"UPDATE {table} SET {column} = %s WHERE ({', '.join(key)}) = ({', '.join('%s' for _ in key)})".encode(),
                    (before[column], *(after[name] for name in key)),
                )
        assert missed == []
        assert set(fsck(store).counts) == {"GUARD_MISSING"}


@pytest.mark.spec("P30")
@pytest.mark.parametrize(
    "statement",
    ["UPDATE journal_head SET position = 1", "UPDATE journal_head SET root = %s", "DELETE FROM journal_head"],
)
def test_a_head_row_that_does_not_end_the_journal_is_reported(url: str, statement: str) -> None:
    with unguarded(url) as tamper:
        tamper.execute(statement.encode(), (bytes(32),) if "%s" in statement else None)
    with connect(url, read_only=True) as store:
        assert set(fsck(store).counts) == {"HEAD_MISMATCH", "GUARD_MISSING"}


@pytest.mark.spec("P29", "GOV-10", "GOV-11")
def test_a_role_that_may_only_read_can_check_and_boot(url: str) -> None:
    """The snapshot is a READ ONLY transaction, and the login has no right but SELECT."""
    name, password = f"test_reader_{secrets.token_hex(4)}", secrets.token_hex(8)
    with psycopg.connect(address(url), autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'".encode())
        admin.execute(f"GRANT USAGE ON SCHEMA charter TO {name}".encode())
        admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA charter TO {name}".encode())
    reader = sa.make_url(url).set(username=name, password=password).render_as_string(hide_password=False)
    try:
        with connect(reader, read_only=True) as store:
            assert fsck(store).findings == ()
            for mode in BootMode:
                assert all(phase.ok for phase in boot(store, mode).phases)
    finally:
        with psycopg.connect(address(url), autocommit=True) as admin:
            admin.execute(f"DROP OWNED BY {name}".encode())
            admin.execute(f"DROP ROLE {name}".encode())
