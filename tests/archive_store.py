"""Archives on a backend of their own, opened as a store is: units and views that offer nothing but ``archive``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from charter_persist.backends.contract.single import ArchiveBackend
from charter_persist.model.limits import DEFAULT_OPTIONS
from charter_persist.repositories.archive import ArchiveReader, ArchiveRepository
from charter_persist.repositories.archive_backend import PendingArchive


class ArchiveView:
    """What is read."""

    def __init__(self, backend: ArchiveBackend) -> None:
        self._backend = backend

    def archive(self, entity_type: str) -> ArchiveReader:
        """The entities of one type."""
        return ArchiveReader(self._backend, DEFAULT_OPTIONS, lambda: 0, entity_type)


class ArchiveUnit:
    """What is changed together."""

    def __init__(self, pending: PendingArchive) -> None:
        self._pending = pending

    def archive(self, entity_type: str) -> ArchiveRepository:
        """The entities of one type."""
        return ArchiveRepository(self._pending, DEFAULT_OPTIONS, lambda: 0, entity_type)


class ArchiveStore:
    """A store over an archive backend."""

    def __init__(self, backend: ArchiveBackend) -> None:
        self.backend = backend

    @contextmanager
    def begin(self) -> Iterator[ArchiveUnit]:
        """A unit of work."""
        pending = PendingArchive(self.backend, lambda: time.time_ns() // 1_000)
        try:
            yield ArchiveUnit(pending)
            pending.commit()
        finally:
            pending.rollback()

    @contextmanager
    def read(self) -> Iterator[ArchiveView]:
        """A view."""
        yield ArchiveView(self.backend)
