"""Runs the suite against the stores of a URL and tells in a few lines what came of it.

The run is a process of its own, so that pytest can explain the assertions and no setting of the caller's project
reaches it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from charter_persist.testing.recorder import FILE_VARIABLE
from charter_persist.testing.suite import LedgerConformance
from charter_persist.testing.url_suite import URL_VARIABLE

_PYTEST: Final = (
    *("-m", "pytest", "--pyargs", "charter_persist.testing.url_suite", "-q", "-p", "no:cacheprovider"),
    *("-p", "charter_persist.testing.plugin", "-p", "charter_persist.testing.recorder"),
)


@dataclass(frozen=True, slots=True)
class Part:
    """What became of one class of the suite.

    Attributes:
        name: of the class, such as ``RefStoreConformance``.
        passed, failed, skipped: how many of its tests.
    """

    name: str
    passed: int
    failed: int
    skipped: int


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the suite.

    Attributes:
        conforms: every test passed or needs what the backend declares that it lacks.
        parts: in the order of the suite.
        failures: test and first line of the reason.
        skips: test and what is lacking.
        output: what pytest printed; the place to look when nothing ran.
    """

    conforms: bool
    parts: tuple[Part, ...]
    failures: tuple[tuple[str, str], ...]
    skips: tuple[tuple[str, str], ...]
    output: str

    def to_json(self) -> dict[str, Any]:
        """All but the output."""
        document = asdict(self)
        del document["output"]
        return document

    def to_text(self) -> str:
        """A table of the parts, then the failures and what was skipped."""
        lines = [
            f"{part.name:32}{part.passed:5} passed {part.failed:3} failed {part.skipped:3} skipped"
            for part in self.parts
        ]
        lines += [f"FAILED {test}: {reason}" for test, reason in self.failures]
        lines += [f"skipped {test}: {reason}" for test, reason in self.skips]
        return "\n".join([*lines, "conforms" if self.conforms else "does not conform"])


def run_suite(url: str, *, select: str = "") -> Report:
    """Run the suite against stores of the kind that a URL names; what stands at the URL itself is not touched.

    Args:
        url: as for `charter_persist.connect`.
        select: an expression as for ``pytest -k``; empty for the whole suite.

    Returns:
        The report.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "report.json"
        # An ini file of its own: none of the caller's project is looked for.
        Path(folder, "pytest.ini").write_text("[pytest]\n")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        done = subprocess.run(  # noqa: S603  # our own interpreter with our own arguments
            [sys.executable, *_PYTEST, "-c", "pytest.ini", *(["-k", select] if select else [])],
            cwd=folder,
            env={**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", URL_VARIABLE: url, FILE_VARIABLE: str(answer)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        results = json.loads(answer.read_text()) if answer.exists() else []
    return _report(results, done.stdout)


def _report(results: Iterable[dict[str, Any]], output: str) -> Report:
    counts: dict[str, Counter[str]] = {}
    named: dict[str, list[tuple[str, str]]] = {"failed": [], "skipped": [], "passed": []}
    for result in results:
        counts.setdefault(result["part"], Counter())[result["outcome"]] += 1
        named[result["outcome"]].append((result["test"], result["reason"]))
    order = [part.__name__ for part in LedgerConformance.__mro__]
    parts = tuple(
        Part(name, counts[name]["passed"], counts[name]["failed"], counts[name]["skipped"])
        for name in sorted(counts, key=order.index)
    )
    conforms = bool(named["passed"]) and not named["failed"]
    return Report(conforms, parts, tuple(named["failed"]), tuple(named["skipped"]), output)
