"""`charter intents` and `charter migrate-from-file`, as a shell calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from charter_persist import connect, upgrade
from charter_persist.backends.contract import INTENT_EDGE
from charter_persist.cli.failure import ExitCode
from charter_persist.testing.intents import edge, intent, put_intents
from tests.command_line import charter
from tests.damage import unguarded


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    upgrade(url)
    with connect(url) as store:
        put_intents(store, "a", "b")
        with store.begin() as uow:
            uow.intents.store(intent("c", name="Sea", status="Failed", priority=9, goal="\x1b[31m"))
            uow.intents.add_edge(edge("a", "b", "DependsOn"))
    return url


@pytest.fixture
def empty(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    upgrade(url)
    return url


@pytest.mark.spec("CCOS-4")
def test_list_takes_every_part_of_a_filter_and_gives_pages(url: str) -> None:
    def ids(*arguments: str) -> list[str]:
        told = charter("intents", "list", "--url", url, "--json", *arguments)
        return [found["intent_id"] for found in told.json["intents"]]

    assert ids() == ["a", "b", "c"]
    assert ids("--status", "Failed") == ids("--name", "Se") == ids("--priority-min", "2") == ["c"]
    assert ids("--goal", "of b") == ["b"]
    assert ids("--priority-max", "1", "--status", "Failed") == []
    assert ids("--as-of", "1") == ["a", "b"]
    first = charter("intents", "list", "--url", url, "--limit", "2", "--json").json
    assert ids("--cursor", first["cursor"]) == ["c"]
    out = charter("intents", "list", "--url", url, "--limit", "2").out.splitlines()
    assert out[0].split("\t") == ["id", "status", "priority", "name", "goal"]
    assert out[-1].startswith("more: --cursor")
    assert "\x1b" not in charter("intents", "list", "--url", url).out
    assert charter("intents", "list", "--url", url, "--status", "failed").code == ExitCode.USAGE
    assert charter("intents", "list", "--url", url, "--priority-min", "-1").code == ExitCode.REFUSED


@pytest.mark.spec("CCOS-5")
def test_backup_and_restore(url: str, empty: str, tmp_path: Path) -> None:
    file = str(tmp_path / "graph.json")
    told = charter("intents", "backup", file, "--note", "before", "--url", url, "--json").json
    assert (told["version"], told["intents"], told["edges"]) == ("1.1", 3, 1)
    manifest = json.loads(Path(file).read_text())["manifest"]
    assert (manifest["note"], manifest["source"]) == ("before", url)
    told = charter("intents", "restore", file, "--url", empty, "--json").json
    assert (told["intents"], told["edges"], told["revision"]) == (3, 1, 1)
    assert charter("intents", "restore", file, "--url", empty, "--json").json["revision"] is None
    Path(file).write_text("{}")
    told_error = charter("intents", "restore", file, "--url", empty, "--json")
    assert (told_error.code, told_error.error["applied"]) == (ExitCode.REFUSED, "no")
    assert charter("intents", "restore", str(tmp_path / "none"), "--url", empty).code == ExitCode.UNAVAILABLE


@pytest.mark.spec("CCOS-5")
def test_check_says_what_is_wrong(url: str, tmp_path: Path) -> None:
    assert charter("intents", "check", "--url", url, "--json").json == {"intents": 3, "edges": 1, "problems": []}
    with unguarded(tmp_path / "store.db") as tamper:
        tamper.execute("DELETE FROM intent WHERE intent_id = 'b'")
    told = charter("intents", "check", "--url", url)
    assert (told.code, "there is no intent b" in told.out) == (ExitCode.REFUSED, True)
    found = charter("fsck", "--url", url, "--json")
    subjects = [finding["subject"] for finding in found.json["findings"]]
    assert [subject for subject in subjects if not subject.startswith("guard/")] == ["intent/b"]


@pytest.mark.spec("CCOS-6")
def test_migrate_from_file(url: str, empty: str, tmp_path: Path) -> None:
    file = str(tmp_path / "graph.json")
    charter("intents", "backup", file, "--url", url)
    with connect(empty) as store, store.begin() as uow:
        uow.intents.store(intent("a", goal="other"))
    dry = charter("migrate-from-file", file, "--dry-run", "--url", empty, "--json")
    told = charter("migrate-from-file", file, "--url", empty, "--json")
    assert dry.code == told.code == ExitCode.REFUSED
    assert told.json | {"dry_run": True} == dry.json
    assert (told.json["imported"], told.json["present"], told.json["refused"]) == (3, 0, 1)
    out = charter("migrate-from-file", file, "--url", empty).out
    assert "present: 3" in out
    assert "use update to change it" in out
    with connect(empty) as store, store.read() as view:
        assert next(view.reader.scan(INTENT_EDGE, ("edge_key",))).edge_key == "a/b/DependsOn"
    assert charter("migrate-from-file", file, "--url", url).code == ExitCode.FINE
    assert charter("migrate-from-file", str(tmp_path / "none"), "--url", url).code == ExitCode.USAGE
