"""Archives on a ledger: backup and restore, erasure down to the bytes of the files, and what the guards let pass."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from charter_persist import connect, upgrade
from charter_persist.backends.contract import ARCHIVE_ENTRY
from charter_persist.integrity.fsck import fsck
from charter_persist.integrity.verify import Level, verify
from charter_persist.proofs import verify_inclusion
from tests.backups import back_up, bring_back, dump, new_url
from tests.damage import unguarded
from tests.migration.database import Database

CANARY = "canary-archive-77a1"


def store_notes(url: str, *ids: str) -> list[str]:
    with connect(url) as store, store.begin() as uow:
        return [uow.archive("note").store({"id": one}) for one in ids]


def erase(url: str, content_hash: str) -> None:
    with connect(url) as store, store.begin() as uow:
        assert uow.archive("note").erase(content_hash)


def restored(folder: Path, tmp_path: Path, name: str, revision: int | None = None) -> str:
    url = f"sqlite:///{tmp_path / name}.db"
    bring_back(folder, url, revision=revision)
    with connect(url) as store:
        assert verify(store, store_id=store.store_id).level is Level.CHAIN
    return url


def kept(url: str) -> list[tuple[str, int, bool]]:
    return [(row.entity_id, row.generation, row.data is not None) for row in dump(url)[ARCHIVE_ENTRY.name]]


@pytest.mark.spec("GOV-12", "CCOS-2")
def test_entities_come_back(tmp_path: Path) -> None:
    url, folder = new_url(tmp_path), tmp_path / "backup"
    store_notes(url, "a", "\u20ac")
    store_notes(url, "c")
    back_up(url, folder)
    assert dump(restored(folder, tmp_path, "new")) == dump(url)
    assert sorted(kept(restored(folder, tmp_path, "past", revision=1))) == [("a", 1, True), ("\u20ac", 1, True)]


@pytest.mark.spec("GOV-12", "P28")
def test_erasures_are_repeated_and_do_not_come_back(tmp_path: Path) -> None:
    url, folder = new_url(tmp_path), tmp_path / "backup"
    (secret, _) = store_notes(url, "secret", "other")
    back_up(url, folder)
    erase(url, secret)
    store_notes(url, "secret")
    back_up(url, folder, incremental=True)
    new = restored(folder, tmp_path, "new")
    assert dump(new) == dump(url)
    assert sorted(kept(new)) == [("other", 1, True), ("secret", 1, False), ("secret", 2, True)]
    # A backup from before still holds it, and the docs say so.
    assert sorted(kept(restored(folder, tmp_path, "past", revision=1))) == [("other", 1, True), ("secret", 1, True)]


def sightings(folder: Path) -> list[str]:
    return sorted(f.name for f in folder.rglob("*") if f.is_file() and CANARY.encode() in f.read_bytes())


@pytest.mark.spec("P28", "CCOS-2")
def test_erased_json_leaves_every_file_and_proofs_stay(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'charter.db'}"
    upgrade(url)
    with connect(url) as store:
        hashes = []
        for number in range(40):
            with store.begin() as uow:
                entity = {"id": f"n{number}", "text": "-".join([CANARY] * (1 + number * 20))}
                hashes.append(uow.archive("note").store(entity))
                uow.archive("note").store({"id": f"kept{number}"})
        with store.read() as view:
            size, root = view.journal.size(), view.journal.root()
            proofs = [(entry, view.journal.inclusion_proof(entry.position)) for entry in view.journal.entries()]
        with store.begin() as uow:
            for content_hash in hashes:
                assert uow.archive("note").erase(content_hash)
        assert sightings(tmp_path), "the control: the commit alone leaves the text in the log"
        store.scrub()
        assert sightings(tmp_path) == []
        back_up(url, tmp_path / "backup")
        assert sightings(tmp_path) == []
        for entry, proof in proofs:
            verify_inclusion(entry.leaf, entry.position - 1, size, proof, root)
        with store.read() as view:
            assert view.journal.root(size) == root
            assert view.archive("note").stats().total_entities == 40
        assert fsck(store).findings == ()


@pytest.mark.spec("P23", "CCOS-2")
def test_fsck_names_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "charter.db"
    url = f"sqlite:///{path}"
    upgrade(url)
    (first, second) = store_notes(url, "a", "b")
    with unguarded(path) as connection:
        connection.execute("UPDATE archive_entry SET data = CAST('{}' AS BLOB) WHERE position = 1")
        connection.execute("UPDATE archive_entry SET data = NULL, nonce = x'' WHERE position = 2")
    with connect(url) as store:
        found = {(f.code, f.subject) for f in verify(store, store_id=store.store_id).findings}
        assert found == {("COMMITMENT_MISMATCH", "archive_entry/1"), ("VALUE_MISSING", "archive_entry/2")}
        with store.read() as view:
            report = view.archive("note").verify_integrity()
            assert [finding.subject for finding in report.findings] == [first]
            assert not view.archive("note").exists(second)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        found = Database(f"sqlite:///{tmp_path / 'charter.db'}", None)
    else:
        found = Database(request.getfixturevalue("postgres_database"), "charter")
    upgrade(found.url)
    insert = sa.text(
        f"INSERT INTO {found.table('archive_entry')} VALUES (:position, 'note', :hash, 1, 'a', 2, 0, :nonce, :data)"
    )
    with found.connect() as connection:
        for position in (1, 2):
            values = {"position": position, "hash": bytes([position]) * 32, "nonce": b"n" * 16, "data": b"{}"}
            connection.execute(insert, values)
    return found


EMPTY = {"sqlite": "x''", "postgresql": "''::bytea"}


@pytest.mark.spec("P20", "P28")
def test_the_guard_lets_an_erasure_pass(database: Database) -> None:
    empty = EMPTY["postgresql" if database.schema else "sqlite"]
    table = database.table("archive_entry")
    database.execute(f"UPDATE {table} SET data = NULL, nonce = {empty} WHERE position = 1")
    with database.connect() as connection:
        rows = connection.execute(sa.text(f"SELECT position, data, nonce FROM {table} ORDER BY position")).all()
    assert [(row[0], row[1], bytes(row[2])) for row in rows] == [(1, None, b""), (2, b"{}", b"n" * 16)]


@pytest.mark.spec("P20")
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM {table}",
        "UPDATE {table} SET data = NULL",
        "UPDATE {table} SET nonce = {empty}",
        "UPDATE {table} SET data = NULL, nonce = {empty}, entity_id = 'b'",
        "UPDATE {table} SET data = NULL, nonce = {empty}, generation = 2",
        "UPDATE {table} SET data = {empty}, nonce = {empty}",
        "UPDATE {table} SET entity_id = 'b'",
        "INSERT INTO {table} SELECT * FROM {table} WHERE position = 1",
        "INSERT INTO {table} SELECT 9, entity_type, content_hash, generation, entity_id, size, stored_at, nonce, data"
        " FROM {table} WHERE position = 1",
    ],
)
def test_the_guard_lets_nothing_else_pass(database: Database, statement: str) -> None:
    empty = EMPTY["postgresql" if database.schema else "sqlite"]
    with pytest.raises(sa.exc.DBAPIError, match=r"append-only: archive_entry|(pk|uq)_archive_entry"):
        database.execute(statement.format(table=database.table("archive_entry"), empty=empty))
