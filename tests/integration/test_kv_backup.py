"""Backup and restore of keys: the log is carried, what keys hold is computed, compactions and erasures are repeated."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from charter_persist import connect
from charter_persist.backends.contract import KV_CHANGE, KV_ENTRY
from charter_persist.errors import CompactedError
from charter_persist.integrity.verify import Level, verify
from tests.backups import back_up, bring_back, dump, new_url


def put(url: str, **values: bytes) -> None:
    with connect(url) as store, store.begin() as uow:
        for name, value in values.items():
            uow.kv.set(f"/{name}", value)


def restored(folder: Path, tmp_path: Path, name: str, revision: int | None = None) -> str:
    url = f"sqlite:///{tmp_path / name}.db"
    bring_back(folder, url, revision=revision)
    with connect(url) as store:
        assert verify(store, store_id=store.store_id).level is Level.CHAIN
    return url


@pytest.mark.spec("GOV-12", "KV-1")
def test_keys_come_back_with_their_log(tmp_path: Path) -> None:
    url, folder = new_url(tmp_path), tmp_path / "backup"
    put(url, a=b"\xff\x00", b=b"text", c=b"")
    put(url, a=b"2")
    with connect(url) as store, store.begin() as uow:
        uow.kv.delete("/b")
    back_up(url, folder)
    found = dump(restored(folder, tmp_path, "new"))
    assert found == dump(url)
    assert [row.key for row in found[KV_ENTRY.name]] == ["/a", "/c"]
    past = dump(restored(folder, tmp_path, "past", revision=1))
    assert [(row.key, row.value) for row in past[KV_ENTRY.name]] == [("/a", b"\xff\x00"), ("/b", b"text"), ("/c", b"")]


@pytest.mark.spec("GOV-12")
def test_compactions_between_segments_are_repeated(tmp_path: Path) -> None:
    url, folder = new_url(tmp_path), tmp_path / "backup"
    for n in range(3):
        put(url, a=b"%d" % n, b=b"%d" % n)
    back_up(url, folder)
    for upto, prefix in ((2, "/a"), (2, ""), (3, "")):
        with connect(url) as store, store.begin() as uow:
            uow.kv.compact(upto=upto, prefix=prefix)
        put(url, a=b"again")
        back_up(url, folder, incremental=True)
    assert dump(restored(folder, tmp_path, "new")) == dump(url)
    assert len(dump(restored(folder, tmp_path, "past", revision=3))[KV_CHANGE.name]) == 6


@pytest.mark.spec("GOV-12", "P28")
def test_erasures_are_repeated_and_do_not_come_back(tmp_path: Path) -> None:
    url, folder = new_url(tmp_path), tmp_path / "backup"
    put(url, secret=b"one", b=b"1")
    put(url, secret=b"two")
    back_up(url, folder)
    with connect(url) as store, store.begin() as uow:
        uow.kv.erase("/secret")
    put(url, secret=b"new")
    back_up(url, folder, incremental=True)
    new = restored(folder, tmp_path, "new")
    assert dump(new) == dump(url)
    assert [row.value for row in dump(new)[KV_CHANGE.name] if row.key == "/secret"] == [None, b"new"]
    # A backup from before still holds it, and the docs say so.
    past = dump(restored(folder, tmp_path, "past", revision=2))
    assert [row.value for row in past[KV_ENTRY.name]] == [b"1", b"two"]


@pytest.mark.spec("GOV-12")
@pytest.mark.parametrize("how", ["compact", "erase"])
def test_what_was_removed_before_a_backup_had_it_cannot_be_restored(tmp_path: Path, how: str) -> None:
    url, folder = new_url(tmp_path), tmp_path / "backup"
    put(url, a=b"1")
    put(url, a=b"2")
    with connect(url) as store, store.begin() as uow:
        uow.kv.compact(upto=2) if how == "compact" else uow.kv.erase("/a")
    back_up(url, folder)
    target = f"sqlite:///{tmp_path / 'past.db'}"
    with pytest.raises(CompactedError, match="3"):
        bring_back(folder, target, revision=1)
    assert dump(restored(folder, tmp_path, "new")) == dump(url)
    shutil.rmtree(folder)
