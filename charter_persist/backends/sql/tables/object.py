"""Immutable objects by their digest."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from charter_persist.backends.sql.tables.base import STRICT, Base, Bytes, Hex, Int, Name, Position, length


class Object(Base):
    """One immutable object; ``data`` is the canonical bytes that were hashed, never JSONB.

    The rowid is the journal position and the digest a unique index: measured faster than a digest-keyed table.
    """

    __tablename__ = "object"
    __table_args__ = (sa.UniqueConstraint("digest"), sa.Index(None, "type", "position"), length("digest", 32), STRICT)

    position: Mapped[Position]
    digest: Mapped[Hex]
    hash_version: Mapped[Name]
    type: Mapped[Name]
    size: Mapped[Int]
    data: Mapped[Bytes]
