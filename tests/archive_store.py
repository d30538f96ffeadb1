"""A store over an archive backend that a test made itself; `connect` makes the others."""

from __future__ import annotations

import os
import uuid

from charter_persist.backends.contract.single import ArchiveBackend
from charter_persist.model.limits import DEFAULT_OPTIONS
from charter_persist.model.time import utc_now
from charter_persist.repositories.base import Sources
from charter_persist.stores.archives import ArchiveStore


def archive_store(backend: ArchiveBackend) -> ArchiveStore:
    """A store over the backend; closing it closes that."""
    sources = Sources(utc_now, lambda: str(uuid.uuid4()), lambda: os.urandom(16), DEFAULT_OPTIONS)
    return ArchiveStore(backend, sources)
