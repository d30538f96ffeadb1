"""Vectors: collections and their documents, a cache that no journal entry tells of.

Imports nothing from the package: a released migration never changes with the code.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Byte order on Postgres; SQLite has it by itself. STRICT tables know INTEGER and not BIGINT.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BYTES = sa.LargeBinary()


def upgrade() -> None:
    schema = op.get_context().version_table_schema
    op.create_table(
        "vector_collection",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("dimension", INT64, nullable=False),
        sa.Column("metric", TEXT, nullable=False),
        sa.Column("documents", INT64, nullable=False),
        sa.Column("stamp", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_vector_collection")),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "vector_document",
        sa.Column("collection", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("embedding", BYTES, nullable=False),
        sa.Column("metadata", BYTES, nullable=False),
        sa.Column("content", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("collection", "id", name=op.f("pk_vector_document")),
        schema=schema,
        sqlite_strict=True,
    )


def downgrade() -> None:
    raise CommandError("0008 holds vectors: going below it would drop them; nothing was changed")
