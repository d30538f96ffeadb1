"""`repositories.kv_reader` for asyncio. Made by `tools/make_async_facade.py`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable

from charter_persist.aio.facet import Facet
from charter_persist.model.entry import Entry
from charter_persist.model.records import Page
from charter_persist.repositories.kv_reader import KeyValueReader


class AsyncKeyValueReader(Facet):
    """Async form of `KeyValueReader`."""

    async def get(self, key: str) -> Entry | None:
        """Async form of `KeyValueReader.get`."""
        return await self._do(KeyValueReader, lambda it: it.get(key))

    async def require(self, key: str) -> Entry:
        """Async form of `KeyValueReader.require`."""
        return await self._do(KeyValueReader, lambda it: it.require(key))

    async def exists(self, key: str) -> bool:
        """Async form of `KeyValueReader.exists`."""
        return await self._do(KeyValueReader, lambda it: it.exists(key))

    async def version(self, key: str) -> int:
        """Async form of `KeyValueReader.version`."""
        return await self._do(KeyValueReader, lambda it: it.version(key))

    @property
    def revision(self) -> Awaitable[int]:
        """Async form of `KeyValueReader.revision`; differences: the property is awaited."""
        return self._do(KeyValueReader, lambda it: it.revision)

    def iter(self, prefix: str = "", *, after: str | None = None) -> AsyncIterator[Entry]:
        """Async form of `KeyValueReader.iter`; differences: it is begun by its first item, and reads ahead a little."""
        return self._each(KeyValueReader, lambda it: it.iter(prefix, after=after))

    async def list(self, prefix: str = "", *, limit: int = 100, cursor: str | None = None) -> Page[Entry]:
        """Async form of `KeyValueReader.list`."""
        return await self._do(KeyValueReader, lambda it: it.list(prefix, limit=limit, cursor=cursor))
