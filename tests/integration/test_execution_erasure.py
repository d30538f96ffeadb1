"""Erased events and messages are in no file of a SQLite store, in no later backup, and proofs still verify."""

from __future__ import annotations

from pathlib import Path

import pytest

from charter_persist import connect, upgrade
from charter_persist.integrity.fsck import fsck
from charter_persist.model.event import Custom
from charter_persist.proofs import verify_inclusion
from charter_persist.transfer.backup import backup

CANARY = "canary-91ce-plain-text"


def sightings(folder: Path) -> dict[str, int]:
    found = {file.name: file.read_bytes().count(CANARY.encode()) for file in folder.rglob("*") if file.is_file()}
    return {name: count for name, count in found.items() if count}


@pytest.mark.spec("P28", "ENA-2", "ENA-4")
def test_what_was_erased_leaves_every_file_and_proofs_stay(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'charter.db'}"
    upgrade(url)
    with connect(url) as store:
        for number in range(40):
            with store.begin() as uow:
                uow.events.append("secret", Custom("n", CANARY * (1 + number * 20)), tenant_id="t")
                uow.events.append("other", Custom("n", "kept"), tenant_id="t")
                if not number:
                    uow.messages.create_thread(tenant_id="t", user_id="u", thread_id="secret", title=CANARY)
                uow.messages.create_message("secret", role="user", content=CANARY, message_id=f"m{number}")
        with store.begin() as uow:
            uow.messages.update_message("m0", expected=1, content=f"{CANARY} again")
        with store.read() as view:
            size, root = view.journal.size(), view.journal.root()
            proofs = [(e, view.journal.inclusion_proof(e.position)) for e in view.journal.entries(limit=1000)]
        assert sightings(tmp_path)
        with store.begin() as uow:
            assert uow.events.erase("secret") == 40
            assert uow.messages.erase_thread("secret") == 42
        assert sightings(tmp_path), "the control: the commit alone does not empty the log"
        store.scrub()
        assert sightings(tmp_path) == {}
        backup(store, tmp_path / "backup", store_id=store.store_id)
        assert sightings(tmp_path) == {}
        for entry, proof in proofs:
            verify_inclusion(entry.leaf, entry.position - 1, size, proof, root)
        with store.read() as view:
            assert view.journal.root(size) == root
            assert len(list(view.events.load("other"))) == 40
        assert fsck(store).findings == ()
