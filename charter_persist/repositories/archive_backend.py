"""An archive on a backend of its own: what a unit of work changes waits here, and is written when the unit commits.

A unit that raises leaves nothing. One that commits writes entity by entity, each durable before the next: there is no
transaction over several, so where an error ends it, those before are there. Committing the same again is harmless.

What is kept already keeps its time where it is stored again. It is still written at the end, as only the backend's own
look makes durable what another writer has begun.

Cost: a unit holds what it stores in memory until it ends. Storing looks at nothing; to ask about what waits costs a look
at the backend, and where that has as many bytes under its hash, a read of them. Imports ``backends.contract`` and ``errors``.

Source: DESIGN 1 (two kinds of backend), CCOS-2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Final

from charter_persist.backends.contract.single import ArchiveBackend, Stored
from charter_persist.errors import BackendError, CorruptStoreError, StoreClosedError


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
        kept = self._backend.stat(kind, content_hash)
        return self._seen(kind, content_hash, kept)

    def scan(self, kind: str, *, after: str = "") -> Iterator[Stored]:
        """All of a kind behind a hash, by hash, as the unit sees it."""
        kept = ((stored.content_hash, stored) for stored in self._backend.scan(kind, after=after))
        waiting = [(name, None) for of, name in sorted(self._changes) if of == kind and name > after]
        both = merge(kept, waiting, key=_BY_HASH)
        for content_hash, found in groupby(both, key=_BY_HASH):
            _, first = next(found)  # what is kept, where anything is
            stored = self._seen(kind, content_hash, first)
            if stored is not None:
                yield stored

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

    def _seen(self, kind: str, content_hash: str, kept: Stored | None) -> Stored | None:
        """What is known of an entity as the unit sees it, by what the backend keeps."""
        place = kind, content_hash
        if place not in self._changes:
            return kept
        data = self._changes[place]
        if data is None:
            return None
        if kept is not None and kept.size == len(data) and self._keeps(kind, content_hash, data):
            return kept
        return Stored(content_hash, len(data), self._now())

    def _keeps(self, kind: str, content_hash: str, data: bytes) -> bool:
        """Whether the backend has these bytes; what is damaged is replaced when the unit ends."""
        try:
            return self._backend.get(kind, content_hash) == data
        except CorruptStoreError:
            return False


_BY_HASH: Final = itemgetter(0)
