"""What a copy of a store has of vectors: nothing; and what the records of a store say of them: nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from charter_persist import connect
from charter_persist.backends.contract import VECTOR_COLLECTION, VECTOR_DOCUMENT
from charter_persist.integrity.fsck import fsck
from charter_persist.integrity.verify import Level, verify
from charter_persist.model.vector import VectorDocument
from charter_persist.unit_of_work import UnitOfWork
from tests.backups import back_up, bring_back, dump, new_url, note


def remember(uow: UnitOfWork) -> None:
    uow.vectors.ensure_collection("c", 2)
    uow.vectors.upsert("c", VectorDocument("a", "secret", [1, 2], {"k": "v"}))


@pytest.mark.spec("ENA-5", "GOV-12")
def test_a_backup_leaves_vectors_out_and_is_whole(tmp_path: Path) -> None:
    url, folder, new = new_url(tmp_path), tmp_path / "backup", f"sqlite:///{tmp_path / 'new.db'}"
    with connect(url) as store:
        note(store, "before")
        store.run(remember)
        note(store, "after")
    back_up(url, folder)
    assert not [path for path in folder.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]
    bring_back(folder, new)
    found, source = dump(new), dump(url)
    for relation in (VECTOR_COLLECTION, VECTOR_DOCUMENT):
        assert len(source.pop(relation.name)) == 1
        assert found.pop(relation.name) == []
    assert found == source
    with connect(new) as store:
        store.run(remember)
        with store.read() as view:
            assert [result.document.content for result in view.vectors.search("c", [1, 2])] == ["secret"]


@pytest.mark.spec("ENA-5")
def test_vectors_beside_the_records_leave_every_check_clean(tmp_path: Path) -> None:
    with connect(new_url(tmp_path)) as store:
        note(store, "a decision")
        store.run(remember)
        assert fsck(store).findings == ()
        assert verify(store, store_id=store.store_id).level is Level.CHAIN
