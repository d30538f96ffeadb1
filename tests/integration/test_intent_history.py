"""The backup of a store carries the intent graph: its logs row by row, its tables computed; and damage is found."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from charter_persist import connect
from charter_persist.backends.contract import INTENT, INTENT_EDGE, INTENT_EDGE_LOG, INTENT_LOG
from charter_persist.integrity.fsck import fsck
from charter_persist.integrity.verify import Level, verify
from charter_persist.testing.intents import change_graph, edge, graph_of, intent, put_intents
from tests.backups import back_up, bring_back, dump, new_url
from tests.damage import unguarded


def record(url: str, seed: int, units: int = 15) -> int:
    """Changes of the graph at random; the newest revision."""
    chance = Random(seed)
    with connect(url) as store:
        for _ in range(units):
            with store.begin() as uow:
                for _ in range(4):
                    change_graph(uow, chance)
        with store.read() as view:
            return view.revision


@pytest.mark.spec("GOV-12", "CCOS-4")
def test_the_graph_comes_back_as_of_any_revision(tmp_path: Path) -> None:
    url, folder = new_url(tmp_path), tmp_path / "backup"
    middle = record(url, 1)
    back_up(url, folder)
    newest = record(url, 2)
    back_up(url, folder, incremental=True)
    for revision in (None, newest, middle + 1, middle, 1):
        target = f"sqlite:///{tmp_path / str(revision)}.db"
        bring_back(folder, target, revision=revision)
        with connect(url) as store, connect(target) as restored:
            assert verify(restored, store_id=restored.store_id).level is Level.CHAIN
            with store.read(as_of=revision) as then, restored.read() as view:
                assert graph_of(view) == graph_of(then)
                assert view.journal.root() == then.journal.root()
    found = dump(f"sqlite:///{tmp_path / 'None'}.db")
    assert found == dump(url)
    assert all(found[relation.name] for relation in (INTENT, INTENT_EDGE, INTENT_LOG, INTENT_EDGE_LOG))


DAMAGE = {
    "an intent without a log": "INSERT INTO intent SELECT 'z', status, version, revision, data, position FROM intent",
    "an intent that is lost": "DELETE FROM intent WHERE intent_id = 'b'",
    "an edge that is lost": "DELETE FROM intent_edge",
    "a log row that is lost": "DELETE FROM intent_log WHERE subject = 'b'",
    "an edge that was moved": "UPDATE intent_edge SET to_id = 'a'",
    "a status that was changed": "UPDATE intent SET status = 'Failed' WHERE intent_id = 'a'",
    "a deletion that is taken back": "DELETE FROM intent_log WHERE data IS NULL",
    "a deletion with a nonce": "UPDATE intent_log SET nonce = x'00112233445566778899aabbccddeeff' WHERE data IS NULL",
    "a deletion of another version": "UPDATE intent_log SET version = 9 WHERE data IS NULL",
}


@pytest.mark.spec("GOV-11", "CCOS-4")
@pytest.mark.parametrize("name", DAMAGE)
def test_damage_to_the_graph_is_found(tmp_path: Path, name: str) -> None:
    url = new_url(tmp_path)
    with connect(url) as store:
        put_intents(store, "a", "b", "c")
        with store.begin() as uow:
            uow.intents.add_edge(edge("a", "b"))
            uow.intents.update(intent("a", goal="2"))
            uow.intents.delete("c")
        assert fsck(store).findings == ()
    with unguarded(tmp_path / "source.db") as tamper:
        tamper.execute(DAMAGE[name] + (" WHERE intent_id = 'a'" if name == "an intent without a log" else ""))
    with connect(url) as store:
        found = [finding for finding in fsck(store).findings if finding.code != "GUARD_MISSING"]
    assert found
    assert all(finding.subject.startswith("intent") for finding in found), found
