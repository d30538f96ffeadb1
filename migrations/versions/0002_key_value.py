"""Keys and values: what each key holds now, the log of its changes, and the guards of the log.

Imports nothing from the package: a released migration never changes with the code.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Byte order on Postgres; SQLite has it by itself. STRICT tables know INTEGER and not BIGINT.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BYTES = sa.LargeBinary()

SQLITE_TRIGGER = """\
CREATE TRIGGER guard_kv_change_{event} BEFORE {event} ON kv_change{condition}
BEGIN SELECT RAISE(ABORT, 'append-only: kv_change'); END"""
SQLITE_CONDITIONS = {
    "insert": "\nWHEN EXISTS (SELECT 1 FROM kv_change WHERE position = NEW.position)",
    "update": "",
    # Compaction and erasure may remove what a newer row of the key replaced.
    "delete": """
WHEN NOT EXISTS (SELECT 1 FROM kv_change AS newer WHERE newer.key = OLD.key AND newer.position > OLD.position)""",
}
# The same owner, language and settings; only the tables that may be compacted become more.
POSTGRES_FUNCTION = """\
CREATE OR REPLACE FUNCTION {schema}.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_TABLE_NAME = 'metadata_log' AND TG_OP = 'DELETE' THEN
    IF EXISTS (SELECT 1 FROM {schema}.metadata_log AS newer
               WHERE newer.key = OLD.key AND newer.position > OLD.position) THEN
      RETURN OLD;
    END IF;
  END IF;
  IF TG_TABLE_NAME = 'kv_change' AND TG_OP = 'DELETE' THEN
    IF EXISTS (SELECT 1 FROM {schema}.kv_change AS newer
               WHERE newer.key = OLD.key AND newer.position > OLD.position) THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = 'append-only: ' || TG_TABLE_NAME;
END
$$"""
POSTGRES_GUARDS = (
    """\
CREATE TRIGGER guard_kv_change_change BEFORE DELETE OR UPDATE ON {schema}.kv_change
FOR EACH ROW EXECUTE FUNCTION {schema}.refuse_change()""",
    """\
CREATE TRIGGER guard_kv_change_truncate BEFORE TRUNCATE ON {schema}.kv_change
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change()""",
    "ALTER TABLE {schema}.kv_change ENABLE ALWAYS TRIGGER guard_kv_change_change",
    "ALTER TABLE {schema}.kv_change ENABLE ALWAYS TRIGGER guard_kv_change_truncate",
)


def upgrade() -> None:
    context = op.get_context()
    schema = context.version_table_schema
    _create_tables(schema)
    if context.dialect.name == "sqlite":
        for event, condition in SQLITE_CONDITIONS.items():
            op.execute(SQLITE_TRIGGER.format(event=event, condition=condition))
        return
    name = context.dialect.identifier_preparer.quote(schema or "charter")
    for statement in (POSTGRES_FUNCTION, *POSTGRES_GUARDS):
        op.execute(statement.format(schema=name))


def downgrade() -> None:
    raise CommandError("0002 holds keys and values: going below it would delete them; nothing was changed")


def _key(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, autoincrement=False)


def _create_tables(schema: str | None) -> None:
    op.create_table(
        "kv_entry",
        _key("key", TEXT),
        sa.Column("value", BYTES, nullable=False),
        sa.Column("version", INT64, nullable=False),
        sa.Column("revision", INT64, nullable=False),
        sa.Column("created_at", INT64, nullable=False),
        sa.Column("updated_at", INT64, nullable=False),
        sa.Column("position", INT64, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_kv_entry")),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "kv_change",
        _key("position", INT64),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("version", INT64, nullable=False),
        sa.Column("revision", INT64, nullable=False),
        sa.Column("nonce", BYTES, nullable=False),
        sa.Column("value", BYTES, nullable=True),
        sa.Column("created_at", INT64, nullable=False),
        sa.Column("updated_at", INT64, nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_kv_change")),
        schema=schema,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_kv_change_key_position"), "kv_change", ["key", "position"], schema=schema)
