"""The journal for asyncio. Made by `tools/make_async_facade.py`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator

from charter_persist.aio.facet import Facet
from charter_persist.journal.entry import Entry
from charter_persist.journal.ledger import JournalReader


class AsyncJournalReader(Facet):
    """Async form of `JournalReader`."""

    async def size(self) -> int:
        """Async form of `JournalReader.size`."""
        return await self._do(JournalReader, lambda it: it.size())

    async def last(self) -> Entry | None:
        """Async form of `JournalReader.last`."""
        return await self._do(JournalReader, lambda it: it.last())

    async def entry(self, position: int) -> Entry | None:
        """Async form of `JournalReader.entry`."""
        return await self._do(JournalReader, lambda it: it.entry(position))

    def entries(self, *, after: int = 0, limit: int | None = None) -> AsyncIterator[Entry]:
        """Async form of `JournalReader.entries`; differences: it is begun by its first item, and reads ahead a little."""
        return self._each(JournalReader, lambda it: it.entries(after=after, limit=limit))

    async def root(self, size: int | None = None) -> bytes:
        """Async form of `JournalReader.root`."""
        return await self._do(JournalReader, lambda it: it.root(size))

    async def inclusion_proof(self, position: int, size: int | None = None) -> list[bytes]:
        """Async form of `JournalReader.inclusion_proof`."""
        return await self._do(JournalReader, lambda it: it.inclusion_proof(position, size))

    async def consistency_proof(self, size1: int, size2: int | None = None) -> list[bytes]:
        """Async form of `JournalReader.consistency_proof`."""
        return await self._do(JournalReader, lambda it: it.consistency_proof(size1, size2))
