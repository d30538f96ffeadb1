"""``python -m charter_persist.testing URL`` runs the suite for people who have a URL and no test file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from charter_persist.testing.report import Report, _report, run_suite

RESULTS = [
    {"part": "RefStoreConformance", "test": "test_a", "outcome": "passed", "reason": ""},
    {"part": "RefStoreConformance", "test": "test_b", "outcome": "failed", "reason": "AssertionError: no"},
    {"part": "ObjectStoreConformance", "test": "test_c", "outcome": "skipped", "reason": "lacks: reopen"},
]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "charter_persist.testing", *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("kind", ["memory", "private", "file"])
def test_the_command_runs_the_suite_and_leaves_nothing(kind: str, tmp_path: Path) -> None:
    url = {"memory": "memory://", "private": "sqlite://", "file": f"sqlite:///{tmp_path / 'mine.db'}"}[kind]
    done = command(url, "--json", "-k", "test_a_new_ref_has_version_one or read_only")
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["conforms"]
    assert document["failures"] == []
    skips = [test for test, _ in document["skips"]]
    assert skips == ([] if kind == "file" else ["test_a_read_only_handle_reads_and_never_writes"])
    assert {part["name"]: part["passed"] for part in document["parts"]} == {
        "RefStoreConformance": 1,
        "UnitConformance": 1 if kind == "file" else 0,
    }
    assert list(tmp_path.iterdir()) == []


def test_the_command_runs_on_postgres_in_a_schema_of_its_own(postgres_database: str) -> None:
    done = command(postgres_database, "-k", "test_a_new_ref_has_version_one")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "conforms"


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("bogus://x", 2, "bogus"),
        ("sqlite:////nowhere/at/all/x.db", 3, "/nowhere/at/all"),
        ("postgresql+psycopg://nobody@127.0.0.1:1/x", 3, "cannot be used"),
    ],
)
def test_a_url_that_is_of_no_use_is_told_in_one_line(url: str, code: int, words: str) -> None:
    done = command(url)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failure_means_that_the_store_does_not_conform() -> None:
    report = _report(RESULTS, "")
    assert not report.conforms
    assert report.failures == (("test_b", "AssertionError: no"),)
    # In the order of the suite, not in that of the run.
    assert [part.name for part in report.parts] == ["ObjectStoreConformance", "RefStoreConformance"]
    lines = report.to_text().splitlines()
    assert lines[1].split() == ["RefStoreConformance", "1", "passed", "1", "failed", "0", "skipped"]
    assert lines[2:] == ["FAILED test_b: AssertionError: no", "skipped test_c: lacks: reopen", "does not conform"]
    assert _report(RESULTS[:1], "").conforms


def test_a_run_without_tests_proves_nothing() -> None:
    report = run_suite("memory://", select="no_such_test")
    assert isinstance(report, Report)
    assert not report.conforms
    assert report.parts == ()
    assert "deselected" in report.output
