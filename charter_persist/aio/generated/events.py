"""`repositories.events` for asyncio. Made by `tools/make_async_facade.py`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from charter_persist.aio.facet import Facet
from charter_persist.model.event import StoredEvent, Unknown
from charter_persist.model.records import Page
from charter_persist.model.upcasting import Upcasters
from charter_persist.repositories.events import Event, EventReader, EventRepository


class AsyncEventReader(Facet):
    """Async form of `EventReader`."""

    async def latest(self, execution_id: str) -> int:
        """Async form of `EventReader.latest`."""
        return await self._do(EventReader, lambda it: it.latest(execution_id))

    async def execution_exists(self, execution_id: str) -> bool:
        """Async form of `EventReader.execution_exists`."""
        return await self._do(EventReader, lambda it: it.execution_exists(execution_id))

    def load(
        self, execution_id: str, *, after: int = 0, limit: int | None = None, upcasters: Upcasters | None = None
    ) -> AsyncIterator[StoredEvent]:
        """Async form of `EventReader.load`; differences: it is begun by its first item, and reads ahead a little."""
        return self._each(EventReader, lambda it: it.load(execution_id, after=after, limit=limit, upcasters=upcasters))

    async def get(self, execution_id: str, sequence: int, *, upcasters: Upcasters | None = None) -> StoredEvent | None:
        """Async form of `EventReader.get`."""
        return await self._do(EventReader, lambda it: it.get(execution_id, sequence, upcasters=upcasters))

    async def list(
        self, execution_id: str, *, limit: int = 100, cursor: str | None = None, upcasters: Upcasters | None = None
    ) -> Page[StoredEvent]:
        """Async form of `EventReader.list`."""
        return await self._do(
            EventReader, lambda it: it.list(execution_id, limit=limit, cursor=cursor, upcasters=upcasters)
        )

    def iter_all(
        self, *, after: int = 0, limit: int | None = None, upcasters: Upcasters | None = None
    ) -> AsyncIterator[StoredEvent]:
        """Async form of `EventReader.iter_all`; differences: it is begun by its first item, and reads ahead a little."""
        return self._each(EventReader, lambda it: it.iter_all(after=after, limit=limit, upcasters=upcasters))

    async def list_executions(self, tenant_id: str, *, limit: int = 100, cursor: str | None = None) -> Page[str]:
        """Async form of `EventReader.list_executions`."""
        return await self._do(EventReader, lambda it: it.list_executions(tenant_id, limit=limit, cursor=cursor))


class AsyncEventRepository(AsyncEventReader):
    """Async form of `EventRepository`."""

    async def latest(self, execution_id: str) -> int:
        """Async form of `EventRepository.latest`."""
        return await self._do(EventRepository, lambda it: it.latest(execution_id))

    async def append(
        self,
        execution_id: str,
        event: Event,
        *,
        tenant_id: str,
        expected: int | None = None,
        unknown: Unknown = "refuse",
    ) -> int:
        """Async form of `EventRepository.append`."""
        return await self._do(
            EventRepository,
            lambda it: it.append(execution_id, event, tenant_id=tenant_id, expected=expected, unknown=unknown),
        )

    async def append_batch(
        self,
        execution_id: str,
        events: Iterable[Event],
        *,
        tenant_id: str,
        expected: int | None = None,
        unknown: Unknown = "refuse",
    ) -> int:
        """Async form of `EventRepository.append_batch`."""
        return await self._do(
            EventRepository,
            lambda it: it.append_batch(execution_id, events, tenant_id=tenant_id, expected=expected, unknown=unknown),
        )

    async def erase(self, execution_id: str, *, sequence: int | None = None) -> int:
        """Async form of `EventRepository.erase`."""
        return await self._do(EventRepository, lambda it: it.erase(execution_id, sequence=sequence))
