"""Pytest plugin that writes what became of each test to a file; `report` reads it.

The file is named by an environment variable, because the run is in a process of its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

FILE_VARIABLE: Final = "CHARTER_CONFORMANCE_REPORT"
_RESULTS: Final = pytest.StashKey[list[dict[str, Any]]]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin with nothing."""
    config.stash[_RESULTS] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Note the part of the suite that a test belongs to and, once, what became of it."""
    report: pytest.TestReport = yield  # type: ignore[assignment]  # a wrapper is given the result
    if report.when == "call" or report.outcome != "passed":
        item.config.stash[_RESULTS].append(
            {
                "part": _part(item),
                "test": item.name,
                "outcome": report.outcome,
                "reason": _reason(report),
            }
        )
    return report  # type: ignore[return-value]  # and gives it back


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the file."""
    Path(os.environ[FILE_VARIABLE]).write_text(json.dumps(session.config.stash[_RESULTS]))


def _part(item: pytest.Item) -> str:
    """The class that defines a test, such as ``RefStoreConformance``."""
    function = getattr(item, "function", None)
    return str(getattr(function, "__qualname__", item.name)).partition(".")[0]


def _reason(report: pytest.TestReport) -> str:
    """One line: why it failed or was skipped."""
    if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return "" if crash is None else str(crash.message).splitlines()[0]
