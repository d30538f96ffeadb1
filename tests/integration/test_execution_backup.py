"""Backup and restore of events and messages; erasures between segments are repeated, and caches are left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from charter_persist import connect
from charter_persist.backends.contract import EVENT, STATE_VALUE
from charter_persist.errors import CompactedError
from charter_persist.integrity.fsck import fsck
from charter_persist.integrity.verify import Level, verify
from charter_persist.model.event import Custom
from charter_persist.testing.relations import record_everything
from charter_persist.transfer.rows import CACHES
from tests.backups import back_up, bring_back, dump, new_url

SECRET = "canary-7d21"


CACHED = sorted(relation.name for relation in CACHES)


def append(url: str, *numbers: int) -> None:
    with connect(url) as store, store.begin() as uow:
        uow.events.append_batch("e", [Custom("n", f"{SECRET} {number}") for number in numbers], tenant_id="t")


def restored(folder: Path, tmp_path: Path, name: str, revision: int | None = None) -> str:
    url = f"sqlite:///{tmp_path / name}.db"
    bring_back(folder, url, revision=revision)
    with connect(url) as store:
        assert verify(store, store_id=store.store_id).level is Level.CHAIN
    return url


@pytest.mark.spec("GOV-12", "ENA-2", "ENA-4")
def test_events_and_messages_come_back_and_caches_do_not(tmp_path: Path) -> None:
    url, folder = new_url(tmp_path), tmp_path / "backup"
    with connect(url) as store:
        record_everything(store)
        with store.begin() as uow:
            uow.messages.update_message("a", expected=1, content="new")
            uow.messages.delete_message("a-2")
    back_up(url, folder)
    found, expected = dump(restored(folder, tmp_path, "new")), dump(url)
    assert expected[STATE_VALUE.name]
    for name in CACHED:
        assert found.pop(name) == []
        expected.pop(name)
    assert found == expected
    with connect(f"sqlite:///{tmp_path / 'new'}.db") as store:
        assert fsck(store).findings == ()


@pytest.mark.spec("GOV-12", "P28")
def test_an_erasure_between_segments_is_repeated(tmp_path: Path) -> None:
    url, folder = new_url(tmp_path), tmp_path / "backup"
    append(url, 1, 2)
    with connect(url) as store, store.begin() as uow:
        uow.messages.create_thread(tenant_id="t", user_id="u", thread_id="t", title=SECRET)
        uow.messages.create_message("t", role="user", content=SECRET, message_id="m")
    back_up(url, folder)
    with connect(url) as store, store.begin() as uow:
        uow.events.erase("e", sequence=1)
        uow.messages.update_message("m", expected=1, content=SECRET)
        uow.messages.erase_thread("t")
    append(url, 3)
    back_up(url, folder, incremental=True)
    new = restored(folder, tmp_path, "new")
    assert dump(new) == dump(url)
    assert [row.data is None for row in dump(new)[EVENT.name]] == [True, False, False]
    # Before the erasure its values are still in the first segment.
    past = restored(folder, tmp_path, "past", revision=2)
    assert [row.data is None for row in dump(past)[EVENT.name]] == [False, False]


@pytest.mark.spec("GOV-12", "P28")
def test_a_revision_before_an_erasure_is_refused_where_no_backup_has_what_was_erased(tmp_path: Path) -> None:
    url, folder = new_url(tmp_path), tmp_path / "backup"
    append(url, 1)
    append(url, 2)
    with connect(url) as store, store.begin() as uow:
        uow.events.erase("e", sequence=2)
    with connect(url) as store, store.begin() as uow:
        uow.kv.set("/a", b"1")
    back_up(url, folder)
    assert SECRET.encode() + b" 2" not in (folder / "000001.rows.jsonl").read_bytes()
    restored(folder, tmp_path, "first", revision=1)
    with pytest.raises(CompactedError) as caught:
        bring_back(folder, f"sqlite:///{tmp_path / 'second'}.db", revision=2)
    assert caught.value.oldest == 3
    assert dump(restored(folder, tmp_path, "third", revision=3))[EVENT.name] == dump(url)[EVENT.name]


@pytest.mark.spec("GOV-12")
def test_events_move_between_databases_with_their_root(tmp_path: Path, postgres_database: str) -> None:
    url, folder = new_url(tmp_path), tmp_path / "backup"
    append(url, 1, 2)
    with connect(url) as store:
        record_everything(store)
        with store.begin() as uow:
            uow.events.erase("e")
            uow.messages.erase_message("a")
    back_up(url, folder)
    there = f"{postgres_database}?schema=brought"
    bring_back(folder, there)
    found, expected = dump(there), dump(url)
    for name in CACHED:
        expected[name] = []
    assert found == expected
    with connect(there) as store:
        assert verify(store, store_id=store.store_id).level is Level.CHAIN
        with store.begin() as uow:
            assert uow.events.erase("a") == 2
        assert verify(store, store_id=store.store_id).level is Level.CHAIN
