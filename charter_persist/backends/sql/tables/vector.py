"""Collections of vectors and their documents: a cache, which the journal does not tell of."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from charter_persist.backends.sql.tables.base import KEYED, STRICT, Base, Bytes, Int, Name, NameKey


class VectorCollection(Base):
    """A collection and how many documents it has; the stamp is another one after each change of its documents."""

    __tablename__ = "vector_collection"
    __table_args__ = (KEYED,)

    name: Mapped[NameKey]
    dimension: Mapped[Int]
    metric: Mapped[Name]
    documents: Mapped[Int]
    stamp: Mapped[Bytes]


class VectorDocument(Base):
    """A document; on SQLite two rows of 384 dimensions share a page because the key is an index beside the table."""

    __tablename__ = "vector_document"
    __table_args__ = (STRICT,)

    collection: Mapped[NameKey]
    id: Mapped[NameKey]
    embedding: Mapped[Bytes]
    metadata_: Mapped[Bytes] = mapped_column("metadata")
    content: Mapped[Bytes]
