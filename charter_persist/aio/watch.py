"""A watch for one event loop.

Imports ``watch``. Source: KV-5, DESIGN 6.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from charter_persist.aio.facet import Hop
from charter_persist.watch.delivery import Watch
from charter_persist.watch.event import WatchBatch


class AsyncWatch(AsyncIterator[WatchBatch]):
    """Async form of `Watch`: what ``async with store.watch(…)`` gives. A cancelled call loses no batch."""

    def __init__(self, hop: Hop, watch: Watch) -> None:
        self._hop = hop
        self._watch = watch

    @property
    def revision(self) -> int:
        """Up to which revision everything was delivered: the bookmark to go on ``after``."""
        return self._watch.revision

    async def __anext__(self) -> WatchBatch:
        """Async form of `Watch.__next__`."""
        return await anext(self._watch)

    async def close(self) -> None:
        """Async form of `Watch.close`; any task may call it."""
        await self._hop(self._watch.close)
