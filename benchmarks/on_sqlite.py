"""The store on SQLite beside the bare sqlite3 module, both with WAL and synchronous=FULL on the same disk."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Row, Work, alone, compare, latency
from benchmarks.payload import OBJECT_BYTES, content, items
from charter_persist import Store, connect, upgrade
from charter_persist.integrity.verify import Level, verify
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.digest import digest_bytes

# Not ru_maxrss: a child takes that over from the process that started it.
MEMORY = """
import sys
from pathlib import Path
from benchmarks.payload import items
from charter_persist import connect, upgrade
url, count = sys.argv[1], int(sys.argv[2])
upgrade(url)
with connect(url) as store, store.begin() as uow:
    uow.objects.put_many(items("memory", count))
print(*[line.split()[1] for line in Path("/proc/self/status").open() if line.startswith("VmHWM")])
"""


def bare(path: Path) -> sqlite3.Connection:
    """A connection as durable as ours, with one plain table."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE plain (id INTEGER PRIMARY KEY, data BLOB)")
    return connection


def opened(folder: Path, name: str) -> Store:
    """A new store."""
    url = f"sqlite:///{folder / name}"
    upgrade(url)
    return connect(url)


def bare_commits(connection: sqlite3.Connection, count: int) -> Work:
    """One plain row a commit."""
    data = b"x" * OBJECT_BYTES

    def work(_number: int) -> int:
        before = connection.execute("SELECT count(*) FROM plain").fetchone()[0]
        for _ in range(count):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO plain (data) VALUES (?)", (data,))
            connection.execute("COMMIT")
        return int(connection.execute("SELECT count(*) FROM plain").fetchone()[0]) - int(before)

    return work


def size(store: Store) -> int:
    """Number of journal entries."""
    with store.read() as view:
        return view.journal.size()


def single_puts(store: Store, count: int, tag: str = "single") -> Work:
    """One object a commit; the tag keeps apart what two of these put."""

    def work(number: int) -> int:
        before = size(store)
        for n in range(count):
            with store.begin() as uow:
                uow.objects.put("decision", content(f"{tag} {number}", n))
        return size(store) - before

    return work


def threads(store: Store, threads_count: int, count: int) -> Work:
    """Units of several threads through `run`."""

    def work(number: int) -> int:
        before = size(store)

        def call(thread: int) -> None:
            for n in range(count // threads_count):
                tag = f"{number} {threads_count} {thread}"
                store.run(lambda uow, n=n, tag=tag: uow.objects.put("decision", content(tag, n)))  # type: ignore[misc]

        workers = [threading.Thread(target=call, args=(thread,)) for thread in range(threads_count)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return size(store) - before

    return work


def run(folder: Path, *, quick: bool) -> Iterator[Row]:
    """All rows of SQLite."""
    rounds, commits = (2, 50) if quick else (7, 1_500)
    plain = bare(folder / "plain.db")
    with opened(folder, "single.db") as store:
        peer = bare_commits(plain, commits)
        yield compare(
            "SQLite: durable put, one a commit",
            single_puts(store, commits),
            peer,
            peer_name="bare sqlite3",
            wanted=">= 0.75",
            rounds=rounds,
        )
        for count in (8, 32):
            yield compare(
                f"SQLite: {count} threads through run",
                threads(store, count, commits * 2),
                peer,
                peer_name="one bare thread",
                wanted=">= 2" if count == 8 else "-",
                rounds=rounds,
            )
    plain.close()
    yield from bulk(folder, quick=quick)


def bulk(folder: Path, *, quick: bool) -> Iterator[Row]:
    """Loading, reading, verifying."""
    count, rounds = (2_000, 2) if quick else (100_000, 5)

    def load(number: int) -> int:
        with opened(folder, f"bulk{number}.db") as store:
            with store.begin() as uow:
                uow.objects.put_many(items("bulk", count))
            return size(store)

    def hash_only(number: int) -> int:
        return sum(1 for kind, value in items("bulk", count) if digest_bytes(kind, canonical_bytes(value)))

    yield compare(
        "SQLite: put_many of 100,000", load, hash_only, peer_name="hashing alone", wanted=">= 40,000/s", rounds=rounds
    )
    peaks = [memory(folder, n) for n in ((500, 1_000) if quick else (50_000, 100_000))]
    yield Row(
        "SQLite: peak memory of put_many, 100,000 against 50,000",
        f"{peaks[1] / 1024:.0f} MiB",
        f"{peaks[0] / 1024:.0f} MiB",
        f"{peaks[1] / peaks[0]:.2f}",
        "constant",
    )
    url = f"sqlite:///{folder / 'bulk0.db'}"
    yield latency(
        f"SQLite: opening a store of {count:,} objects",
        lambda: connect(url).close(),
        wanted="-",
        calls=5 if quick else 100,
    )
    with connect(url, read_only=True) as store:
        with store.read() as view:
            digests = [envelope.object_hash for envelope in view.objects.iter()][::5]
            yield alone(
                "SQLite: get in one view, verified",
                lambda _n: len([view.objects.require(digest) for digest in digests]),
                wanted=">= 50,000/s",
                rounds=rounds,
            )

        def check(_number: int) -> int:
            report = verify(store, store_id=store.store_id)
            if report.level is not Level.CHAIN:
                raise AssertionError(report.findings)
            return report.objects

        yield alone("SQLite: verify", check, wanted=">= 100,000/s", rounds=rounds)


def memory(folder: Path, count: int) -> int:
    """Peak resident memory in KiB of a process that loads so many objects."""
    url = f"sqlite:///{folder / f'memory{count}.db'}"
    done = subprocess.run([sys.executable, "-c", MEMORY, url, str(count)], capture_output=True, text=True, check=True)
    return int(done.stdout)


def proofs(folder: Path, *, quick: bool) -> Iterator[Row]:
    """Proofs from disk, each in a view of its own; first where a store costs most, then at a round size."""
    wanted_size = 3_000 if quick else 1_000_000
    # With one entry more all these tiles were finished: a proof reads most while their entries stand one by one.
    width = 65_536 if wanted_size > 65_536 else 256
    awkward_size = wanted_size // width * width - 1
    with opened(folder, "proofs.db") as store:
        for total in (awkward_size, wanted_size):
            while (done := size(store)) < total:
                with store.begin() as uow:
                    uow.objects.put_many(items(f"proof {done}", min(100_000, total - done)))

            def prove(total: int = total) -> None:
                with store.read() as view:
                    view.journal.inclusion_proof(total // 3 + 1, total)

            def link(total: int = total) -> None:
                with store.read() as view:
                    view.journal.consistency_proof(total // 3, total)

            calls = 20 if quick else 300
            yield latency(f"SQLite: inclusion proof at {total:,} entries", prove, wanted="<= 1 ms", calls=calls)
            yield latency(f"SQLite: consistency proof at {total:,} entries", link, wanted="<= 1 ms", calls=calls)
