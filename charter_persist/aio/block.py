"""A block of the sync package, a unit of work or a view, entered, used and left in threads.

Cost: one hop to enter, one a call, one to leave; a hop is 50 to 100 µs.

Imports ``errors``. Source: DESIGN 6.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType
from typing import Any, Generic, TypeVar

from charter_persist.aio.desks import Desk
from charter_persist.aio.facet import Hop
from charter_persist.aio.waiting import settle
from charter_persist.errors import InvalidInputError, StoreClosedError

S = TypeVar("S")
A = TypeVar("A")
T = TypeVar("T")


class Block(AbstractAsyncContextManager[A], Generic[S, A]):
    """The asynchronous form of a context manager whose calls block.

    It commits, rolls back or closes in every case, however often its task is cancelled meanwhile. Calls of several
    tasks are made one after another.

    Args:
        desk: where its calls are made.
        among: the open blocks of the store; this one is in it while it is open.
        open_block: makes the context manager; called in a thread.
        wrap: makes what ``async with`` gives, of a hop and of what the context manager gave.
    """

    def __init__(
        self,
        desk: Desk,
        among: set[Block[Any, Any]],
        open_block: Callable[[], AbstractContextManager[S]],
        wrap: Callable[[Hop, S], A],
    ) -> None:
        self._desk = desk
        self._among = among
        self._open_block = open_block
        self._wrap = wrap
        self._manager: AbstractContextManager[S] | None = None
        self._given: list[S] = []
        self._used = self._left = self._revoked = False
        self._loop = asyncio.get_running_loop()
        self._order = asyncio.Lock()  # so that calls that wait for one another hold no threads
        self._running = threading.Lock()

    async def __aenter__(self) -> A:
        if self._used:
            raise StoreClosedError("this block was entered before; open a new one")
        self._used = True
        await self._desk.take()
        self._among.add(self)
        try:
            await self.hop(self._enter)
        except BaseException as exc:
            await self._leave(type(exc), exc, exc.__traceback__)
            raise
        return self._wrap(self.hop, self._given[0])

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._revoked and self._desk.writes and error is None:
            raise StoreClosedError("the store was closed before this block ended; nothing that it changed was written")
        await self._leave(kind, error, trace)

    async def revoke(self) -> None:
        """End it in place of its task, as if it had raised; for a store that closes."""
        if not self._left:
            self._revoked = True
            error = StoreClosedError()
            await self._leave(type(error), error, None)

    async def hop(self, call: Callable[[], T]) -> T:
        """Make a call on what was opened, in a thread, after all calls before it.

        Raises:
            InvalidInputError: this is another event loop.
        """
        if asyncio.get_running_loop() is not self._loop:
            raise InvalidInputError("a unit of work or a view belongs to the event loop in which it was opened")
        async with self._order:
            return await settle(self._desk.threads.start(lambda: self._alone(call)), self._desk.stop)

    def _alone(self, call: Callable[[], T]) -> T:
        with self._running:
            return call()

    def _enter(self) -> None:
        if self._left:
            raise StoreClosedError("the store is closed; connect again")
        manager = self._open_block()
        self._given.append(manager.__enter__())
        self._manager = manager

    async def _leave(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._left:
            return
        self._left = True

        def leave() -> None:
            if self._manager is not None:
                self._manager.__exit__(kind, error, trace)

        if isinstance(error, GeneratorExit):
            # The task or its loop is gone, so nothing may be awaited any more; a thread can do it alone.
            self._desk.threads.start_unwatched(lambda: self._alone(leave), self._release_from_thread)
            return
        try:
            future = self._desk.threads.start(lambda: self._alone(leave))
            if self._revoked:
                await self._desk.stop(future)
            await settle(future)
        finally:
            self._release()

    def _release(self) -> None:
        self._among.discard(self)
        self._desk.release()

    def _release_from_thread(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._release)
