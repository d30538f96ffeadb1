"""Where a program runs: a new store of one backend, or the one that a URL names."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from charter_persist import Store, connect, upgrade
from charter_persist.integrity.verify import verify
from tests.postgres import create_database, drop_database

UNIT_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Place:
    """A store, and the keys in it that a program has for itself.

    Attributes:
        url: by which every client connects.
        root: that all keys of the program begin with.
        shared: the one handle on a store that lives in memory; its clients are threads.
    """

    url: str
    root: str = field(default_factory=lambda: f"/{uuid.uuid4().hex[:8]}")
    shared: Store | None = None

    @property
    def has_processes(self) -> bool:
        """Whether clients are processes, which can be killed."""
        return self.shared is None

    @property
    def is_postgres(self) -> bool:
        return self.url.startswith("postgresql")

    @contextmanager
    def store(self) -> Iterator[Store]:
        """A handle for one client."""
        if self.shared is not None:
            yield self.shared
            return
        with connect(self.url, unit_timeout_s=UNIT_TIMEOUT_S) as store:
            yield store


def has_journal(store: Store) -> bool:
    """Whether what a program did can be compared with a journal."""
    return store.capabilities.supports_append_only


def check_journal(store: Store) -> None:
    """Whatever was done to the store, its journal is sound."""
    if has_journal(store):
        assert verify(store, store_id=store.store_id).findings == ()


@contextmanager
def in_memory() -> Iterator[Place]:
    with connect("memory://", unit_timeout_s=UNIT_TIMEOUT_S) as store:
        yield Place("memory://", shared=store)


@contextmanager
def on_sqlite() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="charter-rounds-", ignore_cleanup_errors=True) as folder:
        url = f"sqlite:///{Path(folder) / 'charter.db'}"
        upgrade(url)
        yield Place(url)


@contextmanager
def on_postgres(server_url: str) -> Iterator[Place]:
    url = create_database(server_url)
    try:
        upgrade(url)
        yield Place(url)
    finally:
        drop_database(server_url, url)


@contextmanager
def at_url(url: str) -> Iterator[Place]:
    """The store that is there; the program has keys of its own in it."""
    yield Place(url)


NewPlace = Callable[[], AbstractContextManager[Place]]


def new_places(backend: str, url: str | None) -> NewPlace:
    """Makes stores of a backend.

    Args:
        backend: ``memory``, ``sqlite``, ``postgres`` or ``etcd``.
        url: of the server; of Postgres one that may create databases, of etcd the store itself.
    """
    if backend == "memory":
        return in_memory
    if backend == "sqlite":
        return on_sqlite
    if url is None:
        raise SystemExit(f"--backend {backend} needs --url")
    return partial(on_postgres if backend == "postgres" else at_url, url)
