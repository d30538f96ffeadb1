"""Execution stores: events, cached states, threads and messages, and the guards of the logs among them.

Imports nothing from the package: a released migration never changes with the code.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Byte order on Postgres; SQLite has it by itself. STRICT tables know INTEGER and not BIGINT.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BYTES = sa.LargeBinary()

SQLITE_TRIGGER = """\
CREATE TRIGGER guard_{table}_{event} BEFORE {event} ON {table}{condition}
BEGIN SELECT RAISE(ABORT, 'append-only: {table}'); END"""
SQLITE_TAKEN = """
WHEN EXISTS (SELECT 1 FROM {table} WHERE position = NEW.position)\
 OR EXISTS (SELECT 1 FROM {table} WHERE {second})"""
# Erasure may take payload and nonce.
SQLITE_ERASURE = """
WHEN NOT (NEW.data IS NULL AND NEW.nonce IS x'' AND {same})"""
POSTGRES_GUARDS = (
    """\
CREATE TRIGGER guard_{table}_change BEFORE DELETE OR UPDATE ON {schema}.{table}
FOR EACH ROW EXECUTE FUNCTION {schema}.refuse_change('erasable', 'data')""",
    "ALTER TABLE {schema}.{table} ENABLE ALWAYS TRIGGER guard_{table}_change",
    """\
CREATE TRIGGER guard_{table}_truncate BEFORE TRUNCATE ON {schema}.{table}
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change()""",
    "ALTER TABLE {schema}.{table} ENABLE ALWAYS TRIGGER guard_{table}_truncate",
)
# By log its columns beside payload and nonce, and its second key.
LOGS = {
    "event": (
        ("position", "execution_id", "sequence", "tenant_id", "type", "revision", "recorded_at"),
        ("execution_id", "sequence"),
    ),
    "thread_log": (
        ("position", "thread_id", "tenant_id", "user_id", "version", "revision", "deleted"),
        ("thread_id", "version"),
    ),
    "message_log": (
        ("position", "message_id", "thread_id", "parent_id", "version", "revision", "deleted"),
        ("message_id", "version"),
    ),
}
TEXTS = {"execution_id", "tenant_id", "type", "thread_id", "user_id", "message_id", "parent_id", "key"}


def upgrade() -> None:
    context = op.get_context()
    schema = context.version_table_schema
    for table, (columns, second) in LOGS.items():
        _create_log(table, columns, second, schema)
    _create_present(schema)
    _create_caches(schema)
    name = context.dialect.identifier_preparer.quote(schema or "charter")
    for table in LOGS:
        statements = _sqlite_guards(table) if context.dialect.name == "sqlite" else _postgres_guards(table, name)
        for statement in statements:
            op.execute(statement)


def downgrade() -> None:
    raise CommandError("0005 holds events and messages: going below it would delete them; nothing was changed")


def _column(name: str, *, key: bool = False) -> sa.Column[Any]:
    kind = TEXT if name in TEXTS else BYTES if name in ("data", "value", "nonce") else INT64
    if key:
        return sa.Column(name, kind, nullable=False, autoincrement=False)
    return sa.Column(name, kind, nullable=False)


def _create_log(table: str, columns: tuple[str, ...], second: tuple[str, ...], schema: str | None) -> None:
    op.create_table(
        table,
        *(_column(name, key=name == "position") for name in columns),
        _column("nonce"),
        sa.Column("data", BYTES, nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint(*second, name=op.f(f"uq_{table}_{'_'.join(second)}")),
        schema=schema,
        sqlite_strict=True,
    )


def _create_present(schema: str | None) -> None:
    """What follows from the logs now."""
    _create_keyed("execution", ("execution_id", "tenant_id", "position"), schema)
    _index("execution", ("tenant_id", "execution_id"), schema)
    threads = ("thread_id", "tenant_id", "user_id", "ordinal", "version", "position", "deleted")
    _create_keyed("thread", threads, schema)
    _index("thread", ("tenant_id", "ordinal"), schema)
    _index("thread", ("tenant_id", "user_id", "ordinal"), schema)
    messages = ("message_id", "thread_id", "parent_id", "ordinal", "version", "position", "deleted")
    _create_keyed("message", messages, schema)
    _index("message", ("thread_id", "ordinal"), schema)
    _index("message", ("parent_id", "ordinal"), schema)


def _create_caches(schema: str | None) -> None:
    snapshots = ("execution_id", "tenant_id", "sequence_number", "data")
    _create_keyed("state_snapshot", snapshots, schema, sqlite_with_rowid=True)
    _index("state_snapshot", ("tenant_id", "execution_id"), schema)
    _create_keyed("state_value", ("key", "expires_at", "value"), schema)
    _index("state_value", ("expires_at", "key"), schema)


def _create_keyed(table: str, columns: tuple[str, ...], schema: str | None, *, sqlite_with_rowid: bool = False) -> None:
    op.create_table(
        table,
        *(_column(name, key=name == columns[0]) for name in columns),
        sa.PrimaryKeyConstraint(columns[0], name=op.f(f"pk_{table}")),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=sqlite_with_rowid,
    )


def _index(table: str, columns: tuple[str, ...], schema: str | None) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns), schema=schema)


def _sqlite_guards(table: str) -> list[str]:
    columns, second = LOGS[table]
    conditions = {
        "insert": SQLITE_TAKEN.format(table=table, second=" AND ".join(f"{name} = NEW.{name}" for name in second)),
        "update": SQLITE_ERASURE.format(same=" AND ".join(f"NEW.{name} IS OLD.{name}" for name in columns)),
        "delete": "",
    }
    return [SQLITE_TRIGGER.format(table=table, event=event, condition=text) for event, text in conditions.items()]


def _postgres_guards(table: str, schema: str) -> list[str]:
    return [statement.format(table=table, schema=schema) for statement in POSTGRES_GUARDS]
