"""The log of metadata changes; the newest row of a key is its value."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from charter_persist.backends.sql.tables.base import STRICT, Base, Bytes, Int, Name, Position


class MetadataLog(Base):
    """One change of a key; a null value is a deletion. Only rows that a newer one replaced may be removed."""

    __tablename__ = "metadata_log"
    __table_args__ = (sa.Index(None, "key", "position"), STRICT)

    position: Mapped[Position]
    key: Mapped[Name]
    value: Mapped[Bytes | None]
    version: Mapped[Int]
    revision: Mapped[Int]
