"""Collections of vectors and their documents, as rows. A cache: no journal entry tells of them. Source: ENA-5."""

from __future__ import annotations

from typing import NamedTuple

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
