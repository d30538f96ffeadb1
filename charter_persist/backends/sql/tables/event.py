"""Events of executions, in the order of each execution and of the journal."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from charter_persist.backends.sql.tables.base import KEYED, STRICT, Base, Bytes, Int, Name, NameKey, Position


class Event(Base):
    """One event of an execution. Payload and nonce may be erased, all else stands as it was appended."""

    __tablename__ = "event"
    __table_args__ = (sa.UniqueConstraint("execution_id", "sequence"), STRICT)

    position: Mapped[Position]
    execution_id: Mapped[Name]
    sequence: Mapped[Int]
    tenant_id: Mapped[Name]
    type: Mapped[Name]
    revision: Mapped[Int]
    recorded_at: Mapped[Int]
    nonce: Mapped[Bytes]
    data: Mapped[Bytes | None]


class Execution(Base):
    """An execution that has events: a projection of the first of them."""

    __tablename__ = "execution"
    __table_args__ = (sa.Index(None, "tenant_id", "execution_id"), KEYED)

    execution_id: Mapped[NameKey]
    tenant_id: Mapped[Name]
    position: Mapped[Int]
