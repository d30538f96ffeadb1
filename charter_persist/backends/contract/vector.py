"""Collections of vectors and their documents, as rows. A cache: no journal entry tells of them. Source: ENA-5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from charter_persist.backends.contract.access import Reader
from charter_persist.backends.contract.relation import Relation


class VectorCollectionRow(NamedTuple):
    """A collection with its number of documents; ``stamp`` is another one after each change of its documents, and no other collection ever has it."""

    name: str
    dimension: int
    metric: str
    documents: int
    stamp: bytes


class VectorDocumentRow(NamedTuple):
    """A document; ``embedding`` is float32, little-endian, ``metadata`` canonical JSON, ``content`` UTF-8."""

    collection: str
    id: str
    embedding: bytes
    metadata: bytes
    content: bytes


class VectorPointRow(NamedTuple):
    """What a search looks at of a document."""

    collection: str
    id: str
    embedding: bytes
    metadata: bytes


@runtime_checkable
class Nearest(Protocol):
    """What a reader may have beside `Reader`: it finds near documents where they lie, and does not hand out the collection."""

    def nearest(self, row: VectorCollectionRow, query: bytes, limit: int) -> Sequence[str] | None:
        """Ids of documents, in any order: of all that can be among the nearest ``limit``, and of few others.

        Every document whose score, in double precision, is among the best or equal to one of them, is there: what the
        database computes with may be wrong, and by how much must be known. An index that finds most of them will not do.

        Args:
            row: the collection, as this reader reads it.
            query: an embedding as stored, of its dimension.
            limit: 1 or more.

        Returns:
            The ids; None where this cannot tell, so the collection must be read: for lack of an extension, for contents that
            it does not cover, and where reading is as fast.

        Raises:
            BackendError: the database or its extension failed.
        """
        ...


def nearest(reader: Reader, row: VectorCollectionRow, query: bytes, limit: int) -> Sequence[str] | None:
    """As `Nearest.nearest`; None of a reader that has no such thing."""
    return reader.nearest(row, query, limit) if isinstance(reader, Nearest) else None


VECTOR_COLLECTION = Relation("vector_collection", VectorCollectionRow, ("name",), (("name",),), mutable=True)

VECTOR_DOCUMENT = Relation(
    "vector_document",
    VectorDocumentRow,
    ("collection", "id"),
    (("collection", "id"),),
    mutable=True,
    payload="content",
)

VECTOR_POINT = Relation(
    "vector_document",
    VectorPointRow,
    ("collection", "id"),
    (("collection", "id"),),
    mutable=True,
    payload="embedding",
)
"""A narrower look at the documents, and not a table."""
