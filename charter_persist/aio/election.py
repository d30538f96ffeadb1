"""The election of a leader for one event loop.

Of the tasks of a store that want the same key one stands and the others wait behind it on the loop, in the order in
which they came, with neither lease nor thread nor connection. The next one stands when that one is elected.

Cost: for the one that stands a lease, a watch and a unit an attempt; for the others nothing.

Imports ``lease`` and ``store``. Source: RELIABILITY 4.6, DESIGN 6.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from contextlib import AbstractAsyncContextManager, suppress
from types import TracebackType
from typing import Protocol

from charter_persist.aio.lease import AsyncLease, Lessor
from charter_persist.aio.watch import AsyncWatch
from charter_persist.lease.election import Candidate, Elected


class Electorate(Lessor, Protocol):
    """What an election needs of an asynchronous store.

    Attributes:
        queues: for each key that is wanted, who stands for it and who waits behind.
    """

    queues: MutableMapping[str, asyncio.Lock]

    def lease(self, ttl_s: float) -> AbstractAsyncContextManager[AsyncLease]:
        """A lease that is kept alive."""
        ...

    def watch(self, pattern: str, *, after: int | None = None) -> AbstractAsyncContextManager[AsyncWatch]:
        """Watch keys."""
        ...


class AsyncLeadership(Elected[AsyncLease]):
    """Async form of `Leadership`: what ``async with store.elect(…)`` gives."""

    __slots__ = ()

    async def wait_lost(self, timeout_s: float | None = None) -> bool:
        """Async form of `Leadership.wait_lost`; differences: it waits on the loop and holds no thread."""
        return await self.lease.wait_lost(timeout_s)

    async def resign(self) -> None:
        """Async form of `Leadership.resign`; differences: as for `AsyncLease.revoke`."""
        await self.lease.revoke()


class Election(AbstractAsyncContextManager[AsyncLeadership]):
    """A leadership that begins when its block is entered and ends when it is left, whoever cancels either.

    Args:
        store: in which it is held.
        key, value, ttl_s, timeout_s: as for `Store.elect`.
    """

    def __init__(self, store: Electorate, key: str, value: bytes, *, ttl_s: float, timeout_s: float | None) -> None:
        self._store = store
        self._key = key
        self._value = value
        self._ttl_s = ttl_s
        self._timeout_s = timeout_s
        self._block = store.lease(ttl_s)

    async def __aenter__(self) -> AsyncLeadership:
        store, loop = self._store, asyncio.get_running_loop()
        candidate = Candidate(
            store.sync_store.options, self._key, self._value, ttl_s=self._ttl_s, timeout_s=self._timeout_s
        )
        queue = store.queues.setdefault(self._key, asyncio.Lock())
        await _come_first(queue, candidate)
        try:
            lease = await self._block.__aenter__()
            try:
                revision = await self._stand(candidate, lease)
            except BaseException as exc:
                await self._block.__aexit__(type(exc), exc, exc.__traceback__)
                raise
        finally:
            if not loop.is_closed():
                queue.release()
        return AsyncLeadership(self._key, self._value, revision, lease)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._block.__aexit__(kind, error, trace)

    async def _stand(self, candidate: Candidate, lease: AsyncLease) -> int:
        """The revision that made it the leader."""
        store, held = self._store, lease.sync_lease
        async with store.watch(candidate.subject) as watch:
            while True:
                revision = await store.share(lambda attempt: candidate.claim(store.sync_store, held, attempt.guard))
                if revision is not None:
                    return revision
                with suppress(TimeoutError):
                    async with asyncio.timeout(candidate.patience_s(held)):
                        await anext(watch, None)  # None where the store was closed; the next attempt says so


async def _come_first(queue: asyncio.Lock, candidate: Candidate) -> None:
    try:
        async with asyncio.timeout(candidate.left_s):
            await queue.acquire()
    except TimeoutError as exc:
        raise candidate.too_late() from exc
