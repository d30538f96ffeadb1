"""Deliberations: their present state, and the whole of them after each change."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from charter_persist.backends.sql.tables.base import (
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


class Session(Base):
    """The state of a session now; ``digest`` names the object it was sealed to."""

    __tablename__ = "session"
    __table_args__ = (sa.Index(None, "area_id", "state", "session_id"), length("digest", 32), KEYED)

    session_id: Mapped[NameKey]
    area_id: Mapped[Name]
    state: Mapped[Name]
    version: Mapped[Int]
    digest: Mapped[Hex | None]
    position: Mapped[Int]


class SessionCandidate(Base):
    """A candidate of a session now."""

    __tablename__ = "session_candidate"
    __table_args__ = (KEYED,)

    session_id: Mapped[NameKey]
    candidate_id: Mapped[NameKey]
    ordinal: Mapped[Int]
    data: Mapped[Bytes]


class SessionStance(Base):
    """The stance of an actor on a candidate now."""

    __tablename__ = "session_stance"
    __table_args__ = (KEYED,)

    session_id: Mapped[NameKey]
    actor_id: Mapped[NameKey]
    candidate_id: Mapped[NameKey]
    stance: Mapped[Name]
    data: Mapped[Bytes]


class SessionLog(Base):
    """The canonical bytes of a whole session after one change, with the nonce of its commitment."""

    __tablename__ = "session_log"
    __table_args__ = (sa.UniqueConstraint("session_id", "version"), STRICT)

    position: Mapped[Position]
    session_id: Mapped[Name]
    version: Mapped[Int]
    revision: Mapped[Int]
    nonce: Mapped[Bytes]
    data: Mapped[Bytes]
