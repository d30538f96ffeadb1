"""What executions cache; all of it may be dropped."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from charter_persist.backends.sql.tables.base import KEYED, STRICT, Base, Bytes, Int, Name, NameKey


class StateSnapshot(Base):
    """The newest snapshot of an execution."""

    __tablename__ = "state_snapshot"
    __table_args__ = (sa.Index(None, "tenant_id", "execution_id"), STRICT)

    execution_id: Mapped[NameKey]
    tenant_id: Mapped[Name]
    sequence_number: Mapped[Int]
    data: Mapped[Bytes]


class StateValue(Base):
    """A cached value and when it ends."""

    __tablename__ = "state_value"
    __table_args__ = (sa.Index(None, "expires_at", "key"), KEYED)

    key: Mapped[NameKey]
    expires_at: Mapped[Int]
    value: Mapped[Bytes]
