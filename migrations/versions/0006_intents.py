"""The intent graph: intents and edges as they stand now, the logs of their changes, and the guards of the logs.

Imports nothing from the package: a released migration never changes with the code.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Byte order on Postgres; SQLite has it by itself. STRICT tables know INTEGER and not BIGINT.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BYTES = sa.LargeBinary()

LOGS = ("intent_log", "intent_edge_log")
SQLITE_TRIGGER = """\
CREATE TRIGGER guard_{table}_{event} BEFORE {event} ON {table}{condition}
BEGIN SELECT RAISE(ABORT, 'append-only: {table}'); END"""
SQLITE_CONDITIONS = {
    "insert": "\nWHEN EXISTS (SELECT 1 FROM {table} WHERE position = NEW.position)",
    "update": "",
    "delete": "",
}
# The function stands since 0001: it refuses whatever it is not told to allow.
POSTGRES_GUARDS = (
    """\
CREATE TRIGGER guard_{table}_change BEFORE DELETE OR UPDATE ON {schema}.{table}
FOR EACH ROW EXECUTE FUNCTION {schema}.refuse_change()""",
    """\
CREATE TRIGGER guard_{table}_truncate BEFORE TRUNCATE ON {schema}.{table}
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change()""",
    "ALTER TABLE {schema}.{table} ENABLE ALWAYS TRIGGER guard_{table}_change",
    "ALTER TABLE {schema}.{table} ENABLE ALWAYS TRIGGER guard_{table}_truncate",
)


def upgrade() -> None:
    context = op.get_context()
    schema = context.version_table_schema
    _create_tables(schema)
    if context.dialect.name == "sqlite":
        for table in LOGS:
            for event, condition in SQLITE_CONDITIONS.items():
                op.execute(SQLITE_TRIGGER.format(table=table, event=event, condition=condition.format(table=table)))
        return
    name = context.dialect.identifier_preparer.quote(schema or "charter")
    for table in LOGS:
        for statement in POSTGRES_GUARDS:
            op.execute(statement.format(table=table, schema=name))


def downgrade() -> None:
    raise CommandError("0006 holds intents and their edges: going below it would delete them; nothing was changed")


def _key(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, autoincrement=False)


def _state() -> list[sa.Column[Any]]:
    """What a row of the present state has behind its key."""
    return [
        sa.Column("version", INT64, nullable=False),
        sa.Column("revision", INT64, nullable=False),
        sa.Column("data", BYTES, nullable=False),
        sa.Column("position", INT64, nullable=False),
    ]


def _create_tables(schema: str | None) -> None:
    op.create_table(
        "intent",
        _key("intent_id", TEXT),
        sa.Column("status", TEXT, nullable=False),
        *_state(),
        sa.PrimaryKeyConstraint("intent_id", name=op.f("pk_intent")),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_intent_status_intent_id"), "intent", ["status", "intent_id"], schema=schema)
    op.create_table(
        "intent_edge",
        _key("edge_key", TEXT),
        sa.Column("from_id", TEXT, nullable=False),
        sa.Column("to_id", TEXT, nullable=False),
        sa.Column("edge_type", TEXT, nullable=False),
        *_state(),
        sa.PrimaryKeyConstraint("edge_key", name=op.f("pk_intent_edge")),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_intent_edge_to_id_edge_key"), "intent_edge", ["to_id", "edge_key"], schema=schema)
    for table in LOGS:
        op.create_table(
            table,
            _key("position", INT64),
            sa.Column("subject", TEXT, nullable=False),
            sa.Column("version", INT64, nullable=False),
            sa.Column("revision", INT64, nullable=False),
            sa.Column("nonce", BYTES, nullable=False),
            sa.Column("data", BYTES, nullable=True),
            sa.PrimaryKeyConstraint("position", name=op.f(f"pk_{table}")),
            schema=schema,
            sqlite_strict=True,
        )
        op.create_index(op.f(f"ix_{table}_subject_position"), table, ["subject", "position"], schema=schema)
