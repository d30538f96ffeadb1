"""Rows for tests of the etcd backend, and short ways to write and to wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from charter_persist.backends.contract.kv import KvEntryRow
from charter_persist.backends.contract.single import KeyBackend, KeyChanges, KeyFeed

PATIENCE_S = 30.0


def row(
    key: str, value: bytes = b"", *, lease: str | None = None, created_at: int = 1, updated_at: int = 2
) -> KvEntryRow:
    """A row that shall be written."""
    return KvEntryRow(key, value, 0, 0, created_at, updated_at, 0, lease)


def write(backend: KeyBackend, changes: Mapping[str, bytes | None]) -> int:
    """Write without reading; the revision."""
    rows = {key: None if value is None else row(key, value) for key, value in changes.items()}
    return backend.transaction().commit(rows)


def put(backend: KeyBackend, key: str, value: bytes = b"") -> int:
    """Write one key; the revision."""
    return write(backend, {key: value})


def keys(backend: KeyBackend, prefix: str = "") -> dict[str, bytes]:
    """What keys hold."""
    return {found.key: found.value for found in backend.snapshot().scan(prefix)}


def eventually(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def collect(feed: KeyFeed, upto: int) -> list[KeyChanges]:
    """All changes up to a revision that brought one."""
    found: list[KeyChanges] = []
    deadline = time.monotonic() + PATIENCE_S
    while not found or found[-1].revision < upto:
        assert time.monotonic() < deadline, f"nothing came after revision {found[-1].revision if found else None}"
        feed.wait(0.2)
        found += feed.take()
    return found
