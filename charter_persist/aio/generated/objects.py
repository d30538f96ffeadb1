"""`repositories.objects` for asyncio. Made by `tools/make_async_facade.py`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from charter_persist.aio.facet import Facet
from charter_persist.model.digest import Digest, Envelope
from charter_persist.model.records import Page
from charter_persist.repositories.objects import ObjectReader, ObjectRepository


class AsyncObjectReader(Facet):
    """Async form of `ObjectReader`."""

    async def get(self, digest: str) -> Envelope | None:
        """Async form of `ObjectReader.get`."""
        return await self._do(ObjectReader, lambda it: it.get(digest))

    async def require(self, digest: str) -> Envelope:
        """Async form of `ObjectReader.require`."""
        return await self._do(ObjectReader, lambda it: it.require(digest))

    async def exists(self, digest: str) -> bool:
        """Async form of `ObjectReader.exists`."""
        return await self._do(ObjectReader, lambda it: it.exists(digest))

    async def find(self, prefix: str) -> Envelope:
        """Async form of `ObjectReader.find`."""
        return await self._do(ObjectReader, lambda it: it.find(prefix))

    def iter(self, object_type: str | None = None, *, after: int = 0) -> AsyncIterator[Envelope]:
        """Async form of `ObjectReader.iter`; differences: it is begun by its first item, and reads ahead a little."""
        return self._each(ObjectReader, lambda it: it.iter(object_type, after=after))

    async def list(
        self, object_type: str | None = None, *, limit: int = 100, cursor: str | None = None
    ) -> Page[Envelope]:
        """Async form of `ObjectReader.list`."""
        return await self._do(ObjectReader, lambda it: it.list(object_type, limit=limit, cursor=cursor))


class AsyncObjectRepository(AsyncObjectReader):
    """Async form of `ObjectRepository`."""

    async def put(self, object_type: str, content: Any) -> Digest:
        """Async form of `ObjectRepository.put`."""
        return await self._do(ObjectRepository, lambda it: it.put(object_type, content))

    async def put_many(self, items: Iterable[tuple[str, Any]]) -> list[Digest]:
        """Async form of `ObjectRepository.put_many`."""
        return await self._do(ObjectRepository, lambda it: it.put_many(items))

    async def adopt_many(self, items: Sequence[tuple[str, str, bytes]]) -> list[bool]:
        """Async form of `ObjectRepository.adopt_many`."""
        return await self._do(ObjectRepository, lambda it: it.adopt_many(items))
