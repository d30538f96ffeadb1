"""An archive on a backend of its own: what a unit of work changes waits here, and is written when the unit commits.

A unit that raises leaves nothing. One that commits writes entity by entity, each durable before the next: there is no
transaction over several, so where an error ends it, those before are there. Committing the same again is harmless.

Cost: a unit holds what it stores in memory until it ends. Imports ``backends.contract`` and ``errors``.

Source: DESIGN 1 (two kinds of backend), CCOS-2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import merge
from operator import attrgetter

from charter_persist.backends.contract.single import ArchiveBackend, Stored
from charter_persist.errors import BackendError, StoreClosedError


class PendingArchive:
    """`ArchiveWriting` over an archive backend."""

    def __init__(self, backend: ArchiveBackend, now: Callable[[], int]) -> None:
        """Begin a unit.

        Args:
            backend: that is written to at the end.
            now: the time of the unit in microseconds since 1970 UTC, shown of what is not written yet.
        """
        self._backend = backend
        self._now = now
        self._changes: dict[tuple[str, str], bytes | None] = {}  # None: to be removed
        self._ended = False

    @property
    def dirty(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._changes)

    def add(self, kind: str, content_hash: str, entity_id: str, data: bytes) -> None:
        """Remember an entity; its id is part of its JSON, and is not kept apart."""
        self._check_open()
        self._changes[kind, content_hash] = data

    def remove(self, kind: str, content_hash: str) -> bool:
        """Remember to remove an entity; whether it is there."""
        self._check_open()
        if self.stat(kind, content_hash) is None:
            return False
        self._changes[kind, content_hash] = None
        return True

    def get(self, kind: str, content_hash: str) -> bytes | None:
        """The bytes as the unit sees them."""
        place = kind, content_hash
        return self._changes[place] if place in self._changes else self._backend.get(kind, content_hash)

    def stat(self, kind: str, content_hash: str) -> Stored | None:
        """What is known of an entity as the unit sees it."""
        place = kind, content_hash
        if place not in self._changes:
            return self._backend.stat(kind, content_hash)
        return self._pending(content_hash, self._changes[place])

    def scan(self, kind: str, *, after: str = "") -> Iterator[Stored]:
        """All of a kind behind a hash, by hash, as the unit sees it."""
        changes = {name: data for (of, name), data in self._changes.items() if of == kind}
        mine = [self._pending(name, data) for name, data in sorted(changes.items()) if name > after]
        theirs = (stored for stored in self._backend.scan(kind, after=after) if stored.content_hash not in changes)
        return merge(filter(None, mine), theirs, key=attrgetter("content_hash"))

    def strays(self, kind: str) -> Iterator[str]:
        """What lies among a kind and is none of it."""
        return self._backend.strays(kind)

    def commit(self) -> None:
        """End the unit well: write everything, in the order in which the unit first named it.

        Raises:
            BackendError: something could not be written; ``applied`` is "unknown" where anything may have been.
        """
        changes = self._changes
        self.rollback()
        written = False
        for (kind, content_hash), data in changes.items():
            try:
                if data is None:
                    self._backend.delete(kind, content_hash)
                else:
                    self._backend.put(kind, content_hash, data)
            except BackendError as error:
                if written:
                    error.applied = "unknown"
                raise
            written = True

    def rollback(self) -> None:
        """End the unit without a trace; harmless after the end."""
        self._ended = True
        self._changes = {}

    def _check_open(self) -> None:
        if self._ended:
            raise StoreClosedError("this unit of work has ended; begin a new one")

    def _pending(self, content_hash: str, data: bytes | None) -> Stored | None:
        return None if data is None else Stored(content_hash, len(data), self._now())
