"""The intent graph: intents and edges as they stand now, and every change of each."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from charter_persist.backends.sql.tables.base import KEYED, STRICT, Base, Bytes, Int, Name, NameKey, Position


class Intent(Base):
    """An intent now: a projection of `IntentLog`."""

    __tablename__ = "intent"
    __table_args__ = (sa.Index(None, "status", "intent_id"), KEYED)

    intent_id: Mapped[NameKey]
    status: Mapped[Name]
    version: Mapped[Int]
    revision: Mapped[Int]
    data: Mapped[Bytes]
    position: Mapped[Int]


class IntentEdge(Base):
    """An edge now: a projection of `IntentEdgeLog`."""

    __tablename__ = "intent_edge"
    __table_args__ = (sa.Index(None, "to_id", "edge_key"), KEYED)

    edge_key: Mapped[NameKey]
    from_id: Mapped[Name]
    to_id: Mapped[Name]
    edge_type: Mapped[Name]
    version: Mapped[Int]
    revision: Mapped[Int]
    data: Mapped[Bytes]
    position: Mapped[Int]


class IntentLog(Base):
    """One change of an intent; a null value is a deletion."""

    __tablename__ = "intent_log"
    __table_args__ = (sa.Index(None, "subject", "position"), STRICT)

    position: Mapped[Position]
    subject: Mapped[Name]
    version: Mapped[Int]
    revision: Mapped[Int]
    nonce: Mapped[Bytes]
    data: Mapped[Bytes | None]


class IntentEdgeLog(Base):
    """One change of an edge; a null value is a deletion."""

    __tablename__ = "intent_edge_log"
    __table_args__ = (sa.Index(None, "subject", "position"), STRICT)

    position: Mapped[Position]
    subject: Mapped[Name]
    version: Mapped[Int]
    revision: Mapped[Int]
    nonce: Mapped[Bytes]
    data: Mapped[Bytes | None]
