"""A watch: what happens to the subjects of a pattern, batch by batch, taken from its feed when it is asked for.

Imports ``backends.contract``, ``errors`` and ``event``. Source: KV-5, RELIABILITY P18, DESIGN 3.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, Protocol

from charter_persist.backends.contract import Listener
from charter_persist.errors import CharterError
from charter_persist.watch.event import WatchBatch

# How long a wake-up that was lost can go unnoticed.
POLL_S: Final = 1.0


class Feed(Listener, Protocol):
    """Where batches come from: the journal, or the changes that a backend tells of."""

    @property
    def read_to(self) -> int:
        """Up to which revision everything was read, matching or not."""
        ...

    def fill(self, ready: deque[WatchBatch]) -> bool:
        """Append the next batches, a bounded number of them, without waiting; whether there may be more at once.

        What was appended before it raises stays, and a later call goes on behind it.
        """
        ...


class Watch:
    """Every change of the matching subjects once, in order, all of one unit of work together; use `Store.watch`.

    It is an iterator and an asynchronous iterator of `WatchBatch`. It is for one reader at a time, but any thread may
    close it; then it ends. An error leaves it where it was: asking again goes on from there. No more than one
    iteration may wait for it at a time.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._ready: deque[WatchBatch] = deque()
        self._closed = threading.Event()
        self._waiter: ThreadPoolExecutor | None = None

    @property
    def revision(self) -> int:
        """Up to which revision everything was delivered, matching or not: the bookmark to go on ``after``."""
        return self._ready[0].revision - 1 if self._ready else self._feed.read_to

    def close(self) -> None:
        """End it, also while another thread waits for it; a second call does nothing."""
        self._closed.set()
        self._feed.wake()
        if self._waiter is not None:
            self._waiter.shutdown()
        self._feed.close()

    def __iter__(self) -> Iterator[WatchBatch]:
        return self

    def __next__(self) -> WatchBatch:
        """Return the next batch, waiting for it as long as it takes.

        Raises:
            StopIteration: the watch was closed.
            CompactedError: values that are needed were compacted; ``oldest`` is a revision to go on after.
            BackendError: the store could not be read.
        """
        self._fill(self._closed)
        if self._closed.is_set():
            raise StopIteration
        return self._ready.popleft()

    def poll(self, timeout_s: float) -> WatchBatch | None:
        """Return the next batch, or None where none came in time or the watch was closed.

        Args:
            timeout_s: how long to wait; seconds, 0 for what is there already.

        Raises:
            CompactedError: as for the iterator.
            BackendError: as for the iterator.
        """
        self._fill(self._closed, time.monotonic() + timeout_s)
        return self._ready.popleft() if self._ready and not self._closed.is_set() else None

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> WatchBatch:
        """As `__next__`, waiting in a thread; a cancelled call ends the waiting and loses nothing."""
        if self._closed.is_set():
            raise StopAsyncIteration
        given_up = threading.Event()
        if self._waiter is None:
            # Of its own: watches that wait must not use up the threads that the loop's other work needs.
            self._waiter = ThreadPoolExecutor(1, thread_name_prefix="charter-watch")
        waiting = asyncio.get_running_loop().run_in_executor(self._waiter, self._fill, given_up)
        try:
            await asyncio.shield(waiting)
        except asyncio.CancelledError:
            given_up.set()
            self._feed.wake()
            await asyncio.wait([waiting])
            raise
        if self._closed.is_set():
            raise StopAsyncIteration
        return self._ready.popleft()

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _fill(self, given_up: threading.Event, deadline: float = float("inf")) -> None:
        """Read until a batch is ready, or nobody waits for one any more."""
        while not (self._ready or self._closed.is_set() or given_up.is_set()):
            try:
                more = self._feed.fill(self._ready)
            except CharterError:
                if self._closed.is_set():
                    return
                if not self._ready:
                    raise
                return  # what was read before it is delivered first; the next call meets it again
            left = deadline - time.monotonic()
            if self._ready or (left <= 0 and not more):
                return
            if not more:
                self._feed.wait(min(POLL_S, left))
