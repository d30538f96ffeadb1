"""What the state machine does to collections of documents with embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

from charter_persist.model.vector import VectorDocument
from charter_persist.unit_of_work import ReadView, UnitOfWork

COLLECTIONS: Final = ("c", "\U0001f600")
_DOCUMENTS: Final = ("a", "b", "\ufb33")


@dataclass(frozen=True)
class EnsureCollection:
    """Make a collection, which may be there with another dimension or metric."""

    name: str
    dimension: int
    metric: str

    def __call__(self, uow: UnitOfWork) -> Any:
        """What it is."""
        return uow.vectors.ensure_collection(self.name, self.dimension, self.metric)


@dataclass(frozen=True)
class DeleteCollection:
    """Remove a collection with its documents."""

    name: str

    def __call__(self, uow: UnitOfWork) -> Any:
        """Nothing."""
        uow.vectors.delete_collection(self.name)


@dataclass(frozen=True)
class Upsert:
    """Write documents, one alone or several at once; one alone may have an embedding of another dimension."""

    collection: str
    names: tuple[str, ...]
    first: float
    wider: int = 0

    def __call__(self, uow: UnitOfWork) -> Any:
        """How many there are then."""
        dimension = uow.vectors.info(self.collection).dimension + self.wider
        embedding = [self.first, *[1.0] * (dimension - 1)]
        documents = [VectorDocument(name, f"{name}{self.first}", embedding, {"n": self.first}) for name in self.names]
        if len(documents) == 1:
            uow.vectors.upsert(self.collection, documents[0])
        else:
            uow.vectors.upsert_batch(self.collection, documents)
        return uow.vectors.count(self.collection)


@dataclass(frozen=True)
class DeleteDocument:
    """Remove a document."""

    collection: str
    name: str
    missing_ok: bool

    def __call__(self, uow: UnitOfWork) -> Any:
        """Whether it was there."""
        return uow.vectors.delete(self.collection, self.name, missing_ok=self.missing_ok)


@dataclass(frozen=True)
class Search:
    """Look for what is nearest, over what the unit itself changed."""

    collection: str
    limit: int

    def __call__(self, uow: UnitOfWork) -> Any:
        """Documents and scores."""
        query = [1.0] * uow.vectors.info(self.collection).dimension
        return uow.vectors.search(self.collection, query, limit=self.limit)


BEGINNING: Final = (EnsureCollection(COLLECTIONS[0], 2, "cosine"), Upsert(COLLECTIONS[0], _DOCUMENTS[:2], 0.5))
_COLLECTION: Final = st.sampled_from([*COLLECTIONS[:1], *COLLECTIONS])
_NAME: Final = st.sampled_from(_DOCUMENTS)
_NUMBER: Final = st.sampled_from([-2.0, 0.1, 3.0])
DRAWN: Final = st.one_of(
    st.builds(
        EnsureCollection, st.sampled_from(COLLECTIONS), st.integers(0, 3), st.sampled_from(["cosine", "dot", "x"])
    ),
    st.builds(DeleteCollection, _COLLECTION),
    st.builds(Upsert, _COLLECTION, st.lists(_NAME, min_size=2, max_size=3).map(tuple), _NUMBER),
    st.builds(Upsert, _COLLECTION, st.tuples(_NAME), _NUMBER, st.sampled_from([0, 0, 1])),
    st.builds(DeleteDocument, _COLLECTION, _NAME, st.booleans()),
    st.builds(Search, _COLLECTION, st.integers(0, 3)),
)


def observed(view: ReadView) -> dict[str, Any]:
    """All collections, with their documents."""
    collections = view.vectors.list_collections().items
    return {"collections": [(info, list(view.vectors.iter(info.name))) for info in collections]}
