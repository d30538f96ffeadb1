"""`repositories.metadata` for asyncio. Made by `tools/make_async_facade.py`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from charter_persist.aio.facet import Facet
from charter_persist.model.records import MetadataEntry
from charter_persist.repositories.metadata import MetadataReader, MetadataRepository


class AsyncMetadataReader(Facet):
    """Async form of `MetadataReader`."""

    async def get(self, key: str, default: Any = None) -> Any:
        """Async form of `MetadataReader.get`."""
        return await self._do(MetadataReader, lambda it: it.get(key, default))

    async def require(self, key: str) -> Any:
        """Async form of `MetadataReader.require`."""
        return await self._do(MetadataReader, lambda it: it.require(key))

    async def entry(self, key: str) -> MetadataEntry | None:
        """Async form of `MetadataReader.entry`."""
        return await self._do(MetadataReader, lambda it: it.entry(key))

    async def exists(self, key: str) -> bool:
        """Async form of `MetadataReader.exists`."""
        return await self._do(MetadataReader, lambda it: it.exists(key))

    def iter(self, prefix: str = "") -> AsyncIterator[MetadataEntry]:
        """Async form of `MetadataReader.iter`; differences: it is begun by its first item, and reads ahead a little."""
        return self._each(MetadataReader, lambda it: it.iter(prefix))

    def history(self, key: str) -> AsyncIterator[MetadataEntry]:
        """Async form of `MetadataReader.history`; differences: it is begun by its first item, and reads ahead a little."""
        return self._each(MetadataReader, lambda it: it.history(key))


class AsyncMetadataRepository(AsyncMetadataReader):
    """Async form of `MetadataRepository`."""

    async def set(self, key: str, value: Any, *, expected: int | None = None) -> int:
        """Async form of `MetadataRepository.set`."""
        return await self._do(MetadataRepository, lambda it: it.set(key, value, expected=expected))

    async def delete(self, key: str, *, expected: int | None = None) -> None:
        """Async form of `MetadataRepository.delete`."""
        await self._do(MetadataRepository, lambda it: it.delete(key, expected=expected))

    async def compact(self) -> int:
        """Async form of `MetadataRepository.compact`."""
        return await self._do(MetadataRepository, lambda it: it.compact())
