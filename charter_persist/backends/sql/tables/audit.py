"""Audit events in the order they were appended."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from charter_persist.backends.sql.tables.base import STRICT, Base, Bytes, Int, Name, Position


class AuditEvent(Base):
    """One event; ``data`` holds its canonical bytes, the other columns are copies for queries."""

    __tablename__ = "audit_event"
    __table_args__ = (
        sa.UniqueConstraint("event_id"),
        sa.Index(None, "scope", "position"),
        sa.Index(None, "event_type", "position"),
        sa.Index(None, "subject_type", "subject_id", "position"),
        STRICT,
    )

    position: Mapped[Position]
    event_id: Mapped[Name]
    event_type: Mapped[Name]
    occurred_at: Mapped[Int]
    actor: Mapped[Name | None]
    scope: Mapped[Name]
    subject_type: Mapped[Name]
    subject_id: Mapped[Name]
    context: Mapped[Name]
    data: Mapped[Bytes]
