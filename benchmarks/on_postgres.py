"""The store on Postgres beside bare psycopg on the same server; fsync and synchronous_commit are on for both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import sqlalchemy as sa

from benchmarks.measure import Row, Work, alone, compare
from benchmarks.on_sqlite import single_puts, size, threads
from benchmarks.payload import OBJECT_BYTES, content, items
from charter_persist import Store, connect, upgrade
from charter_persist.backends.sql.roundtrip import RoundTrip


def bare(url: str, *, autocommit: bool) -> psycopg.Connection[Any]:
    """A connection to a database with one plain table."""
    address = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg.connect(address, autocommit=autocommit)
    connection.execute("CREATE TABLE IF NOT EXISTS plain (id bigserial PRIMARY KEY, data bytea)")
    connection.commit()
    return connection


def bare_commits(connection: psycopg.Connection[Any], count: int) -> Work:
    """One plain row a commit: BEGIN, INSERT and COMMIT, or with autocommit an INSERT alone."""
    data = b"x" * OBJECT_BYTES

    def rows() -> int:
        found = connection.execute("SELECT count(*) FROM plain").fetchone()
        connection.commit()
        return int(found[0]) if found else 0

    def work(_number: int) -> int:
        before = rows()
        for _ in range(count):
            connection.execute("INSERT INTO plain (data) VALUES (%s)", (data,))
            connection.commit()
        return rows() - before

    return work


def statements_of_a_put(store: Store) -> list[str]:
    """What one durable put sends, without BEGIN and COMMIT."""
    sent: list[str] = []
    original = RoundTrip.run

    def listening(self: RoundTrip, statements: Any) -> Any:
        sent.extend(sql for sql, _ in statements)
        return original(self, statements)

    RoundTrip.run = listening  # type: ignore[method-assign]
    try:
        with store.begin() as uow:
            uow.objects.put("decision", content("counted", 0))
    finally:
        RoundTrip.run = original  # type: ignore[method-assign]
    return [sql for sql in sent if not sql.startswith(("BEGIN", "COMMIT"))]


def run(url: str, *, quick: bool) -> Iterator[Row]:
    """All rows of Postgres."""
    rounds, commits, count = (2, 30, 500) if quick else (7, 700, 50_000)
    upgrade(url)
    with bare(url, autocommit=False) as plain, bare(url, autocommit=True) as single, connect(url) as store:
        peer = bare_commits(plain, commits)
        yield compare(
            "Postgres: durable put, one a commit",
            single_puts(store, commits),
            peer,
            peer_name="bare psycopg",
            wanted=">= 0.5",
            rounds=rounds,
        )
        yield compare(
            "Postgres: the same beside a peer without BEGIN",
            single_puts(store, commits, "again"),
            bare_commits(single, commits),
            peer_name="bare psycopg, autocommit",
            wanted="-",
            rounds=rounds,
        )
        yield Row("Postgres: statements of that put", str(len(statements_of_a_put(store))), "-", "-", "<= 5")
        for count_of_threads in (8, 32):
            yield compare(
                f"Postgres: {count_of_threads} threads through run",
                threads(store, count_of_threads, commits * 2),
                peer,
                peer_name="one bare thread",
                wanted="-",
                rounds=rounds,
            )

        def load(number: int) -> int:
            before = size(store)
            with store.begin() as uow:
                uow.objects.put_many(items(f"bulk {number}", count))
            return size(store) - before

        yield alone("Postgres: put_many through COPY", load, wanted=">= 30,000/s", rounds=min(rounds, 5))
