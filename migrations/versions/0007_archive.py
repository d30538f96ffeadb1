"""Archives: entities by their content hash, and the guards of their log, which let an erasure pass and nothing else.

Imports nothing from the package: a released migration never changes with the code.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Byte order on Postgres; SQLite has it by itself. STRICT tables know INTEGER and not BIGINT.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BYTES = sa.LargeBinary()

SQLITE_TRIGGER = """\
CREATE TRIGGER guard_archive_entry_{event} BEFORE {event} ON archive_entry{condition}
BEGIN SELECT RAISE(ABORT, 'append-only: archive_entry'); END"""
SQLITE_CONDITIONS = {
    "insert": (
        "\nWHEN EXISTS (SELECT 1 FROM archive_entry WHERE position = NEW.position)"
        " OR EXISTS (SELECT 1 FROM archive_entry WHERE entity_type = NEW.entity_type"
        " AND content_hash = NEW.content_hash AND generation = NEW.generation)"
    ),
    # An erasure takes the JSON and the nonce, and changes nothing else.
    "update": (
        "\nWHEN NOT (NEW.data IS NULL AND NEW.nonce IS x'' AND NEW.position IS OLD.position"
        " AND NEW.entity_type IS OLD.entity_type AND NEW.content_hash IS OLD.content_hash"
        " AND NEW.generation IS OLD.generation AND NEW.entity_id IS OLD.entity_id AND NEW.size IS OLD.size"
        " AND NEW.stored_at IS OLD.stored_at)"
    ),
    "delete": "",
}
POSTGRES_GUARDS = (
    """\
CREATE TRIGGER guard_archive_entry_change BEFORE DELETE OR UPDATE ON {schema}.archive_entry
FOR EACH ROW EXECUTE FUNCTION {schema}.refuse_change('erasable', 'data')""",
    """\
CREATE TRIGGER guard_archive_entry_truncate BEFORE TRUNCATE ON {schema}.archive_entry
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change()""",
    "ALTER TABLE {schema}.archive_entry ENABLE ALWAYS TRIGGER guard_archive_entry_change",
    "ALTER TABLE {schema}.archive_entry ENABLE ALWAYS TRIGGER guard_archive_entry_truncate",
)


def upgrade() -> None:
    context = op.get_context()
    schema = context.version_table_schema
    _create_table(schema)
    if context.dialect.name == "sqlite":
        for event, condition in SQLITE_CONDITIONS.items():
            op.execute(SQLITE_TRIGGER.format(event=event, condition=condition))
        return
    name = context.dialect.identifier_preparer.quote(schema or "charter")
    for statement in POSTGRES_GUARDS:
        op.execute(statement.format(schema=name))


def downgrade() -> None:
    raise CommandError("0007 holds archives: going below it would delete them; nothing was changed")


def _create_table(schema: str | None) -> None:
    columns: list[sa.schema.SchemaItem] = [
        sa.Column("position", INT64, nullable=False, autoincrement=False),
        _column("entity_type", TEXT),
        _column("content_hash", BYTES),
        _column("generation", INT64),
        _column("entity_id", TEXT),
        _column("size", INT64),
        _column("stored_at", INT64),
        _column("nonce", BYTES),
        sa.Column("data", BYTES, nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_archive_entry")),
        sa.UniqueConstraint(
            "entity_type",
            "content_hash",
            "generation",
            name=op.f("uq_archive_entry_entity_type_content_hash_generation"),
        ),
        sa.CheckConstraint("length(content_hash) = 32", name=op.f("ck_archive_entry_content_hash_length")),
    ]
    op.create_table("archive_entry", *columns, schema=schema, sqlite_strict=True)


def _column(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)
