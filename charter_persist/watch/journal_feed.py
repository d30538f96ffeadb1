"""What a watch of a ledger is fed with: the journal, read on page by page as it grows.

Nothing is pushed and nothing is queued behind a reader: a slow one reads the journal later. Each page is read in a view
that is closed at once, so no snapshot is held and memory is bounded by a page or by one unit of work.

Cost of a wake-up: one view, one page of the journal, and what `values` says. Cost of opening: log2(n) + 1 single rows
for n journal entries, where it begins in the past.

Imports ``backends.contract``, ``repositories``, ``unit_of_work`` and ``model``.

Source: KV-5, RELIABILITY P17 to P19, DESIGN 1.2.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import Final

from charter_persist.backends.contract import Listener
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


class JournalFeed:
    """`delivery.Feed` from the journal of a ledger."""

    def __init__(self, views: Views, listen: Callable[[], Listener], subjects: Subjects, after: int | None) -> None:
        wanted = None if after is None else check_position(after, field="after")
        self._views = views
        self._subjects = subjects
        # Before anything is read, so no commit falls between reading and listening.
        listener = listen()
        try:
            with views.read() as view:
                newest = view.revision
                self.read_to = newest if wanted is None else wanted
                self._position = last_position(view.reader, min(self.read_to, newest))
        except BaseException:
            listener.close()
            raise
        self.wait, self.wake, self.close = listener.wait, listener.wake, listener.close

    def fill(self, ready: deque[WatchBatch]) -> bool:
        """Read on by a page; whether it did not come to the end."""
        weight = 0
        with self._views.read() as view:
            entries = view.journal.entries(after=self._position)
            for revision, group in groupby(entries, key=attrgetter("revision")):
                weight += self._read_revision(view, revision, group, ready)
                if weight >= PAGE_WEIGHT:
                    return True
        return False

    def _read_revision(self, view: ReadView, revision: int, entries: Iterator[Entry], ready: deque[WatchBatch]) -> int:
        """Read one revision, of which everything is there; what it weighs."""
        fitting, position, weight = [], self._position, 0
        for entry in entries:
            position, weight = entry.position, weight + 1
            if revision > self.read_to and self._subjects.may_fit(entry.store, entry.subject):
                fitting.append(entry)
        events = tuple(read_events(view.reader, self._subjects, fitting)) if fitting else ()
        if events:
            ready.append(WatchBatch(revision, events))
        self._position, self.read_to = position, max(self.read_to, revision)
        return weight + sum(event.size for event in events) // BYTES_PER_WEIGHT
