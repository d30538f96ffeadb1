"""Watching across processes: complete and in order, whatever becomes of notifications; `test_rounds` kills them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from charter_persist import connect, upgrade
from charter_persist.backends.sql import lookout
from charter_persist.backends.sql.postgres import PostgresBackend
from charter_persist.testing.kv import put
from charter_persist.watch import delivery
from tests.watch_workers import begin, start

UNITS = 200


@pytest.fixture
def postgres_url(postgres_database: str) -> str:
    upgrade(postgres_database)
    return postgres_database


def lines(process: Any) -> list[Any]:
    """What a process told until its end; a line that a kill cut is no line."""
    found = []
    for line in process.communicate(timeout=120)[0].splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


@pytest.mark.spec("P17", "P18", "KV-5")
def test_units_of_several_processes_are_told_whole_and_in_order(ledger_url: str) -> None:
    writers = [start(ledger_url, UNITS // 4, 0.001) for _ in range(4)]
    with connect(ledger_url) as store, store.watch("kv:/n/*") as watch:
        for writer in writers:
            begin(writer)
        batches = list(islice(watch, UNITS))
    for writer in writers:
        lines(writer)
    assert [batch.revision for batch in batches] == list(range(1, UNITS + 1))
    values: dict[str, bytes | str | None] = {"/n/a": None, "/n/b": None}
    for number, batch in enumerate(batches):
        assert len(batch.events) == 2
        for event in batch.events:
            assert event.version == number + 1
            assert event.old_value == values[event.key]
            values[event.key] = event.new_value
        assert values["/n/a"] == values["/n/b"]


def complete(url: str, disturb: Callable[[int], Any]) -> None:
    """Write through another handle, with something done between units; the watch must be complete."""
    with connect(url) as reader, connect(url) as writer, reader.watch("kv:/n", after=0) as watch:
        for number in range(20):
            put(writer, n=b"%d" % number)
            disturb(number)
            assert next(watch).events[0].new_value == b"%d" % number


@pytest.mark.spec("P19", "KV-5")
def test_a_watch_is_complete_when_every_notification_is_lost(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PostgresBackend, "_look_out", lambda self: lambda: None)
    monkeypatch.setattr(delivery, "POLL_S", 0.02)
    complete(postgres_url, lambda number: None)


@pytest.mark.spec("P19", "KV-5")
def test_a_watch_is_complete_when_its_listening_session_is_ended(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookout, "AGAIN_S", 0.01)
    monkeypatch.setattr(delivery, "POLL_S", 0.1)
    url = sa.make_url(postgres_url).set(drivername="postgresql").difference_update_query(["schema"])
    ended = 0
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as admin:

        def disturb(number: int) -> None:
            nonlocal ended
            if number % 4 == 0:
                query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'"
                ended += len(admin.execute(query).fetchall())
                time.sleep(0.05)

        complete(postgres_url, disturb)
    assert ended >= 3


@pytest.mark.spec("P19", "KV-5")
def test_behind_a_pooler_a_watch_looks_for_itself(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "POLL_S", 0.02)
    pooled = sa.make_url(postgres_url).update_query_dict({"pooler": "true"}).render_as_string(hide_password=False)
    complete(pooled, lambda number: None)


@pytest.mark.spec("KV-5")
def test_a_commit_of_another_process_wakes_a_watch(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without polling only a wake-up can deliver it.
    monkeypatch.setattr(delivery, "POLL_S", 3600.0)
    writer = start(ledger_url, 3, 0.05)
    with connect(ledger_url) as store, store.watch("kv:/n/*") as watch:
        begin(writer)
        assert [batch.revision for batch in islice(watch, 3)] == [1, 2, 3]
    lines(writer)


@pytest.mark.spec("KV-5")
def test_the_rows_of_a_joined_transaction_are_told_when_its_owner_commits(ledger_url: str) -> None:
    engine = sa.create_engine(sa.make_url(ledger_url).difference_update_query(["schema"]))
    with connect(ledger_url) as store, store.watch("kv:/*") as watch:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA synchronous = FULL")
                connection.commit()
            with store.begin(connection=connection) as uow:
                uow.kv.set("/joined", b"1")
            connection.commit()
        assert [event.key for event in next(watch).events] == ["/joined"]
    engine.dispose()
