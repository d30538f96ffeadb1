"""A change that fails half-way is never committed, whoever swallows the error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from charter_persist import Set, Store, UnitOfWork, connect
from charter_persist.backends.contract import KV_CHANGE
from charter_persist.errors import CharterError, StorageFullError, TimedOutError
from charter_persist.integrity.verify import verify
from charter_persist.repositories.write_set import WriteSet


@pytest.fixture
def store() -> Iterator[Store]:
    with connect("memory://") as store:
        for n in range(3):
            with store.begin() as uow:
                uow.kv.set("/a", b"%d" % n)
                uow.kv.set("/b", b"%d" % n)
                uow.metadata.set("k", n)
        yield store


def break_flush(uow: UnitOfWork, monkeypatch: pytest.MonkeyPatch, left: int) -> None:
    """Let the journal refuse after some more entries, as a full disk does."""
    journal = uow._context.journal
    append = journal.append
    count = iter(range(left))

    def refuse(*arguments: object) -> int:
        if next(count, None) is None:
            raise StorageFullError
        return append(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(type(journal), "append", lambda _self, *arguments: refuse(*arguments))


@pytest.mark.spec("KV-2")
@pytest.mark.parametrize(
    "change",
    [
        lambda uow: (uow.kv.set("/a", b"x"), uow.kv.set("/b", b"x"), uow.flush()),
        lambda uow: (uow.kv.set("/a", b"x"), uow.flush(), uow.kv.compact(upto=3)),
        lambda uow: (uow.kv.set("/a", b"x"), uow.flush(), uow.kv.erase("/b")),
        lambda uow: (uow.kv.set("/a", b"x"), uow.flush(), uow.metadata.compact()),
    ],
    ids=["flush", "compact", "erase", "metadata"],
)
def test_what_failed_half_way_is_rolled_back(store: Store, monkeypatch: pytest.MonkeyPatch, change: object) -> None:
    assert callable(change)
    with store.read() as view:
        before = list(view.reader.scan(KV_CHANGE, ("position",)))
    with pytest.raises(CharterError, match="half-way"), monkeypatch.context() as patch, store.begin() as uow:
        break_flush(uow, patch, 1)
        with pytest.raises(StorageFullError):
            change(uow)
        patch.undo()
    with store.read() as view:
        assert list(view.reader.scan(KV_CHANGE, ("position",))) == before
    assert verify(store, store_id=store.store_id).findings == ()


@pytest.mark.spec("KV-2")
def test_a_transaction_that_is_interrupted_behind_its_checks_is_rolled_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = WriteSet.get

    def interrupted(self: WriteSet, relation: Any, key: Any) -> Any:
        if key == ("/b",):
            raise TimedOutError
        return get(self, relation, key)

    with pytest.raises(CharterError, match="half-way"), store.begin() as uow:
        monkeypatch.setattr(WriteSet, "get", interrupted)
        with pytest.raises(TimedOutError):
            uow.kv.transaction([Set("/a", b"x"), Set("/b", b"x")])
        monkeypatch.undo()
    with store.read() as view:
        assert view.kv.require("/a").value == b"2"


def test_a_session_that_could_not_be_logged_is_rolled_back() -> None:
    nonces = iter([b""])

    def nonce() -> bytes:
        if next(nonces, None) is not None:
            raise OSError
        return b"n" * 16

    with connect("memory://", nonce=nonce) as store:
        with pytest.raises(CharterError, match="half-way"), store.begin() as uow:
            uow.sessions.create(area_id="x", problem_statement="why")
            with pytest.raises(OSError):
                uow.sessions.list()
        with store.read() as view:
            assert view.revision == 0
