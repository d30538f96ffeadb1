"""A change of keys that fails half-way is never committed, whoever swallows the error."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from charter_persist import Store, UnitOfWork, connect
from charter_persist.backends.contract import KV_CHANGE
from charter_persist.errors import CharterError, StorageFullError
from charter_persist.integrity.verify import verify


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
