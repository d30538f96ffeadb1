"""Leases for one event loop. Threads of the sync package keep them alive, however busy the loop is.

Cost: a hop and a share of the turn to write for the beginning of one, the same for its end, and the thread that keeps it.

Imports ``lease``, ``stores`` and ``errors``. Source: KV-5, DESIGN 6.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from types import TracebackType
from typing import Protocol, TypeVar

from charter_persist.aio.waiting import Attempt, settle
from charter_persist.errors import CharterError, StoreClosedError
from charter_persist.lease.lease import Lease
from charter_persist.store import Store

T = TypeVar("T")


class Lessor(Protocol):
    """What leases need of an asynchronous store."""

    sync_store: Store

    async def share(self, call: Callable[[Attempt], T]) -> T:
        """Make a call that takes the writer lock by itself, beside others of its kind."""
        ...

    async def hop(self, call: Callable[[], T]) -> T:
        """Make a call in a thread."""
        ...

    def start_unwatched(self, call: Callable[[], None]) -> None:
        """Make a call that nobody waits for."""
        ...

    def refuse_nesting(self) -> None:
        """Raise where the calling task cannot write now."""
        ...


class AsyncLease:
    """Async form of `Lease`: what ``async with store.lease(…)`` gives. Any task of the loop may use it."""

    def __init__(self, lessor: Lessor, lease: Lease) -> None:
        self.sync_lease = lease
        self.id = lease.id
        self.ttl_s = lease.ttl_s
        self._lessor = lessor
        self._ending: asyncio.Future[None] | None = None

    @property
    def lost(self) -> bool:
        """As `Lease.lost`."""
        return self.sync_lease.lost

    async def wait_lost(self, timeout_s: float | None = None) -> bool:
        """Async form of `Lease.wait_lost`; differences: it waits on the loop and holds no thread."""
        loop, told = asyncio.get_running_loop(), asyncio.Event()
        deadline = float("inf") if timeout_s is None else time.monotonic() + timeout_s

        def tell() -> None:
            with suppress(RuntimeError):  # the loop was closed, and nobody waits any more
                loop.call_soon_threadsafe(told.set)

        with self.sync_lease.telling(tell):
            while not self.lost:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, self.sync_lease.left_s)):
                        await told.wait()
        return True

    async def revoke(self) -> None:
        """Async form of `Lease.revoke`; differences: a task that is cancelled meanwhile is so when it has ended."""
        with suppress(StoreClosedError):  # then the store has abandoned it
            self._lessor.refuse_nesting()
            if self._ending is not None:
                await asyncio.wait([self._ending])
                return
            # A task of its own: whoever is cancelled while it waits for the turn still wants this done.
            self._ending = asyncio.ensure_future(self._revoke())
            await settle(self._ending)

    async def abandon(self) -> None:
        """Async form of `Lease.abandon`."""
        with suppress(StoreClosedError):
            await self._lessor.hop(self.sync_lease.abandon)

    def revoke_unwatched(self) -> None:
        """Revoke it though its task or its loop is gone."""
        self._lessor.start_unwatched(self.sync_lease.revoke)

    async def _revoke(self) -> None:
        try:
            await self._lessor.share(lambda _: self.sync_lease.revoke())
        except BaseException:
            self._lessor.start_unwatched(self.sync_lease.abandon)
            raise


class LeaseBlock(AbstractAsyncContextManager[AsyncLease]):
    """A lease that is granted when its block is entered and revoked when it is left, whoever cancels either.

    Args:
        lessor: that grants it.
        ttl_s: as for `Store.lease`.
    """

    def __init__(self, lessor: Lessor, ttl_s: float) -> None:
        self._lessor = lessor
        self._ttl_s = ttl_s
        self._opened: list[AsyncLease] = []
        self._used = self._left = False

    async def __aenter__(self) -> AsyncLease:
        if self._used:
            raise StoreClosedError("this block was entered before; open a new one")
        self._used = True
        try:
            await self._lessor.share(self._open)
        except BaseException as exc:
            await self.__aexit__(type(exc), exc, exc.__traceback__)
            raise
        return self._opened[0]

    def _open(self, attempt: Attempt) -> None:
        lease = self._lessor.sync_store._lease(self._ttl_s, attempt.guard)
        self._opened.append(AsyncLease(self._lessor, lease))
        if self._left:
            lease.revoke()  # its coroutine was thrown away meanwhile

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left = True
        for lease in self._opened:
            if isinstance(error, GeneratorExit):
                lease.revoke_unwatched()  # nothing may be awaited any more
                continue
            try:
                await lease.revoke()
            except CharterError as exc:
                if not isinstance(error, asyncio.CancelledError):
                    raise
                error.__cause__ = exc  # the task is cancelled all the same
