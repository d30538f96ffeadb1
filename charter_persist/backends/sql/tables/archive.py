"""Archives: entities by the SHA-256 of their canonical JSON."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from charter_persist.backends.sql.tables.base import STRICT, Base, Bytes, Hex, Int, Name, Position, length


class ArchiveEntry(Base):
    """One entity; ``data`` is null and the nonce empty where it was erased. Nothing else of a row ever changes."""

    __tablename__ = "archive_entry"
    __table_args__ = (
        sa.UniqueConstraint("entity_type", "content_hash", "generation"),
        length("content_hash", 32),
        STRICT,
    )

    position: Mapped[Position]
    entity_type: Mapped[Name]
    content_hash: Mapped[Hex]
    generation: Mapped[Int]
    entity_id: Mapped[Name]
    size: Mapped[Int]
    stored_at: Mapped[Int]
    nonce: Mapped[Bytes]
    data: Mapped[Bytes | None]
