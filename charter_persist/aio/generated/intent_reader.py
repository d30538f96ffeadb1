"""`repositories.intent_reader` for asyncio. Made by `tools/make_async_facade.py`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator

from charter_persist.aio.facet import Facet
from charter_persist.model.intent import Edge, EdgeType, IntentFilter, StorableIntent
from charter_persist.model.records import Page
from charter_persist.repositories.intent_reader import GraphHealth, IntentReader


class AsyncIntentReader(Facet):
    """Async form of `IntentReader`."""

    async def get(self, intent_id: str) -> StorableIntent | None:
        """Async form of `IntentReader.get`."""
        return await self._do(IntentReader, lambda it: it.get(intent_id))

    async def require(self, intent_id: str) -> StorableIntent:
        """Async form of `IntentReader.require`."""
        return await self._do(IntentReader, lambda it: it.require(intent_id))

    async def exists(self, intent_id: str) -> bool:
        """Async form of `IntentReader.exists`."""
        return await self._do(IntentReader, lambda it: it.exists(intent_id))

    async def version(self, intent_id: str) -> int:
        """Async form of `IntentReader.version`."""
        return await self._do(IntentReader, lambda it: it.version(intent_id))

    def iter(self, where: IntentFilter | None = None) -> AsyncIterator[StorableIntent]:
        """Async form of `IntentReader.iter`; differences: it is begun by its first item, and reads ahead a little."""
        return self._each(IntentReader, lambda it: it.iter(where))

    async def list(
        self, where: IntentFilter | None = None, *, limit: int = 100, cursor: str | None = None
    ) -> Page[StorableIntent]:
        """Async form of `IntentReader.list`."""
        return await self._do(IntentReader, lambda it: it.list(where, limit=limit, cursor=cursor))

    async def get_edge(self, from_: str, to: str, edge_type: EdgeType | str) -> Edge | None:
        """Async form of `IntentReader.get_edge`."""
        return await self._do(IntentReader, lambda it: it.get_edge(from_, to, edge_type))

    def get_edges(self) -> AsyncIterator[Edge]:
        """Async form of `IntentReader.get_edges`; differences: it is begun by its first item, and reads ahead a little."""
        return self._each(IntentReader, lambda it: it.get_edges())

    def get_edges_for(self, intent_id: str) -> AsyncIterator[Edge]:
        """Async form of `IntentReader.get_edges_for`; differences: it is begun by its first item, and reads ahead a little."""
        return self._each(IntentReader, lambda it: it.get_edges_for(intent_id))

    async def health_check(self) -> GraphHealth:
        """Async form of `IntentReader.health_check`."""
        return await self._do(IntentReader, lambda it: it.health_check())
