"""`repositories.vectors` for asyncio. Made by `tools/make_async_facade.py`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from charter_persist.aio.facet import Facet
from charter_persist.model.records import Page
from charter_persist.model.vector import CollectionInfo, DistanceMetric, VectorDocument, VectorSearchResult
from charter_persist.model.vector_filter import VectorFilter
from charter_persist.repositories.vectors import VectorReader, VectorRepository


class AsyncVectorReader(Facet):
    """Async form of `VectorReader`."""

    async def collection_exists(self, collection: str) -> bool:
        """Async form of `VectorReader.collection_exists`."""
        return await self._do(VectorReader, lambda it: it.collection_exists(collection))

    async def info(self, collection: str) -> CollectionInfo:
        """Async form of `VectorReader.info`."""
        return await self._do(VectorReader, lambda it: it.info(collection))

    async def list_collections(self, *, limit: int = 100, cursor: str | None = None) -> Page[CollectionInfo]:
        """Async form of `VectorReader.list_collections`."""
        return await self._do(VectorReader, lambda it: it.list_collections(limit=limit, cursor=cursor))

    async def count(self, collection: str) -> int:
        """Async form of `VectorReader.count`."""
        return await self._do(VectorReader, lambda it: it.count(collection))

    async def get(self, collection: str, document_id: str) -> VectorDocument | None:
        """Async form of `VectorReader.get`."""
        return await self._do(VectorReader, lambda it: it.get(collection, document_id))

    async def require(self, collection: str, document_id: str) -> VectorDocument:
        """Async form of `VectorReader.require`."""
        return await self._do(VectorReader, lambda it: it.require(collection, document_id))

    def iter(self, collection: str) -> AsyncIterator[VectorDocument]:
        """Async form of `VectorReader.iter`; differences: it is begun by its first item, and reads ahead a little."""
        return self._each(VectorReader, lambda it: it.iter(collection))

    async def list(self, collection: str, *, limit: int = 100, cursor: str | None = None) -> Page[VectorDocument]:
        """Async form of `VectorReader.list`."""
        return await self._do(VectorReader, lambda it: it.list(collection, limit=limit, cursor=cursor))

    async def search(
        self,
        collection: str,
        query: Any,
        *,
        limit: int = 10,
        filter: VectorFilter | None = None,
        min_score: float | None = None,
    ) -> tuple[VectorSearchResult, ...]:
        """Async form of `VectorReader.search`."""
        return await self._do(
            VectorReader, lambda it: it.search(collection, query, limit=limit, filter=filter, min_score=min_score)
        )


class AsyncVectorRepository(AsyncVectorReader):
    """Async form of `VectorRepository`."""

    async def ensure_collection(
        self, collection: str, dimension: int, metric: DistanceMetric | str = DistanceMetric.COSINE
    ) -> CollectionInfo:
        """Async form of `VectorRepository.ensure_collection`."""
        return await self._do(VectorRepository, lambda it: it.ensure_collection(collection, dimension, metric))

    async def delete_collection(self, collection: str) -> None:
        """Async form of `VectorRepository.delete_collection`."""
        await self._do(VectorRepository, lambda it: it.delete_collection(collection))

    async def upsert(self, collection: str, document: VectorDocument) -> None:
        """Async form of `VectorRepository.upsert`."""
        await self._do(VectorRepository, lambda it: it.upsert(collection, document))

    async def upsert_batch(self, collection: str, documents: Iterable[VectorDocument]) -> int:
        """Async form of `VectorRepository.upsert_batch`."""
        return await self._do(VectorRepository, lambda it: it.upsert_batch(collection, documents))

    async def delete(self, collection: str, document_id: str, *, missing_ok: bool = False) -> bool:
        """Async form of `VectorRepository.delete`."""
        return await self._do(VectorRepository, lambda it: it.delete(collection, document_id, missing_ok=missing_ok))

    async def search(self, collection: str, query: Any, **options: Any) -> tuple[VectorSearchResult, ...]:
        """Async form of `VectorRepository.search`."""
        return await self._do(VectorRepository, lambda it: it.search(collection, query, **options))
