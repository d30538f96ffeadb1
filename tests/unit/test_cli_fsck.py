"""`charter fsck`: silent on a sound store, exit codes, JSON, SARIF, and the one thing it writes when it is told to."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from charter_persist import connect, upgrade
from charter_persist.cli.failure import ExitCode
from charter_persist.model.finding import KINDS
from tests.command_line import Answer, charter
from tests.governed_store import record_everything, ticking


class Bench:
    """A store, and the command on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "store.db"
        self.url = f"sqlite:///{self.path}"
        upgrade(self.url)
        with connect(self.url, clock=ticking()) as store:
            record_everything(store)

    def __call__(self, *arguments: str) -> Answer:
        return charter("--url", self.url, "fsck", *arguments)

    def damage(self) -> None:
        """One guard is gone, and one object is not what it was."""
        connection = sqlite3.connect(self.path)
        connection.execute("DROP TRIGGER guard_object_update")
        connection.execute("UPDATE object SET data = x'5b5d', size = 2 WHERE position = 1")
        connection.commit()
        connection.close()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.spec("GOV-11", "P30")
def test_of_a_sound_store_nothing_is_said(bench: Bench) -> None:
    assert bench() == Answer(ExitCode.FINE, "", "")


@pytest.mark.spec("GOV-11", "P30")
def test_findings_are_told_with_severity_and_place(bench: Bench) -> None:
    bench.damage()
    answer = bench()
    assert answer.code == ExitCode.REFUSED
    assert "HASH_MISMATCH\thard\tobject/1\t" in answer.out
    assert "GUARD_MISSING\tsoft\tguard/guard_object_update\t" in answer.out


@pytest.mark.spec("GOV-11", "P30")
def test_a_store_that_cannot_be_used_is_not_one_with_findings(tmp_path: Path) -> None:
    assert charter("--url", f"sqlite:///{tmp_path / 'none.db'}", "fsck").code == ExitCode.UNAVAILABLE


def test_with_json_a_program_reads_everything(bench: Bench) -> None:
    sound = bench("--json").json
    assert (sound["level"], sound["findings"], sound["counts"]) == ("chain", [], {})
    assert sum(sound["objects"].values()) == 51
    bench.damage()
    damaged = bench("--json").json
    assert damaged["counts"] == {"GUARD_MISSING": 1, "HASH_MISMATCH": 1}
    assert damaged["objects"]["broken"] == len(damaged["broken"]) == 1
    (first, _) = damaged["findings"]
    assert first == {
        "code": "HASH_MISMATCH",
        "severity": "hard",
        "layer": "A object",
        "subject": "object/1",
        "message": first["message"],
    }


def test_verbose_tells_notes_and_what_is_unattached(bench: Bench) -> None:
    out = bench("--verbose").out
    assert "level: chain" in out
    assert "unattached: doc/" in out
    assert "note: area without SCOPE: not initialised: c" in out


@pytest.mark.spec("P24", "GOV-11")
def test_a_checkpoint_is_compared(bench: Bench) -> None:
    note = bench.folder / "note"
    charter("--url", bench.url, "checkpoint", "--out", str(note))
    assert bench("--checkpoint", str(note), "--json").json["level"] == "checkpoint"
    size = note.read_text().splitlines()[1]
    note.write_text(note.read_text().replace(f"\n{size}\n", f"\n{int(size) + 1}\n"))
    assert bench("--checkpoint", str(note), "--json").json["counts"] == {"CHECKPOINT_AHEAD": 1}


@pytest.mark.spec("GOV-11", "P29")
def test_only_record_writes_and_it_writes_one_event(bench: Bench) -> None:
    before = bench.path.read_bytes()
    bench()
    assert bench.path.read_bytes() == before
    assert bench("--record").code == ExitCode.FINE
    with connect(bench.url, read_only=True) as store, store.read() as view:
        (event,) = view.audit.iter(event_type="FSCK_EXECUTED")
        assert (event.scope, event.subject) == ("GLOBAL", ("store", store.store_id))
        assert event.details["level"] == "chain"
        assert event.details["findings"] == {}
        assert event.details["size"] == event.position - 1
        assert event.details["root"] == view.journal.root(event.position - 1).hex()
    assert bench().code == ExitCode.FINE


def sarif(bench: Bench, *arguments: str) -> dict[str, Any]:
    answer = bench("--sarif", "-", *arguments)
    assert answer.err == ""
    return answer.json


@pytest.mark.spec("GOV-11")
def test_sarif_has_what_the_standard_requires(bench: Bench) -> None:
    bench.damage()
    log = sarif(bench)
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "charter fsck"
    assert [rule["id"] for rule in driver["rules"]] == list(KINDS)
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"].endswith(".")
        assert rule["defaultConfiguration"]["level"] in {"error", "warning", "note"}
    assert [result["ruleId"] for result in run["results"]] == ["HASH_MISMATCH", "GUARD_MISSING"]
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == driver["rules"][result["ruleIndex"]]["defaultConfiguration"]["level"]
        assert result["message"]["text"]
        (place,) = result["locations"]
        (where,) = place["logicalLocations"]
        assert where["fullyQualifiedName"].endswith(f"#{where['name']}")


def test_sarif_of_a_sound_store_has_no_results(bench: Bench) -> None:
    assert sarif(bench)["runs"][0]["results"] == []


def test_sarif_goes_to_a_file_beside_the_answer(bench: Bench) -> None:
    bench.damage()
    path = bench.folder / "report.sarif"
    answer = bench("--sarif", str(path))
    assert "HASH_MISMATCH" in answer.out
    assert json.loads(path.read_text()) == sarif(bench)
    assert bench("--sarif", str(bench.folder / "no" / "such")).code == ExitCode.REFUSED
