"""Keys and values: what each key holds now, and every change of it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from charter_persist.backends.sql.tables.base import KEYED, STRICT, Base, Bytes, Int, Name, NameKey, Position


class KvEntry(Base):
    """What a key holds now: a projection of `KvChange`."""

    __tablename__ = "kv_entry"
    __table_args__ = (KEYED,)

    key: Mapped[NameKey]
    value: Mapped[Bytes]
    version: Mapped[Int]
    revision: Mapped[Int]
    created_at: Mapped[Int]
    updated_at: Mapped[Int]
    position: Mapped[Int]
    lease: Mapped[Name | None]


class KvChange(Base):
    """One change of a key; a null value is a deletion. Only rows that a newer one replaced may be removed."""

    __tablename__ = "kv_change"
    __table_args__ = (sa.Index(None, "key", "position"), STRICT)

    position: Mapped[Position]
    key: Mapped[Name]
    version: Mapped[Int]
    revision: Mapped[Int]
    nonce: Mapped[Bytes]
    value: Mapped[Bytes | None]
    created_at: Mapped[Int]
    updated_at: Mapped[Int]
    lease: Mapped[Name | None]


class KvLease(Base):
    """A key that is attached to a lease now: a projection of `KvEntry`."""

    __tablename__ = "kv_lease"
    __table_args__ = (KEYED,)

    lease: Mapped[NameKey]
    key: Mapped[NameKey]


class Lease(Base):
    """A lease that has not ended, as far as anybody has looked."""

    __tablename__ = "lease"
    __table_args__ = (sa.Index(None, "expires_at", "lease"), KEYED)

    lease: Mapped[NameKey]
    ttl: Mapped[Int]
    expires_at: Mapped[Int]
