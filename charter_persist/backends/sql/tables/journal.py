"""The spine: journal entries, the tiles of their tree, the head row of Postgres, named operations, the store's id."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from charter_persist.backends.sql.tables.base import (
    INT64,
    KEYED,
    STRICT,
    Base,
    Bytes,
    Hex,
    Int,
    Name,
    NameKey,
    Position,
    length,
)


class Journal(Base):
    """One entry for one change; entries hold commitments, never payloads."""

    __tablename__ = "journal"
    __table_args__ = (length("commitment", 32), length("leaf", 32), STRICT)

    position: Mapped[Position]
    revision: Mapped[Int]
    store: Mapped[Name]
    subject: Mapped[Name]
    operation: Mapped[Name]
    commitment: Mapped[Hex]
    recorded_at: Mapped[Int]
    leaf: Mapped[Hex]


class JournalTile(Base):
    """A complete tile of the tree: 256 hashes, then the 255 roots above them."""

    __tablename__ = "journal_tile"
    __table_args__ = (length("root", 32), length("nodes", 511 * 32), STRICT)

    level: Mapped[int] = mapped_column(INT64, primary_key=True, autoincrement=False)
    tile: Mapped[int] = mapped_column(INT64, primary_key=True, autoincrement=False)
    root: Mapped[Hex]  # before the nodes, so that reading it alone does not fetch them
    nodes: Mapped[Bytes]


class JournalHead(Base):
    """Postgres only: where the journal ends. The lock of this one row is the writer lock."""

    __tablename__ = "journal_head"
    __table_args__ = (
        sa.CheckConstraint("id = 1", name="one_row"),
        length("root", 32),
        {"postgresql_with": {"fillfactor": "50"}},
    )

    id: Mapped[Position]
    position: Mapped[Int]
    revision: Mapped[Int]
    root: Mapped[Hex]


class Operation(Base):
    """Value and receipt of a named unit of work: tells after a lost answer whether it was committed."""

    __tablename__ = "operation"
    __table_args__ = (length("digest", 32), KEYED)

    operation_id: Mapped[NameKey]
    value: Mapped[Bytes]
    revision: Mapped[Int | None]
    first_position: Mapped[Int | None]
    size: Mapped[Int | None]
    root: Mapped[Hex | None]
    recorded_at: Mapped[Int]
    digest: Mapped[Hex]


class StoreIdentity(Base):
    """The one row that says which store this is; written once, by the first migration."""

    __tablename__ = "store_identity"
    __table_args__ = (sa.CheckConstraint("id = 1", name="one_row"), STRICT)

    id: Mapped[Position]
    store_id: Mapped[Name]
    created_at: Mapped[Int]
