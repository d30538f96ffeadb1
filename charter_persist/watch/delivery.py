"""A watch: what happens to the subjects of a pattern, batch by batch, read from the journal when it is asked for.

Nothing is pushed and nothing is queued behind a reader: a slow one reads the journal later. Each page is read in a view
that is closed at once, so no snapshot is held and memory is bounded by a page or by one unit of work.

Cost of a wake-up: one view, one page of the journal, and what `values` says. Cost of opening: log2(n) + 1 single rows
for n journal entries, where it begins in the past.

Imports ``backends.contract``, ``repositories``, ``unit_of_work``, ``model`` and ``errors``.

Source: KV-5, RELIABILITY P17 to P19, DESIGN 1.2 and 3.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from operator import attrgetter
from types import TracebackType
from typing import Final

from charter_persist.backends.contract import Listener, Reader
from charter_persist.errors import CharterError
from charter_persist.journal.entry import Entry
from charter_persist.model.text import check_position
from charter_persist.repositories.past import last_position
from charter_persist.unit_of_work import ReadView, Views
from charter_persist.watch.event import WatchBatch
from charter_persist.watch.subjects import Subjects
from charter_persist.watch.values import read_events

# A page ends with the revision that makes it weigh more; so many bytes of values weigh as much as one entry.
PAGE_WEIGHT: Final = 512
BYTES_PER_WEIGHT: Final = 4_096
# How long a wake-up that was lost can go unnoticed.
POLL_S: Final = 1.0


class Watch:
    """Every change of the matching subjects once, in order, all of one unit of work together; use `Store.watch`.

    It is an iterator and an asynchronous iterator of `WatchBatch`. It is for one reader at a time, but any thread may
    close it; then it ends. An error leaves it where it was: asking again goes on from there. No more than one
    iteration may wait for it at a time.
    """

    def __init__(self, views: Views, listen: Callable[[], Listener], subjects: Subjects, after: int | None) -> None:
        wanted = None if after is None else check_position(after, field="after")
        self._views = views
        self._subjects = subjects
        self._ready: deque[WatchBatch] = deque()
        self._closed = threading.Event()
        self._waiter: ThreadPoolExecutor | None = None
        # Before anything is read, so no commit falls between reading and listening.
        self._listener = listen()
        try:
            with views.read() as view:
                newest = view.revision
                self._read_to = newest if wanted is None else wanted
                self._position = last_position(view.reader, min(self._read_to, newest))
        except BaseException:
            self._listener.close()
            raise

    @property
    def revision(self) -> int:
        """Up to which revision everything was delivered, matching or not: the bookmark to go on ``after``."""
        return self._ready[0].revision - 1 if self._ready else self._read_to

    def close(self) -> None:
        """End it, also while another thread waits for it; a second call does nothing."""
        self._closed.set()
        self._listener.wake()
        if self._waiter is not None:
            self._waiter.shutdown()
        self._listener.close()

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
            self._listener.wake()
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

    def _fill(self, given_up: threading.Event) -> None:
        """Read until a batch is ready, or nobody waits for one any more."""
        while not (self._ready or self._closed.is_set() or given_up.is_set()):
            try:
                with self._views.read() as view:
                    more = self._read_page(view)
            except CharterError:
                if self._closed.is_set():
                    return
                if not self._ready:
                    raise
                return  # what was read before it is delivered first; the next call meets it again
            if not (more or self._ready):
                self._listener.wait(POLL_S)

    def _read_page(self, view: ReadView) -> bool:
        """Read on by a page; whether it did not come to the end."""
        weight = 0
        entries = view.journal.entries(after=self._position)
        for revision, group in groupby(entries, key=attrgetter("revision")):
            weight += self._read_revision(view.reader, revision, group)
            if weight >= PAGE_WEIGHT:
                return True
        return False

    def _read_revision(self, reader: Reader, revision: int, entries: Iterator[Entry]) -> int:
        """Read one revision, of which everything is there; what it weighs."""
        fitting, position, weight = [], self._position, 0
        for entry in entries:
            position, weight = entry.position, weight + 1
            if revision > self._read_to and self._subjects.may_fit(entry.store, entry.subject):
                fitting.append(entry)
        events = tuple(read_events(reader, self._subjects, fitting)) if fitting else ()
        if events:
            self._ready.append(WatchBatch(revision, events))
        self._position, self._read_to = position, max(self._read_to, revision)
        return weight + sum(event.size for event in events) // BYTES_PER_WEIGHT
