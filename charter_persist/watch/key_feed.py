"""What a watch of keys is fed with where the backend tells of changes itself, as etcd does.

Imports ``backends.contract``. Source: KV-5, KV-8.
"""

from __future__ import annotations

from collections import deque

from charter_persist.backends.contract.single import KeyChange, KeyFeed
from charter_persist.watch.event import EventType, WatchBatch, WatchEvent
from charter_persist.watch.subjects import Subjects


class ChangeFeed:
    """`delivery.Feed` from the changes of a backend."""

    def __init__(self, changes: KeyFeed, subjects: Subjects) -> None:
        self._changes = changes
        self._subjects = subjects
        self.wait, self.wake, self.close = changes.wait, changes.wake, changes.close

    @property
    def read_to(self) -> int:
        """Up to which revision everything was taken."""
        return self._changes.revision

    def fill(self, ready: deque[WatchBatch]) -> bool:
        """Append what has come since the last call."""
        taken = self._changes.take()
        for revision, changes in taken:
            events = tuple(_event(change) for change in changes if self._subjects.fits(change.key, change.key))
            if events:
                ready.append(WatchBatch(revision, events))
        return bool(taken)


def _event(change: KeyChange) -> WatchEvent:
    key, before, after = change
    kind: EventType = "deleted" if after is None else "created" if before is None else "updated"
    old, new = before and before.value, after and after.value
    return WatchEvent(kind, "kv", key, old, new, 0 if after is None else after.version)
