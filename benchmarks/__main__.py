"""Print the table: `python -m benchmarks [--quick] [--postgres URL] [--only PART]`; ``--help`` names the parts."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import (
    archive,
    bundle,
    events,
    execution,
    fsck,
    index,
    kv,
    on_asyncio,
    on_postgres,
    on_sqlite,
    pure,
    vectors,
    watching,
)
from benchmarks.measure import Row
from charter_persist import upgrade

HEAD = ("what", "charter_persist", "peer", "ratio", "wanted")


@contextmanager
def postgres(url: str | None) -> Iterator[str]:
    """A new database on the server of the URL, else on one started for this."""
    from tests.postgres import create_database, drop_database, start_postgres

    server = None if url else start_postgres()
    address = url or (server.url if server else "")
    database = create_database(address)
    try:
        yield database
    finally:
        drop_database(address, database)
        if server:
            server.stop()


def rows(only: str | None, url: str | None, folder: Path, *, quick: bool) -> Iterator[Row]:
    """All rows that were asked for."""
    parts: dict[str, Callable[[], Iterable[Row]]] = {
        "pure": lambda: pure.run(quick=quick),
        "sqlite": lambda: on_sqlite.run(folder, quick=quick),
        "kv": lambda: kv.run(folder, quick=quick),
        "vectors": lambda: vectors.run(folder, quick=quick),
        "watch": lambda: watching.run_embedded(folder, quick=quick),
        "events": lambda: events.run(folder, quick=quick),
        "execution": lambda: execution.run(folder, quick=quick),
        "archive": lambda: archive.run(folder, quick=quick),
        "async": lambda: on_asyncio.rows(folder, quick=quick),
        "proofs": lambda: on_sqlite.proofs(folder, quick=quick),
        "fsck": lambda: fsck.run(folder, quick=quick),
        "index": lambda: index.run(folder, quick=quick),
        "bundle": lambda: bundle.run(folder, quick=quick),
    }
    for name, part in parts.items():
        if only in (None, name):
            yield from part()
    if only == "etcd":
        from benchmarks import on_etcd

        yield from on_etcd.run(quick=quick)
    if only in (None, "postgres"):
        with postgres(url) as database:
            yield from on_postgres.run(database, quick=quick)
            yield from watching.run(database, "Postgres", quick=quick)
    if only in (None, "postgres", "events"):
        with postgres(url) as database:
            upgrade(database)
            yield from events.run_on_postgres(database, quick=quick)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--quick", action="store_true", help="a few items only: shows that it works, measures nothing")
    parser.add_argument(
        "--only",
        choices=[
            "pure",
            "sqlite",
            "kv",
            "vectors",
            "watch",
            "events",
            "execution",
            "archive",
            "async",
            "proofs",
            "fsck",
            "index",
            "bundle",
            "postgres",
            "etcd",
        ],
    )
    parser.add_argument("--postgres", metavar="URL", help="a server to make a database on")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="charter-benchmark-", dir="."))
    print("|", " | ".join(HEAD), "|")
    print("|", " | ".join("---" for _ in HEAD), "|")
    try:
        for row in rows(arguments.only, arguments.postgres, folder, quick=arguments.quick):
            print(f"| {row.name} | {row.figure} | {row.peer} | {row.ratio} | {row.wanted} |", flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
