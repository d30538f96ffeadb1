"""`repositories.intents` for asyncio. Made by `tools/make_async_facade.py`; do not edit."""

from __future__ import annotations

from collections.abc import Iterable

from charter_persist.aio.generated.intent_reader import AsyncIntentReader
from charter_persist.model.intent import Edge, EdgeType, StorableIntent
from charter_persist.repositories.intents import IntentRepository


class AsyncIntentRepository(AsyncIntentReader):
    """Async form of `IntentRepository`."""

    async def store(self, intent: StorableIntent) -> str:
        """Async form of `IntentRepository.store`."""
        return await self._do(IntentRepository, lambda it: it.store(intent))

    async def update(self, intent: StorableIntent, *, expected: int | None = None) -> int:
        """Async form of `IntentRepository.update`."""
        return await self._do(IntentRepository, lambda it: it.update(intent, expected=expected))

    async def delete(self, intent_id: str) -> None:
        """Async form of `IntentRepository.delete`."""
        await self._do(IntentRepository, lambda it: it.delete(intent_id))

    async def add_edge(self, edge: Edge) -> None:
        """Async form of `IntentRepository.add_edge`."""
        await self._do(IntentRepository, lambda it: it.add_edge(edge))

    async def delete_edge(self, from_: str, to: str, edge_type: EdgeType | str) -> None:
        """Async form of `IntentRepository.delete_edge`."""
        await self._do(IntentRepository, lambda it: it.delete_edge(from_, to, edge_type))

    async def clear_all(self) -> int:
        """Async form of `IntentRepository.clear_all`."""
        return await self._do(IntentRepository, lambda it: it.clear_all())

    async def replace_all(self, intents: Iterable[StorableIntent], edges: Iterable[Edge]) -> None:
        """Async form of `IntentRepository.replace_all`."""
        await self._do(IntentRepository, lambda it: it.replace_all(intents, edges))
