"""Stores to back up, and everything that one holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from charter_persist import Store, connect, upgrade
from charter_persist.backends.contract import RELATIONS, Reader
from charter_persist.backends.memory import MemoryBackend
from charter_persist.store import restore_target
from charter_persist.testing.history import record_history
from charter_persist.transfer.backup import Backup, backup
from charter_persist.transfer.restore import Restored, restore

UNITS = 45

Dump = dict[str, list[Any]]


def new_url(folder: Path, name: str = "source") -> str:
    """The URL of a new store."""
    url = f"sqlite:///{folder / name}.db"
    upgrade(url)
    return url


def dump(url: str) -> Dump:
    """Every row of a store."""
    with connect(url, read_only=True) as store, store.read() as view:
        return rows_in(view.reader)


def rows_in(reader: Reader) -> Dump:
    """Every row by relation."""
    return {relation.name: list(reader.scan(relation, relation.key)) for relation in RELATIONS}


def back_up(url: str, folder: Path, *, incremental: bool = False) -> Backup:
    with connect(url) as store:
        return backup(store, folder, store_id=store.store_id, incremental=incremental)


def bring_back(folder: Path, url: str, *, revision: int | None = None, replace: bool = False) -> Restored:
    return restore(folder, restore_target(url, replace=replace), revision=revision)


class MemoryTarget:
    """A `RestoreTarget` in the memory of the process, so that a test can restore thousands of times."""

    record = None

    def __init__(self) -> None:
        self.made: MemoryBackend

    def check(self) -> None:
        """Nothing is there."""

    def create(self, store_id: str) -> MemoryBackend:
        self.made = _Identified(store_id)
        return self.made

    def swap(self) -> None:
        """It is in its place."""

    def discard(self) -> None:
        """It goes with the process."""


class _Identified(MemoryBackend):
    """One that is still read when it was filled."""

    def __init__(self, identity: str) -> None:
        super().__init__()
        self._identity = identity

    def store_id(self) -> str:
        return self._identity

    def close(self) -> None:
        """Whoever restored is done; the test is not."""


def brought_back(folder: Path, revision: int) -> Dump:
    """What a restore of that revision holds."""
    target = MemoryTarget()
    restore(folder, target, revision=revision)
    return rows_in(target.made.snapshot())


def record(url: str, first: int = 0, last: int = UNITS) -> None:
    """A history of every kind of row, with compactions."""
    with connect(url) as store:
        record_history(store, first, last)


def note(store: Store, text: str) -> int:
    """A unit of one object and one audit event; its revision."""
    with store.begin() as uow:
        digest = uow.objects.put("doc", text)
        uow.audit.append("NOTED", scope="GLOBAL", subject=("doc", digest))
    assert uow.receipt is not None
    return uow.receipt.revision


def rows_of(folder: Path, number: int = 1) -> bytes:
    return (folder / f"{number:06}.rows.jsonl").read_bytes()
