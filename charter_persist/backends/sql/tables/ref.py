"""Named pointers and every change of them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from charter_persist.backends.sql.tables.base import KEYED, STRICT, Base, Hex, Int, Name, NameKey, Position, length


class Ref(Base):
    """Where a ref points now: a projection of `RefLog`."""

    __tablename__ = "ref"
    __table_args__ = (length("digest", 32), KEYED)

    name: Mapped[NameKey]
    digest: Mapped[Hex]
    version: Mapped[Int]
    revision: Mapped[Int]
    position: Mapped[Int]


class RefLog(Base):
    """One change of a ref; a null digest is a deletion."""

    __tablename__ = "ref_log"
    __table_args__ = (sa.Index(None, "name", "position"), length("digest", 32), STRICT)

    position: Mapped[Position]
    name: Mapped[Name]
    digest: Mapped[Hex | None]
    version: Mapped[Int]
    revision: Mapped[Int]
