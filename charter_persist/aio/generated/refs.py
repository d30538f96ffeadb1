"""`repositories.refs` for asyncio. Made by `tools/make_async_facade.py`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator

from charter_persist.aio.facet import Facet
from charter_persist.model.records import Page, Ref
from charter_persist.repositories.refs import RefReader, RefRepository


class AsyncRefReader(Facet):
    """Async form of `RefReader`."""

    async def get(self, name: str) -> Ref | None:
        """Async form of `RefReader.get`."""
        return await self._do(RefReader, lambda it: it.get(name))

    async def require(self, name: str) -> Ref:
        """Async form of `RefReader.require`."""
        return await self._do(RefReader, lambda it: it.require(name))

    async def exists(self, name: str) -> bool:
        """Async form of `RefReader.exists`."""
        return await self._do(RefReader, lambda it: it.exists(name))

    def iter(self, prefix: str = "") -> AsyncIterator[Ref]:
        """Async form of `RefReader.iter`; differences: it is begun by its first item, and reads ahead a little."""
        return self._each(RefReader, lambda it: it.iter(prefix))

    async def list(self, prefix: str = "", *, limit: int = 100, cursor: str | None = None) -> Page[Ref]:
        """Async form of `RefReader.list`."""
        return await self._do(RefReader, lambda it: it.list(prefix, limit=limit, cursor=cursor))

    def history(self, name: str) -> AsyncIterator[Ref]:
        """Async form of `RefReader.history`; differences: it is begun by its first item, and reads ahead a little."""
        return self._each(RefReader, lambda it: it.history(name))


class AsyncRefRepository(AsyncRefReader):
    """Async form of `RefRepository`."""

    async def set(self, name: str, digest: str, *, expected: int) -> Ref:
        """Async form of `RefRepository.set`."""
        return await self._do(RefRepository, lambda it: it.set(name, digest, expected=expected))

    async def delete(self, name: str, *, expected: int) -> None:
        """Async form of `RefRepository.delete`."""
        await self._do(RefRepository, lambda it: it.delete(name, expected=expected))
