"""Where the calls of an asynchronous store are made: one thread for what writes, a few for what reads.

The writing thread belongs to whoever has the turn, for the life of that unit. Views share their threads and have one
only while a call runs, so a view that is open and idle costs a connection and no thread. Connections may cross threads;
two calls on one never overlap.

Imports ``errors``. Source: DESIGN 6.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol, TypeVar

from charter_persist.aio.turn import SHARES, Turn
from charter_persist.aio.waiting import Stop, interrupt, settle
from charter_persist.errors import StoreBusyError, StoreClosedError

T = TypeVar("T")

READ_THREADS: Final = 16
# Fewer than the connections that a backend's pool gives, beside those of watches and of the threads that read.
VIEWS_MAX: Final = 40


class Threads:
    """A pool of threads that ends with the store; a thread is made when there is work for it.

    Args:
        name: of the threads.
        count: at most so many.
    """

    def __init__(self, name: str, count: int) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._closed = False

    def start(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Make a call in a thread, with a copy of the context variables of the caller.

        Raises:
            StoreClosedError: the store is closed.
        """
        if self._closed:
            raise StoreClosedError("the store is closed; connect again")
        context = contextvars.copy_context()
        return asyncio.get_running_loop().run_in_executor(self._executor, context.run, _call, call)

    def start_unwatched(self, call: Callable[[], Any], then: Callable[[], None]) -> None:
        """Make a call that nobody can wait for, because its task or its loop is gone; ``then`` runs in the thread."""
        if self._closed:
            then()  # the store has ended what was open
        else:
            self._executor.submit(call).add_done_callback(lambda _: then())

    def refuse(self) -> None:
        """Begin nothing any more; called on the loop."""
        self._closed = True

    def close(self) -> None:
        """End the threads when what was begun has ended; blocks until then."""
        self._executor.shutdown()


def _call(call: Callable[[], T]) -> T:
    try:
        return call()
    except StopIteration as exc:
        raise RuntimeError("a call in a thread raised StopIteration, which no future can carry") from exc


class Desk(Protocol):
    """What a block needs to work in threads.

    Attributes:
        threads: that make its calls.
        writes: whether a block that the store ended has lost something.
    """

    threads: Threads
    writes: bool

    async def take(self) -> None:
        """Wait until a block may be opened."""
        ...

    def release(self) -> None:
        """A block was left."""
        ...

    async def stop(self, future: asyncio.Future[Any]) -> None:
        """Hasten the end of a call that nobody wants any more, and wait for it."""
        ...


class WritingDesk:
    """One block at a time, on one thread; a cancelled call is interrupted.

    Args:
        timeout_s: how long to wait for the turn.
        interrupt_once: `Store.interrupt`.
    """

    writes = True

    def __init__(self, timeout_s: float, interrupt_once: Callable[[], None]) -> None:
        self.threads = Threads("charter-write", 1)
        self.shared = Threads("charter-run", SHARES)
        self.turn = Turn(timeout_s)
        self._interrupt_once = interrupt_once

    async def take(self) -> None:
        """Wait for the turn."""
        await self.turn.take()

    def release(self) -> None:
        """Pass the turn on."""
        self.turn.release()

    async def stop(self, future: asyncio.Future[Any]) -> None:
        """Interrupt the one unit that runs until it has ended."""
        await interrupt(future, self._interrupt_once)

    async def run_alone(self, call: Callable[[], T], stop: Stop) -> T:
        """Make one call that takes the writer lock by itself."""
        await self.take()
        try:
            return await settle(self.threads.start(call), stop)
        finally:
            self.release()


class WatchingDesk:
    """Any number of blocks over `READ_THREADS` threads; a statement that runs is waited for."""

    writes = False

    def __init__(self, threads: Threads) -> None:
        self.threads = threads

    async def take(self) -> None:
        """Nothing has to be waited for."""

    def release(self) -> None:
        """Nobody waits."""

    async def stop(self, future: asyncio.Future[Any]) -> None:
        """Wait; reading is short."""
        await asyncio.wait([future])


class ReadingDesk(WatchingDesk):
    """Up to `VIEWS_MAX` blocks.

    Args:
        threads: that make their calls.
        timeout_s: how long to wait until another view is closed.
    """

    def __init__(self, threads: Threads, timeout_s: float) -> None:
        super().__init__(threads)
        self._views = asyncio.Semaphore(VIEWS_MAX)
        self._timeout_s = timeout_s

    async def take(self) -> None:
        """Wait until fewer than `VIEWS_MAX` views are open.

        Raises:
            StoreBusyError: none of them was closed in time.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._views.acquire()
        except TimeoutError as exc:
            raise StoreBusyError(f"{VIEWS_MAX} views of this store are open; close some, then try again") from exc

    def release(self) -> None:
        """A view was closed."""
        self._views.release()
