"""Keys and values on SQLite: compare-and-set beside the bare sqlite3 module, reads and pages in one view."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Row, Work, alone, compare
from benchmarks.on_sqlite import bare, bare_commits, opened
from benchmarks.payload import OBJECT_BYTES
from charter_persist import Store

PAGE = 100
VALUE = b"x" * OBJECT_BYTES


def compare_and_sets(store: Store, count: int) -> Work:
    """One compare-and-set a commit, each on the version that the one before left."""

    def work(_number: int) -> int:
        with store.read() as view:
            first = view.kv.version("/counter")
        for n in range(count):
            with store.begin() as uow:
                uow.kv.compare_and_set("/counter", VALUE, expected=first + n)
        with store.read() as view:
            return view.kv.version("/counter") - first

    return work


def fill(store: Store, keys: int) -> None:
    """Keys of two levels."""
    for start in range(0, keys, 10_000):
        with store.begin() as uow:
            for n in range(start, min(keys, start + 10_000)):
                uow.kv.set(f"/nodes/{n:06}/state", VALUE)


def gets(store: Store, keys: int, count: int) -> Work:
    """Reads of keys here and there in one view."""

    def work(number: int) -> int:
        found = 0
        with store.read() as view:
            for n in range(count):
                found += view.kv.get(f"/nodes/{(n * 7919 + number) % keys:06}/state") is not None
        return found

    return work


def pages(store: Store, count: int) -> Work:
    """Pages one after another, from the beginning again where they end."""

    def work(_number: int) -> int:
        cursor = None
        with store.read() as view:
            for _ in range(count):
                page = view.kv.list("/nodes/", limit=PAGE, cursor=cursor)
                cursor = page.cursor
        return count

    return work


def run(folder: Path, *, quick: bool) -> Iterator[Row]:
    """All rows of keys."""
    rounds, commits, keys, reads, listed = (2, 50, 500, 500, 5) if quick else (7, 1_500, 100_000, 100_000, 1_000)
    plain = bare(folder / "kv-plain.db")
    with opened(folder, "kv.db") as store:
        subject, peer = compare_and_sets(store, commits), bare_commits(plain, commits)
        name = "Keys: compare-and-set, one a commit"
        yield compare(name, subject, peer, peer_name="sqlite3", wanted=">= 0.7", rounds=rounds)
        fill(store, keys)
        yield alone("Keys: get inside one view", gets(store, keys, reads), wanted=">= 50,000/s", rounds=rounds)
        name = f"Keys: pages of {PAGE} over {keys:,} keys"
        yield alone(name, pages(store, listed), wanted=">= 2,000/s", rounds=rounds)
    plain.close()
