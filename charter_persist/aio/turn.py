"""Whose turn it is to write: a fair queue in front of the writer lock, in which waiting costs neither thread nor connection.

A unit that is open over several awaits has the turn for itself. Plain functions of `run` share it, because those that
meet share a commit. Who came first is let in first, so neither kind starves the other.

Imports ``errors``. Source: DESIGN 6.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from charter_persist.errors import CharterError, InvalidInputError, StoreBusyError

# Above this many threads a shared commit gains little.
SHARES: Final = 16


class Turn:
    """A lock that one task has for itself, or up to `SHARES` runs together. It belongs to one event loop.

    Args:
        timeout_s: how long to wait for it.

    Attributes:
        sharing: how many runs have it now.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._owner: asyncio.Task[Any] | None = None
        self._taken = False
        self.sharing = 0
        self._held = 0
        self._waiting: deque[tuple[asyncio.Future[None], bool]] = deque()

    async def take(self, *, shared: bool = False) -> None:
        """Wait for the turn; `release` it in the same mode.

        Raises:
            StoreBusyError: it was not free in time.
            InvalidInputError: this task has it already.
        """
        self.refuse_nesting()
        if self._waiting or not self._is_free(shared):
            await self._wait(shared)
        else:
            self._let_in(shared)
        if not shared:
            self._owner = asyncio.current_task()

    def release(self, *, shared: bool = False) -> None:
        """Let in who waits."""
        if shared:
            self.sharing -= 1
        else:
            self._taken, self._owner = False, None
        self._next()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nobody in meanwhile."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            self._next()

    def refuse_nesting(self) -> None:
        """Raise where the calling task has the turn for itself.

        Raises:
            InvalidInputError: it would wait for itself.
        """
        if self._owner is not None and self._owner is asyncio.current_task():
            raise InvalidInputError("this task has a unit of work open; use that one, or end it first")

    def refuse(self, error: CharterError) -> None:
        """Raise an error in everybody who waits."""
        for future, _ in self._waiting:
            if not (future.done() or future.get_loop().is_closed()):
                future.set_exception(error)

    async def _wait(self, shared: bool) -> None:
        future = asyncio.get_running_loop().create_future()
        place = (future, shared)
        self._waiting.append(place)
        try:
            async with asyncio.timeout(self._timeout_s):
                await future
        except BaseException as exc:
            if place in self._waiting:
                self._waiting.remove(place)
            if _is_let_in(future):
                self.release(shared=shared)  # at the moment in which the waiting ended
            else:
                self._next()
            if isinstance(exc, TimeoutError):
                raise StoreBusyError from exc
            raise

    def _is_free(self, shared: bool) -> bool:
        return not (self._taken or self._held) and (self.sharing < SHARES if shared else self.sharing == 0)

    def _let_in(self, shared: bool) -> None:
        if shared:
            self.sharing += 1
        else:
            self._taken = True

    def _next(self) -> None:
        while self._waiting:
            future, shared = self._waiting[0]
            if future.get_loop().is_closed():
                return
            if not future.done():
                if not self._is_free(shared):
                    return
                self._let_in(shared)
                future.set_result(None)
            self._waiting.popleft()


def _is_let_in(future: asyncio.Future[None]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None
