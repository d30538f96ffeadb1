"""`repositories.leases` for asyncio. Made by `tools/make_async_facade.py`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator

from charter_persist.aio.facet import Facet
from charter_persist.repositories.leases import LeaseReader, LeaseRepository


class AsyncLeaseReader(Facet):
    """Async form of `LeaseReader`."""

    async def expires_at(self, lease: str) -> int | None:
        """Async form of `LeaseReader.expires_at`."""
        return await self._do(LeaseReader, lambda it: it.expires_at(lease))

    def keys(self, lease: str) -> AsyncIterator[str]:
        """Async form of `LeaseReader.keys`; differences: it is begun by its first item, and reads ahead a little."""
        return self._each(LeaseReader, lambda it: it.keys(lease))

    def overdue(self, moment: int) -> AsyncIterator[str]:
        """Async form of `LeaseReader.overdue`; differences: it is begun by its first item, and reads ahead a little."""
        return self._each(LeaseReader, lambda it: it.overdue(moment))

    def missing(self) -> AsyncIterator[str]:
        """Async form of `LeaseReader.missing`; differences: it is begun by its first item, and reads ahead a little."""
        return self._each(LeaseReader, lambda it: it.missing())

    async def next_end(self) -> int | None:
        """Async form of `LeaseReader.next_end`."""
        return await self._do(LeaseReader, lambda it: it.next_end())


class AsyncLeaseRepository(AsyncLeaseReader):
    """Async form of `LeaseRepository`."""

    async def grant(self, ttl_s: float) -> str:
        """Async form of `LeaseRepository.grant`."""
        return await self._do(LeaseRepository, lambda it: it.grant(ttl_s))

    async def keep_alive(self, lease: str) -> float:
        """Async form of `LeaseRepository.keep_alive`."""
        return await self._do(LeaseRepository, lambda it: it.keep_alive(lease))

    async def end(self, lease: str) -> None:
        """Async form of `LeaseRepository.end`."""
        await self._do(LeaseRepository, lambda it: it.end(lease))
