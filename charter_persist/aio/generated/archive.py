"""`repositories.archive` for asyncio. Made by `tools/make_async_facade.py`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from charter_persist.aio.facet import Facet
from charter_persist.model.archive import Archivable, ArchiveReport, ArchiveStats, ContentHash
from charter_persist.model.records import Page
from charter_persist.repositories.archive import ArchiveReader, ArchiveRepository, Archives, WritableArchives


class AsyncArchiveReader(Facet):
    """Async form of `ArchiveReader`."""

    async def retrieve(self, content_hash: str, *, decode: Callable[[Any], Any] | None = None) -> Any:
        """Async form of `ArchiveReader.retrieve`."""
        return await self._do(ArchiveReader, lambda it: it.retrieve(content_hash, decode=decode))

    async def require(self, content_hash: str, *, decode: Callable[[Any], Any] | None = None) -> Any:
        """Async form of `ArchiveReader.require`."""
        return await self._do(ArchiveReader, lambda it: it.require(content_hash, decode=decode))

    async def exists(self, content_hash: str) -> bool:
        """Async form of `ArchiveReader.exists`."""
        return await self._do(ArchiveReader, lambda it: it.exists(content_hash))

    async def stats(self) -> ArchiveStats:
        """Async form of `ArchiveReader.stats`."""
        return await self._do(ArchiveReader, lambda it: it.stats())

    async def verify_integrity(self) -> ArchiveReport:
        """Async form of `ArchiveReader.verify_integrity`."""
        return await self._do(ArchiveReader, lambda it: it.verify_integrity())

    def list_hashes(self, *, after: str | None = None) -> AsyncIterator[ContentHash]:
        """Async form of `ArchiveReader.list_hashes`; differences: it is begun by its first item, and reads ahead a little."""
        return self._each(ArchiveReader, lambda it: it.list_hashes(after=after))

    async def list(self, *, limit: int = 100, cursor: str | None = None) -> Page[ContentHash]:
        """Async form of `ArchiveReader.list`."""
        return await self._do(ArchiveReader, lambda it: it.list(limit=limit, cursor=cursor))


class AsyncArchives(Facet):
    """Async form of `Archives`."""

    def __call__(self, entity_type: str) -> AsyncArchiveReader:
        """Async form of `Archives.__call__`; differences: what is wrong with it, its first use says."""
        return AsyncArchiveReader(self._hop, self._part(Archives, lambda it: it.__call__(entity_type)))


class AsyncArchiveRepository(AsyncArchiveReader):
    """Async form of `ArchiveRepository`."""

    async def store(self, entity: Archivable | Mapping[str, Any]) -> ContentHash:
        """Async form of `ArchiveRepository.store`."""
        return await self._do(ArchiveRepository, lambda it: it.store(entity))

    async def erase(self, content_hash: str) -> bool:
        """Async form of `ArchiveRepository.erase`."""
        return await self._do(ArchiveRepository, lambda it: it.erase(content_hash))


class AsyncWritableArchives(Facet):
    """Async form of `WritableArchives`."""

    def __call__(self, entity_type: str) -> AsyncArchiveRepository:
        """Async form of `WritableArchives.__call__`; differences: what is wrong with it, its first use says."""
        return AsyncArchiveRepository(self._hop, self._part(WritableArchives, lambda it: it.__call__(entity_type)))
