"""`AsyncStore`: a store for one event loop, over the sync one, which does all the work.

Cost: `begin` three hops and one a call, `run` one hop, a view as a unit. What waits for its turn to write waits on
the loop and holds neither a thread nor a connection.

Imports ``store`` and what stands under it. Source: DESIGN 6.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from charter_persist.aio.block import Block
from charter_persist.aio.desks import READ_THREADS, ReadingDesk, Threads, WatchingDesk, WritingDesk
from charter_persist.aio.election import AsyncLeadership, Election
from charter_persist.aio.generated.store import StoreFacet
from charter_persist.aio.generated.views import AsyncReadView, AsyncUnitOfWork
from charter_persist.aio.lease import AsyncLease, LeaseBlock
from charter_persist.aio.waiting import Attempt, settle
from charter_persist.aio.watch import AsyncWatch
from charter_persist.errors import ForkedHandleError, InvalidInputError, StoreClosedError
from charter_persist.model.digest import Digest
from charter_persist.store import Health, Store
from charter_persist.unit_of_work import Outcome, UnitOfWork

T = TypeVar("T")


class AsyncStore(StoreFacet):
    """Async form of `Store`: for any number of tasks of one event loop. Use `connect_async` to make one.

    A task that is cancelled rolls its unit back, wherever it awaits; while the commit is on its way it waits for the
    answer and is cancelled then, and the receipt of the unit tells. When `asyncio.CancelledError` is raised no thread,
    connection or lock is held for that task any more.

    Args:
        sync_store: does the work; it belongs to this one from now on.
        timeout_s: how long a unit waits for its turn, and a view for a place.
    """

    def __init__(self, sync_store: Store, *, timeout_s: float) -> None:
        super().__init__(self.hop, lambda: sync_store, self.write)
        self.sync_store = sync_store
        self._loop = asyncio.get_running_loop()
        self._pid = os.getpid()
        self._writing = WritingDesk(timeout_s, sync_store.interrupt)
        self._reading = ReadingDesk(Threads("charter-read", READ_THREADS), timeout_s)
        self._watching = WatchingDesk(self._reading.threads)
        self._threads = (self._writing.threads, self._writing.shared, self._reading.threads)
        self._blocks: set[Block[Any, Any]] = set()
        self._runs: set[Attempt] = set()
        self.queues: MutableMapping[str, asyncio.Lock] = WeakValueDictionary()
        self._closing: asyncio.Future[None] | None = None

    def begin(
        self, *, connection: Any = None, timeout_s: float | None = None
    ) -> AbstractAsyncContextManager[AsyncUnitOfWork]:
        """Async form of `Store.begin`; differences: one task at a time, and whoever waits for it holds no thread."""
        self._check_usable()
        store = self.sync_store
        return Block(
            self._writing,
            self._blocks,
            lambda: store.begin(connection=connection, timeout_s=timeout_s),
            lambda hop, unit: AsyncUnitOfWork(hop, lambda: unit),
        )

    def read(self, *, as_of: int | None = None) -> AbstractAsyncContextManager[AsyncReadView]:
        """Async form of `Store.read`; differences: it is opened by ``async with``, and up to 40 are at one time."""
        self._check_usable()
        store = self.sync_store
        return Block(
            self._reading,
            self._blocks,
            lambda: store.read(as_of=as_of),
            lambda hop, view: AsyncReadView(hop, lambda: view),
        )

    def watch(self, pattern: str, *, after: int | None = None) -> AbstractAsyncContextManager[AsyncWatch]:
        """Async form of `Store.watch`; differences: it is opened by ``async with``."""
        self._check_usable()
        store = self.sync_store
        return Block(self._watching, self._blocks, lambda: store.watch(pattern, after=after), AsyncWatch)

    async def run(self, fn: Callable[[UnitOfWork], T], *, operation_id: str | None = None) -> Outcome[T]:
        """Async form of `Store.run`; ``fn`` is a plain function, gets a sync unit and is called in a thread."""
        store = self.sync_store
        return await self.share(lambda attempt: store.run(attempt.guard(fn), operation_id=operation_id))

    def lease(self, ttl_s: float) -> AbstractAsyncContextManager[AsyncLease]:
        """Async form of `Store.lease`; differences: it is opened by ``async with``, and not inside a unit of the task."""
        self._check_usable()
        return LeaseBlock(self, ttl_s)

    def elect(
        self, key: str, value: bytes = b"", *, ttl_s: float = 10.0, timeout_s: float | None = None
    ) -> AbstractAsyncContextManager[AsyncLeadership]:
        """Async form of `Store.elect`; differences: as for `lease`, and tasks are elected in the order in which they came."""
        self._check_usable()
        return Election(self, key, value, ttl_s=ttl_s, timeout_s=timeout_s)

    async def stage(self, object_type: str, content: Any) -> Digest:
        """Async form of `Store.stage`; differences: it is the task that may have no unit of work open."""
        self.refuse_nesting()
        store = self.sync_store
        return await self.hop(lambda: store.stage(object_type, content))

    async def share(self, call: Callable[[Attempt], T]) -> T:
        """Make a call that takes the writer lock by itself, beside others of its kind: those that meet share a commit.

        Args:
            call: gets what guards its unit, so that it can be given up until its commit is decided.
        """
        self._check_usable()
        turn = self._writing.turn
        await turn.take(shared=True)
        attempt = Attempt()
        try:
            future = self._writing.shared.start(lambda: call(attempt))
        except BaseException:
            turn.release(shared=True)
            raise
        self._runs.add(attempt)
        future.add_done_callback(lambda _: self._run_has_ended(attempt))
        return await settle(future, lambda future: self._give_up(attempt, future))

    def _run_has_ended(self, attempt: Attempt) -> None:
        self._runs.discard(attempt)
        self._writing.turn.release(shared=True)

    def refuse_nesting(self) -> None:
        """Raise where the calling task cannot write now: it has a unit of work, or the store is none of its own."""
        self._check_usable()
        self._writing.turn.refuse_nesting()

    def start_unwatched(self, call: Callable[[], None]) -> None:
        """Make a call that nobody waits for."""
        self._writing.shared.start_unwatched(call, lambda: None)

    async def _give_up(self, attempt: Attempt, future: asyncio.Future[Any]) -> None:
        """End a run nobody waits for: at once where nobody else is served by the commit that it waits for."""
        attempt.give_up()
        turn = self._writing.turn
        if turn.sharing == len(self._runs) and all(run.may_stop for run in self._runs):
            with turn.held():
                await self._writing.stop(future)
        elif attempt.begun or not attempt.may_stop:
            await asyncio.wait([future])
        # Else it has not begun; when its turn comes it finds that it was given up, and nothing is written.

    async def health_check(self) -> Health:
        """Async form of `Store.health_check`."""
        return self.sync_store.health_check() if self._closing else await super().health_check()

    async def close(self) -> None:
        """Async form of `Store.close`; differences: open units are rolled back, what `run` began is waited for."""
        if self._pid != os.getpid():
            return
        if self._closing is None or self._closing.cancelled():
            if not self._loop.is_closed():
                self._check_loop()
            self._closing = asyncio.ensure_future(self._close())
        await settle(self._closing)

    async def _close(self) -> None:
        self._writing.turn.refuse(StoreClosedError("the store was closed; connect again"))
        for block in list(self._blocks):
            await block.revoke()
        for threads in self._threads:
            threads.refuse()
        closing = Threads("charter-close", 1)
        await settle(closing.start(self._close_all))
        closing.close()

    def _close_all(self) -> None:
        for threads in self._threads:
            threads.close()
        self.sync_store.close()

    async def hop(self, call: Callable[[], T]) -> T:
        """Make a call that reads, in a thread."""
        self._check_usable()
        return await settle(self._reading.threads.start(call))

    async def write(self, call: Callable[[], T], attempt: Attempt | None = None) -> T:
        """Make a call that takes the writer lock by itself, in the writing thread.

        Args:
            call: the call.
            attempt: tells whether the call can still be interrupted; None where it always can.
        """
        self._check_usable()
        return await self._writing.run_alone(call, self._stop_of(attempt))

    def _stop_of(self, attempt: Attempt | None) -> Callable[[asyncio.Future[Any]], Awaitable[None]]:
        async def stop(future: asyncio.Future[Any]) -> None:
            if attempt is not None:
                attempt.give_up()
            if attempt is None or attempt.may_stop:
                await self._writing.stop(future)
            else:
                await asyncio.wait([future])

        return stop

    def _check_usable(self) -> None:
        if self._pid != os.getpid():
            raise ForkedHandleError
        if self._closing is not None:
            raise StoreClosedError("the store is closed; connect again")
        self._check_loop()

    def _check_loop(self) -> None:
        if asyncio.get_running_loop() is not self._loop:
            raise InvalidInputError("the store belongs to another event loop; use connect_async in each loop")

    async def __aenter__(self) -> AsyncStore:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def open_async(open_store: Callable[[], Store], *, timeout_s: float) -> AsyncStore:
    """Open a sync store in a thread, and make it one of the running loop.

    Args:
        open_store: calls `connect`.
        timeout_s: as for `AsyncStore`.
    """
    opening = Threads("charter-connect", 1)
    opened: list[Store] = []
    try:
        await settle(opening.start(lambda: opened.append(open_store())))
    except asyncio.CancelledError:
        for store in opened:
            await settle(opening.start(store.close))
        raise
    finally:
        opening.close()
    return AsyncStore(opened[0], timeout_s=timeout_s)
