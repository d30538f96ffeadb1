"""Statements that would change or remove a row, in every way that SQLite and Postgres know.

`{t}` is the table as it stands in a statement and `{n}` its bare name; `{k}` is the first column of its key, `{key}` all of
them, `{second}` those of its other key, `{c}` a column outside every key; `{all}` is the columns, `{rest}` all but `{k}`,
`{moved}` all with `{k}` moved to a free place, `{set}` an assignment of each to itself.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from charter_persist.backends.sql.tables import Base
from charter_persist.backends.sql.tables.base import HexDigest

BOTH = {
    "update a column": ["UPDATE {t} SET {c} = {c}"],
    "update every column": ["UPDATE {t} SET {set}"],
    "update the key": ["UPDATE {t} SET {k} = {k} + 1000"],
    "update one row": ["UPDATE {t} SET {c} = {c} WHERE {k} = (SELECT max({k}) FROM {t})"],
    "update from a query": ["UPDATE {t} SET {c} = s.{c} FROM (SELECT * FROM {t}) AS s WHERE s.{k} = {n}.{k}"],
    "update with a common table": ["WITH w AS (SELECT 1) UPDATE {t} SET {c} = {c} WHERE EXISTS (SELECT * FROM w)"],
    "update returning": ["UPDATE {t} SET {c} = {c} RETURNING {k}"],
    "delete all": ["DELETE FROM {t}"],
    "delete one row": ["DELETE FROM {t} WHERE {k} = (SELECT max({k}) FROM {t})"],
    "delete by a query": ["DELETE FROM {t} WHERE {k} IN (SELECT {k} FROM {t})"],
    "delete with a common table": ["WITH w AS (SELECT {k} FROM {t}) DELETE FROM {t} WHERE {k} IN (SELECT * FROM w)"],
    "delete returning": ["DELETE FROM {t} RETURNING {k}"],
    "insert over the key": ["INSERT INTO {t} ({all}) SELECT {all} FROM {t}"],
    "upsert": [
        "INSERT INTO {t} ({all}) SELECT {all} FROM {t} WHERE true ON CONFLICT ({key}) DO UPDATE SET {c} = excluded.{c}"
    ],
    "upsert that moves": [
        "INSERT INTO {t} ({all}) SELECT {all} FROM {t} WHERE true ON CONFLICT ({key}) DO UPDATE SET {k} = {n}.{k} + 1000"
    ],
}

SQLITE = {
    "insert or replace": ["INSERT OR REPLACE INTO {t} ({all}) SELECT {all} FROM {t}"],
    "replace": ["REPLACE INTO {t} ({all}) SELECT {all} FROM {t} LIMIT 1"],
    "replace without recursive triggers": [
        "PRAGMA recursive_triggers = OFF",
        "REPLACE INTO {t} ({all}) SELECT {all} FROM {t}",
    ],
    "replace with the key as text": ["REPLACE INTO {t} ({all}) SELECT CAST({k} AS TEXT), {rest} FROM {t}"],
    "replace with the key as a real": ["REPLACE INTO {t} ({all}) SELECT {k} + 0.0, {rest} FROM {t}"],
    "insert or ignore": ["INSERT OR IGNORE INTO {t} ({all}) SELECT {all} FROM {t}"],
    "update or replace": ["UPDATE OR REPLACE {t} SET {k} = (SELECT max({k}) FROM {t})"],
    "update or ignore": ["UPDATE OR IGNORE {t} SET {c} = {c}"],
    "update or rollback": ["UPDATE OR ROLLBACK {t} SET {c} = {c}"],
    "update the rowid": ["UPDATE {t} SET rowid = rowid + 1000"],
    "upsert without a target": [
        "INSERT INTO {t} ({all}) SELECT {all} FROM {t} WHERE true ON CONFLICT DO UPDATE SET {c} = {c}"
    ],
    "delete from a trigger": [
        "CREATE TEMP TABLE bait (x)",
        "CREATE TEMP TRIGGER hook AFTER INSERT ON bait BEGIN DELETE FROM {n}; END",
        "INSERT INTO bait VALUES (1)",
    ],
    "delete through a view": [
        "CREATE TEMP VIEW window AS SELECT * FROM main.{n}",
        "CREATE TEMP TRIGGER hook INSTEAD OF DELETE ON window BEGIN DELETE FROM {n} WHERE {k} = OLD.{k}; END",
        "DELETE FROM window",
    ],
}

POSTGRES = {
    "truncate": ["TRUNCATE {t}"],
    "truncate only": ["TRUNCATE ONLY {t}"],
    "truncate everything": ["TRUNCATE {t} RESTART IDENTITY CASCADE"],
    "merge with update": [
        "MERGE INTO {t} USING (SELECT * FROM {t}) s ON s.{k} = {n}.{k} WHEN MATCHED THEN UPDATE SET {c} = s.{c}"
    ],
    "merge with delete": ["MERGE INTO {t} USING (SELECT * FROM {t}) s ON s.{k} = {n}.{k} WHEN MATCHED THEN DELETE"],
    "delete using": ["DELETE FROM {t} USING (SELECT 1) s"],
    "delete in a common table": ["WITH d AS (DELETE FROM {t} RETURNING *) SELECT count(*) FROM d"],
    "delete and insert": ["WITH d AS (DELETE FROM {t} RETURNING *) INSERT INTO {t} SELECT * FROM d"],
    "update as a replica": ["SET LOCAL session_replication_role = replica", "UPDATE {t} SET {c} = {c}"],
    "delete as a replica": ["SET LOCAL session_replication_role = replica", "DELETE FROM {t}"],
    "truncate as a replica": ["SET LOCAL session_replication_role = replica", "TRUNCATE {t}"],
    "update under the cursor": [
        "DECLARE here CURSOR FOR SELECT * FROM {t} FOR UPDATE",
        "FETCH here",
        "UPDATE {t} SET {c} = {c} WHERE CURRENT OF here",
    ],
    "delete under the cursor": [
        "DECLARE here CURSOR FOR SELECT * FROM {t} FOR UPDATE",
        "FETCH here",
        "DELETE FROM {t} WHERE CURRENT OF here",
    ],
    "update through a view": ["CREATE TEMP VIEW seen AS SELECT * FROM {t}", "UPDATE seen SET {c} = {c}"],
    "delete in a block": ["DO $$ BEGIN DELETE FROM {t}; END $$"],
    "prepared": ["PREPARE later AS UPDATE {t} SET {c} = {c}", "EXECUTE later"],
}

# Only where a table has a second key.
BOTH_SECOND = {
    "upsert by the second key": [
        "INSERT INTO {t} ({all}) SELECT {moved} FROM {t} WHERE true ON CONFLICT ({second}) DO UPDATE SET {c} = excluded.{c}"
    ],
}
SQLITE_SECOND = {
    "replace by the second key": ["REPLACE INTO {t} ({all}) SELECT {moved} FROM {t}"],
}


def statements(dialect: str, table: sa.Table, prefix: str) -> dict[str, list[str]]:
    """Every hostile statement for one table, by name."""
    unique = [c for c in table.constraints if isinstance(c, sa.UniqueConstraint)]
    key = [column.name for column in table.primary_key]
    columns = [*key, *(column.name for column in table.columns if column.name not in key)]
    rest = columns[1:]
    second = [column.name for column in unique[0].columns] if unique else []
    words = {
        "t": prefix + table.name,
        "n": table.name,
        "k": key[0],
        "key": ", ".join(key),
        "c": next(name for name in reversed(columns) if name not in [*key, *second]),
        "rest": ", ".join(rest),
        "all": ", ".join(columns),
        "moved": ", ".join([f"{key[0]} + 1000", *rest]),
        "set": ", ".join(f"{name} = {name}" for name in columns),
        "second": ", ".join(second),
    }
    chosen = BOTH | (SQLITE if dialect == "sqlite" else POSTGRES)
    if unique:
        chosen |= BOTH_SECOND | (SQLITE_SECOND if dialect == "sqlite" else {})
    return {name: [text.format(**words) for text in texts] for name, texts in chosen.items()}


def seed(connection: sa.Connection, table: sa.Table, schema: str | None) -> None:
    """Two rows that differ in every key; the store's identity has its one row already."""
    if table.name == "store_identity":
        return
    options = {"schema_translate_map": {None: schema}} if schema else {}
    for number in (1, 2):
        row = {column.name: _value(column, number) for column in table.columns}
        connection.execute(sa.insert(table).values(row), execution_options=options)


def _value(column: sa.Column[Any], number: int) -> object:
    if isinstance(column.type, HexDigest):
        return f"{number:02d}" * 32
    if isinstance(column.type, sa.LargeBinary):
        return bytes(511 * 32) if column.name == "nodes" else b"data"
    return f"name {number}" if isinstance(column.type, sa.Text) else number


def rows(connection: sa.Connection, name: str) -> list[tuple[object, ...]]:
    """The rows of a table, in order."""
    return sorted((tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {name}")), key=repr)


def mapped(name: str) -> sa.Table:
    return Base.metadata.tables[name]
