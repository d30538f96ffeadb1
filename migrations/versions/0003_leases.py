"""Leases: what a key lives as long as, the keys of each lease, and when its time is over.

Imports nothing from the package: a released migration never changes with the code.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    schema = op.get_context().version_table_schema
    # A column that may be null is added in place on both databases: no table is copied, so no guard is lost.
    op.add_column("kv_entry", sa.Column("lease", TEXT, nullable=True), schema=schema)
    op.add_column("kv_change", sa.Column("lease", TEXT, nullable=True), schema=schema)
    op.create_table(
        "kv_lease",
        sa.Column("lease", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("lease", "key", name=op.f("pk_kv_lease")),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "lease",
        sa.Column("lease", TEXT, nullable=False),
        sa.Column("ttl", INT64, nullable=False),
        sa.Column("expires_at", INT64, nullable=False),
        sa.PrimaryKeyConstraint("lease", name=op.f("pk_lease")),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_lease_expires_at_lease"), "lease", ["expires_at", "lease"], schema=schema)


def downgrade() -> None:
    raise CommandError("0003 says what keys live as long as: going below it would forget that; nothing was changed")
