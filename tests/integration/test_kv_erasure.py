"""Erased text is in no file of a SQLite store, in no later backup, and every earlier proof still verifies."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from charter_persist import Store, connect, upgrade
from charter_persist.backends.contract import KV_CHANGE
from charter_persist.errors import ReadOnlyError, StoreBusyError
from charter_persist.integrity.fsck import fsck
from charter_persist.integrity.verify import Level, verify
from charter_persist.journal.entry import COMMITMENT_TAG
from charter_persist.proofs import verify_inclusion
from charter_persist.repositories.kv_change import change_bytes
from charter_persist.transfer.backup import backup

CANARY = b"canary-5c1d-plain-text"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "charter.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with connect(f"sqlite:///{path}", unit_timeout_s=1.0) as store:
        yield store


def sightings(folder: Path) -> dict[str, int]:
    """How often the canary stands in each file below a folder; base64 is what a commitment covers."""
    found = {}
    for file in sorted(folder.rglob("*")):
        count = file.read_bytes().count(CANARY) if file.is_file() else 0
        if count:
            found[file.name] = count
    return found


def write_canaries(store: Store) -> None:
    """Small and large values, values that were replaced, keys around that stay."""
    for n in range(60):
        with store.begin() as uow:
            uow.kv.set("/secret", CANARY + b"%d" % n)
            uow.kv.set("/large", b"-".join([CANARY] * (n * 100)) or CANARY)
            uow.kv.set(f"/other/{n}", b"kept %d" % n)


@pytest.mark.spec("P28")
def test_erased_text_leaves_every_file_and_proofs_stay(store: Store, path: Path, tmp_path: Path) -> None:
    write_canaries(store)
    with store.begin() as uow:
        uow.kv.delete("/large")
    with store.read() as view:
        size, root = view.journal.size(), view.journal.root()
        proofs = [(entry, view.journal.inclusion_proof(entry.position)) for entry in view.journal.entries(limit=100)]
    assert sightings(tmp_path).keys() >= {"charter.db-wal"}
    with store.begin() as uow:
        assert uow.kv.erase("/secret") + uow.kv.erase("/large") == 121
    store.scrub()
    assert sightings(tmp_path) == {}
    # Nor has the file kept it in another place, once the log is gone.
    with store.begin() as uow:
        uow.kv.set("/after", b"1")
    backup(store, tmp_path / "backup", store_id=store.store_id)
    assert sightings(tmp_path) == {}
    assert (tmp_path / "backup").is_dir()
    for entry, proof in proofs:
        verify_inclusion(entry.leaf, entry.position - 1, size, proof, root)
    with store.read() as view:
        assert view.journal.root(size) == root
        assert len(list(view.kv.iter("/other/"))) == 60
    assert verify(store, store_id=store.store_id).level is Level.CHAIN
    assert fsck(store).findings == ()


@pytest.mark.spec("P28")
def test_without_secure_delete_the_text_would_stay(path: Path, tmp_path: Path) -> None:
    # The control: the search finds what a plain deletion leaves behind.
    with connect(f"sqlite:///{path}") as store:
        write_canaries(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        for name in ("delete", "update", "insert"):
            connection.execute(f"DROP TRIGGER guard_kv_change_{name}")
        for table in ("kv_change", "kv_entry"):
            connection.execute(f"DELETE FROM {table} WHERE key IN ('/secret', '/large')")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert sightings(tmp_path)["charter.db"] > 10


@pytest.mark.spec("P28")
def test_the_log_keeps_the_text_until_it_is_scrubbed(store: Store, tmp_path: Path) -> None:
    # The control of the scrub: the commit alone does not empty the log.
    write_canaries(store)
    with store.begin() as uow:
        uow.kv.erase("/secret")
        uow.kv.erase("/large")
    assert "charter.db-wal" in sightings(tmp_path)


@pytest.mark.spec("P28")
def test_a_view_is_in_the_way_and_the_scrub_says_so(store: Store, tmp_path: Path) -> None:
    write_canaries(store)
    with store.read() as view:
        assert view.kv.exists("/secret")
        with store.begin() as uow:
            uow.kv.erase("/secret")
            uow.kv.erase("/large")
        with pytest.raises(StoreBusyError, match="view"):
            store.scrub()
        assert view.kv.require("/secret").value.startswith(CANARY)
    store.scrub()
    assert sightings(tmp_path) == {}
    store.scrub()


def test_scrubbing_is_refused_where_nothing_may_be_written(path: Path) -> None:
    with connect(f"sqlite:///{path}", read_only=True) as store, pytest.raises(ReadOnlyError):
        store.scrub()
    with connect("memory://") as store:
        store.scrub()


def test_scrubbing_waits_for_another_handle_that_writes(store: Store, path: Path) -> None:
    with connect(f"sqlite:///{path}") as other, other.begin() as uow:
        uow.kv.set("/a", b"1")
        with pytest.raises(StoreBusyError):
            store.scrub()


@pytest.mark.spec("P28")
def test_a_small_value_cannot_be_guessed_from_its_entry(store: Store) -> None:
    with store.begin() as uow:
        uow.kv.set("/pin", b"4711")
    with store.read() as view:
        (row,) = view.reader.scan(KV_CHANGE, ("position",))
        entry = view.journal.entry(1)
    with store.begin() as uow:
        uow.kv.erase("/pin")
    assert entry is not None
    # Whoever guesses the value, and knows all else, still lacks the nonce.
    assert hashlib.sha256(COMMITMENT_TAG + row.nonce + change_bytes(row)).digest() == entry.commitment
    for nonce in (b"", bytes(16)):
        assert hashlib.sha256(COMMITMENT_TAG + nonce + change_bytes(row)).digest() != entry.commitment


@pytest.mark.spec("P28")
def test_on_postgres_the_rows_are_gone_with_the_commit(postgres_database: str) -> None:
    upgrade(postgres_database)
    with connect(postgres_database) as store:
        write_canaries(store)
        with store.begin() as uow:
            uow.kv.erase("/secret")
            uow.kv.erase("/large")
        store.scrub()
        with store.read() as view:
            kept = [row for row in view.reader.scan(KV_CHANGE, ("position",)) if row.key in ("/secret", "/large")]
            assert [(row.value, row.nonce) for row in kept] == [(None, b"")] * 2
        assert verify(store, store_id=store.store_id).level is Level.CHAIN
