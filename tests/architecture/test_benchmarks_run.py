"""The benchmarks still work; what they measure is never asserted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_a_quick_run_prints_a_row_for_each_item(postgres_database: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--postgres", postgres_database],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()[2:]
    assert len(rows) == 56 + 6 * (
        "eventsourcing is not installed" not in done.stdout
    )  # two peers of events are then there
    assert all(row.count("|") == 6 for row in rows)
    assert list(tmp_path.iterdir()) == []


def test_the_rows_of_etcd_are_printed_when_they_are_asked_for(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--only", "etcd"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()[2:]) == 4
    assert list(tmp_path.iterdir()) == []
