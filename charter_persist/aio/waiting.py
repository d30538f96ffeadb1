"""Waiting for what runs in a thread, through any cancellation: the one place where cancelling is decided.

A task that is cancelled while a thread works for it lets the thread come to an end first, hastened where that is
possible, and raises `asyncio.CancelledError` then. So nothing runs on behind the back of a cancelled task, and nothing
that a thread holds is left.

Imports nothing of the package. Source: DESIGN 6.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

T = TypeVar("T")
U = TypeVar("U")

# An interruption may come between two statements and stop none, so it is repeated.
INTERRUPT_AGAIN_S: Final = 0.02

Stop = Callable[["asyncio.Future[Any]"], Awaitable[None]]
"""Hastens the end of a future; when it returns, nobody waits for that future any longer."""


async def settle(future: asyncio.Future[T], stop: Stop | None = None) -> T:
    """Wait until a future is done, whoever cancels the waiting; then raise that cancellation, or return the result.

    Args:
        future: of what runs in a thread. It is never cancelled itself.
        stop: begun at the first cancellation; None waits for the future as it is.

    Raises:
        asyncio.CancelledError: the waiting was cancelled; what the future raised is its cause.
    """
    awaited: asyncio.Future[Any] = future
    cancelled: asyncio.CancelledError | None = None
    failed: BaseException | None = None
    while not awaited.done():
        try:
            await asyncio.wait([awaited])
        except asyncio.CancelledError as exc:
            if cancelled is None and stop is not None:
                awaited = asyncio.ensure_future(stop(future))
            cancelled = exc
        if awaited is not future and awaited.done():
            failed = None if awaited.cancelled() else awaited.exception()
            if awaited.cancelled() or failed is not None:
                awaited = future  # what hastens it failed, or the loop ends; the thread is there all the same
    if cancelled is None:
        return future.result()
    if not future.done():
        future.add_done_callback(asyncio.Future.exception)  # nobody asks for it any more
        raise cancelled
    raise cancelled from failed or future.exception()


async def interrupt(future: asyncio.Future[Any], interrupt_once: Callable[[], None]) -> None:
    """Interrupt until a future is done, in a thread because a server may have to be told.

    When this returns no interruption is on its way, so none can meet what runs next.
    """
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, thread_name_prefix="charter-interrupt") as thread:
        while not future.done():
            await loop.run_in_executor(thread, interrupt_once)
            await asyncio.wait([future], timeout=INTERRUPT_AGAIN_S)


class GivenUp(Exception):  # noqa: N818  # never leaves a thread unseen: its task raises CancelledError
    """The unit ends without a trace because nobody waits for it any more."""


class Attempt:
    """A unit that a thread runs from beginning to end: until its commit is decided it can be given up.

    The thread calls `begin` and `decide`, the loop calls `give_up`; whichever comes first wins.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._decided = False
        self.begun = False
        self.given_up = False

    @property
    def may_stop(self) -> bool:
        """Whether it was given up before its commit was decided: then nothing of it is ever written."""
        with self._mutex:
            return self.given_up and not self._decided

    def give_up(self) -> None:
        """Nobody waits for it any more. Where its commit is decided this comes too late."""
        with self._mutex:
            self.given_up = True

    def begin(self) -> None:
        """The unit begins, perhaps again.

        Raises:
            GivenUp: it was given up.
        """
        with self._mutex:
            self._decided = False
            self._go_on()
            self.begun = True

    def decide(self) -> None:
        """The unit is about to commit.

        Raises:
            GivenUp: it was given up.
        """
        with self._mutex:
            self._go_on()
            self._decided = True

    def guard(self, fn: Callable[[U], T]) -> Callable[[U], T]:
        """What a unit does, between its `begin` and its `decide`."""

        def unit(uow: U) -> T:
            self.begin()
            value = fn(uow)
            self.decide()
            return value

        return unit

    def _go_on(self) -> None:
        if self.given_up:
            raise GivenUp
