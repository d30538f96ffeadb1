"""Threads and messages: what they are now, and every change of them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from charter_persist.backends.sql.tables.base import KEYED, STRICT, Base, Bytes, Int, Name, NameKey, Position


class Thread(Base):
    """A thread now: a projection of `ThreadLog`."""

    __tablename__ = "thread"
    __table_args__ = (
        sa.Index(None, "tenant_id", "ordinal"),
        sa.Index(None, "tenant_id", "user_id", "ordinal"),
        KEYED,
    )

    thread_id: Mapped[NameKey]
    tenant_id: Mapped[Name]
    user_id: Mapped[Name]
    ordinal: Mapped[Int]
    version: Mapped[Int]
    position: Mapped[Int]
    deleted: Mapped[Int]


class ThreadLog(Base):
    """A thread after one change. Payload and nonce may be erased."""

    __tablename__ = "thread_log"
    __table_args__ = (sa.UniqueConstraint("thread_id", "version"), STRICT)

    position: Mapped[Position]
    thread_id: Mapped[Name]
    tenant_id: Mapped[Name]
    user_id: Mapped[Name]
    version: Mapped[Int]
    revision: Mapped[Int]
    deleted: Mapped[Int]
    nonce: Mapped[Bytes]
    data: Mapped[Bytes | None]


class Message(Base):
    """A message now, without what it says: a projection of `MessageLog`."""

    __tablename__ = "message"
    __table_args__ = (sa.Index(None, "thread_id", "ordinal"), sa.Index(None, "parent_id", "ordinal"), KEYED)

    message_id: Mapped[NameKey]
    thread_id: Mapped[Name]
    parent_id: Mapped[Name]
    ordinal: Mapped[Int]
    version: Mapped[Int]
    position: Mapped[Int]
    deleted: Mapped[Int]


class MessageLog(Base):
    """A message after one change. Payload and nonce may be erased."""

    __tablename__ = "message_log"
    __table_args__ = (sa.UniqueConstraint("message_id", "version"), STRICT)

    position: Mapped[Position]
    message_id: Mapped[Name]
    thread_id: Mapped[Name]
    parent_id: Mapped[Name]
    version: Mapped[Int]
    revision: Mapped[Int]
    deleted: Mapped[Int]
    nonce: Mapped[Bytes]
    data: Mapped[Bytes | None]
