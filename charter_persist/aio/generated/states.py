"""`repositories.states` for asyncio. Made by `tools/make_async_facade.py`; do not edit."""

from __future__ import annotations

from typing import Any

from charter_persist.aio.facet import Facet
from charter_persist.model.records import Page
from charter_persist.model.state import ExecutionSnapshot
from charter_persist.repositories.states import StateReader, StateRepository


class AsyncStateReader(Facet):
    """Async form of `StateReader`."""

    async def load_snapshot(self, execution_id: str) -> ExecutionSnapshot | None:
        """Async form of `StateReader.load_snapshot`."""
        return await self._do(StateReader, lambda it: it.load_snapshot(execution_id))

    async def staleness(self, execution_id: str) -> int | None:
        """Async form of `StateReader.staleness`."""
        return await self._do(StateReader, lambda it: it.staleness(execution_id))

    async def list_snapshots(
        self, tenant_id: str, *, limit: int = 100, cursor: str | None = None
    ) -> Page[ExecutionSnapshot]:
        """Async form of `StateReader.list_snapshots`."""
        return await self._do(StateReader, lambda it: it.list_snapshots(tenant_id, limit=limit, cursor=cursor))

    async def get(self, key: str) -> bytes | None:
        """Async form of `StateReader.get`."""
        return await self._do(StateReader, lambda it: it.get(key))

    async def get_json(self, key: str) -> Any:
        """Async form of `StateReader.get_json`."""
        return await self._do(StateReader, lambda it: it.get_json(key))

    async def exists(self, key: str) -> bool:
        """Async form of `StateReader.exists`."""
        return await self._do(StateReader, lambda it: it.exists(key))


class AsyncStateRepository(AsyncStateReader):
    """Async form of `StateRepository`."""

    async def save_snapshot(self, snapshot: ExecutionSnapshot) -> None:
        """Async form of `StateRepository.save_snapshot`."""
        await self._do(StateRepository, lambda it: it.save_snapshot(snapshot))

    async def delete_snapshot(self, execution_id: str) -> bool:
        """Async form of `StateRepository.delete_snapshot`."""
        return await self._do(StateRepository, lambda it: it.delete_snapshot(execution_id))

    async def set(self, key: str, value: bytes, *, ttl_s: float | None = None) -> None:
        """Async form of `StateRepository.set`."""
        await self._do(StateRepository, lambda it: it.set(key, value, ttl_s=ttl_s))

    async def set_json(self, key: str, value: Any, *, ttl_s: float | None = None) -> None:
        """Async form of `StateRepository.set_json`."""
        await self._do(StateRepository, lambda it: it.set_json(key, value, ttl_s=ttl_s))

    async def delete(self, key: str) -> bool:
        """Async form of `StateRepository.delete`."""
        return await self._do(StateRepository, lambda it: it.delete(key))

    async def delete_execution(self, execution_id: str) -> int:
        """Async form of `StateRepository.delete_execution`."""
        return await self._do(StateRepository, lambda it: it.delete_execution(execution_id))

    async def purge_expired(self) -> int:
        """Async form of `StateRepository.purge_expired`."""
        return await self._do(StateRepository, lambda it: it.purge_expired())

    async def drop_all(self) -> int:
        """Async form of `StateRepository.drop_all`."""
        return await self._do(StateRepository, lambda it: it.drop_all())
