"""Backup and restore on the command line: what is said, and with which exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from charter_persist import connect
from charter_persist.cli.failure import ExitCode
from tests.backups import dump, new_url, note, record
from tests.command_line import Answer, charter


class Bench:
    """A store, and a folder for its backup."""

    def __init__(self, folder: Path) -> None:
        self.url = new_url(folder)
        self.backup = str(folder / "b")
        self.restored = f"sqlite:///{folder / 'restored.db'}"
        record(self.url, 0, 5)

    def __call__(self, *arguments: str, url: str | None = None) -> Answer:
        return charter(*arguments, "--url", url or self.url)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_create_list_verify_drill_and_restore(bench: Bench) -> None:
    made = bench("backup", "create", bench.backup, "--json")
    assert made.code == ExitCode.FINE
    with connect(bench.url) as store, store.read() as view:
        assert made.json["segment"]["root"] == view.journal.root().hex()
        assert (made.json["new"], made.json["segment"]["revision"]) == (True, 5)
    record(bench.url, 5, 9)
    assert bench("backup", "create", bench.backup, "--incremental").code == ExitCode.FINE
    listed = bench("backup", "list", bench.backup, "--json").json
    assert [segment["revision"] for segment in listed["segments"]] == [5, 9]
    verified = bench("backup", "verify", bench.backup, "--json")
    drilled = bench("backup", "drill", bench.backup, "--json")
    restored = bench("restore", bench.backup, "--json", url=bench.restored)
    for told in (verified, drilled, restored):
        assert told.code == ExitCode.FINE
        assert told.json["root"] == listed["segments"][-1]["root"]
    assert drilled.json["findings"] == 0
    assert drilled.json["restore_s"] >= 0
    assert dump(bench.restored) == dump(bench.url)


def test_a_drill_checks_what_fsck_checks(bench: Bench) -> None:
    with connect(bench.url) as store, store.begin() as uow:
        uow.objects.put("resolution", {"not": "a resolution"})
    bench("backup", "create", bench.backup)
    drilled = bench("backup", "drill", bench.backup, "--json")
    assert (drilled.code, drilled.json["findings"]) == (ExitCode.REFUSED, 1)


def test_people_are_told_the_same(bench: Bench) -> None:
    assert "revision: 5" in bench("backup", "create", bench.backup).out
    assert "none was added" in bench("backup", "create", bench.backup, "--incremental").out
    assert bench("backup", "list", bench.backup).out.startswith("segment\tmade_at\trevision")
    assert "is sound" in bench("backup", "verify", bench.backup).out
    assert "restore_s: " in bench("backup", "drill", bench.backup).out
    assert "revision: 3" in bench("restore", bench.backup, "--revision", "3", url=bench.restored).out


def test_a_store_that_is_there_is_replaced_only_on_demand(bench: Bench) -> None:
    bench("backup", "create", bench.backup)
    with connect(bench.url) as store:
        note(store, "later")
    refused = bench("restore", bench.backup, "--json")
    assert (refused.code, refused.error["code"]) == (ExitCode.REFUSED, "already-exists")
    replaced = bench("restore", bench.backup, "--replace", "--json")
    assert replaced.json["revision"] == 5
    with connect(f"sqlite:///{replaced.json['kept']}") as old, old.read() as view:
        assert view.revision == 6


def test_a_damaged_backup_is_refused_everywhere(bench: Bench, tmp_path: Path) -> None:
    bench("backup", "create", bench.backup)
    rows = tmp_path / "b" / "000001.rows.jsonl"
    rows.write_bytes(rows.read_bytes().replace(b'"put"', b'"PUT"', 1))
    for command in (("backup", "verify"), ("backup", "drill"), ("restore",)):
        told = bench(*command, bench.backup, "--json", url=bench.restored)
        assert (told.code, told.error["code"]) == (ExitCode.REFUSED, "integrity")
    assert not (tmp_path / "restored.db").exists()


@pytest.mark.parametrize("command", [("backup", "list"), ("backup", "verify"), ("backup", "drill"), ("restore",)])
def test_a_folder_without_a_backup_is_named(bench: Bench, tmp_path: Path, command: tuple[str, ...]) -> None:
    told = bench(*command, str(tmp_path / "none"), "--json", url=bench.restored)
    assert (told.code, told.error["code"]) == (ExitCode.REFUSED, "not-found")


def test_a_store_that_somebody_has_open_is_unavailable(bench: Bench) -> None:
    bench("backup", "create", bench.backup)
    with connect(bench.url) as store:
        note(store, "open")
        told = bench("restore", bench.backup, "--replace", "--json")
    assert (told.code, told.error["code"]) == (ExitCode.UNAVAILABLE, "store-busy")


@pytest.mark.parametrize("url", ["memory://", "sqlite://", "nonsense", "mysql://host/db"])
def test_a_url_that_cannot_be_restored_to_is_unavailable(bench: Bench, url: str) -> None:
    bench("backup", "create", bench.backup)
    assert bench("restore", bench.backup, url=url).code == ExitCode.UNAVAILABLE


def test_the_record_stands_beside_the_store(bench: Bench, tmp_path: Path) -> None:
    bench("backup", "create", bench.backup)
    told = bench("restore", bench.backup, "--json", url=bench.restored).json
    record_ = json.loads((tmp_path / "restored.db.restored.json").read_text())
    assert {name: record_[name] for name in ("size", "root", "revision")} == {
        name: told[name] for name in ("size", "root", "revision")
    }
