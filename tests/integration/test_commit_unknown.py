"""An error from COMMIT means unknown, never undone; the operation id tells later (RELIABILITY P7)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from charter_persist import Store, UnitOfWork, connect, upgrade
from charter_persist.errors import CommitUnknownError, ConnectionLostError, IntegrityError
from charter_persist.integrity.verify import Level, verify
from tests.tcp_proxy import Proxy


@pytest.fixture
def proxied(postgres_database: str) -> Iterator[tuple[Store, Proxy]]:
    upgrade(postgres_database)
    url = sa.make_url(postgres_database)
    proxy = Proxy(url.host or "127.0.0.1", url.port or 5432)
    through = url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
    store = connect(through)
    yield store, proxy
    store.close()
    proxy.close()


def put(content: int) -> object:
    return lambda uow: uow.objects.put("doc", {"n": content})


def test_a_commit_whose_answer_is_lost_is_resolved_by_its_operation_id(proxied: tuple[Store, Proxy]) -> None:
    store, proxy = proxied
    for round_ in range(12):  # beyond the threshold from which the driver prepares statements
        proxy.cut_after = b"COMMIT\x00"
        with pytest.raises(CommitUnknownError) as caught:
            store.run(put(round_), operation_id=f"op-{round_}")
        assert caught.value.applied == "unknown"
        assert caught.value.operation_id == f"op-{round_}"
        outcome = store.resolve(f"op-{round_}")
        assert outcome is not None
        again = store.run(put(round_), operation_id=f"op-{round_}")
        assert again.repeated
        assert again.receipt == outcome.receipt
    assert proxy.cuts == 12
    with store.read() as view:
        assert view.journal.size() == 12  # each took effect exactly once
    assert verify(store, store_id=store.store_id).level is Level.CHAIN


def test_units_without_an_id_get_one_to_resolve_by(proxied: tuple[Store, Proxy]) -> None:
    store, proxy = proxied
    proxy.cut_after = b"COMMIT\x00"
    with pytest.raises(CommitUnknownError) as caught:
        store.run(put(1))
    assert caught.value.operation_id is not None
    assert store.resolve(caught.value.operation_id) is not None


def test_a_connection_lost_before_the_commit_wrote_nothing(proxied: tuple[Store, Proxy]) -> None:
    store, proxy = proxied
    with pytest.raises(ConnectionLostError) as caught, store.begin() as uow:
        uow.objects.put("doc", {"n": 1})
        proxy.drop_all()
        uow.objects.put("doc", {"n": 2})
    assert caught.value.applied == "no"
    with store.read() as view:
        assert view.journal.size() == 0


def test_a_connection_that_died_while_idle_is_replaced_without_an_error(proxied: tuple[Store, Proxy]) -> None:
    store, proxy = proxied
    store.run(put(1))
    proxy.drop_all()
    store.run(put(2))
    with store.begin() as uow:
        uow.objects.put("doc", {"n": 3})
    proxy.drop_all()
    with store.read() as view:
        assert view.journal.size() == 3


def refuse_commit(action: int, first: str | None, *_: object) -> int:
    commits = action == sqlite3.SQLITE_TRANSACTION and first == "COMMIT"
    return sqlite3.SQLITE_DENY if commits else sqlite3.SQLITE_OK


def test_a_failed_commit_of_sqlite_is_unknown_and_the_store_goes_on(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'charter.db'}"
    upgrade(url)
    with connect(url) as store:

        def break_commit(uow: UnitOfWork) -> None:
            uow.objects.put("doc", {"n": 1})
            store._backend.writing_link().connection.set_authorizer(refuse_commit)  # type: ignore[attr-defined]

        with pytest.raises(CommitUnknownError) as caught:
            store.run(break_commit, operation_id="op")
        assert caught.value.operation_id == "op"
        assert store.resolve("op") is None  # this one was rolled back with its connection
        assert not store.run(put(2), operation_id="op").repeated
        with pytest.raises(CommitUnknownError), store.begin() as uow:
            break_commit(uow)
        with store.begin() as uow:
            uow.objects.put("doc", {"n": 3})
        assert verify(store, store_id=store.store_id).size == 2


def test_a_row_that_the_server_refuses_is_not_quoted_in_the_error(postgres_database: str) -> None:
    upgrade(postgres_database)
    engine = sa.create_engine(postgres_database)
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE charter.metadata_log ADD CONSTRAINT never CHECK (version > 9)"))
    engine.dispose()
    with (
        connect(postgres_database) as store,
        pytest.raises(IntegrityError, match="never") as caught,
        store.begin() as uow,
    ):
        uow.metadata.set("key-canary", "value-canary")
    assert "canary" not in caught.value.message
