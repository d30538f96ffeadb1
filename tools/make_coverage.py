"""Write docs/reference/coverage.md: each requirement id with the tests that show it, read from their `spec` marks."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "coverage.md"
SOURCES = ("tests", "charter_persist/testing")
DONE = (
    *("STO-1", "STO-2", "STO-3.1", "STO-3.2", "STO-3.3", "STO-3.4", "STO-3.5", "STO-5", "STO-5.3"),
    *("HASH-1", "HASH-2", "HASH-3", "HASH-4", "HASH-5", "HASH-6"),
    *(f"IDX-{number}" for number in (2, *range(4, 14))),
    *(f"GOV-{number}" for number in range(1, 16)),
    *("KV-1", "KV-2", "KV-3", "KV-4", "KV-5", "KV-6", "KV-7", "KV-8", "KV-9"),
)
HEAD = """# Requirements and the tests that show them

Made by `tools/make_coverage.py` from the `spec` marks of the tests. A requirement whose work is done and that has no
test fails a test.

| id | shown by |
|---|---|
"""


def marks(node: ast.ClassDef | ast.FunctionDef) -> list[str]:
    """The ids of the `spec` marks on a class or function."""
    return [
        argument.value
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.spec"
        for argument in decorator.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]


def collect() -> dict[str, set[str]]:
    """For each id the places that show it."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(path for source in SOURCES for path in (ROOT / source).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                for identity in marks(node):
                    found[identity].add(f"`{path.relative_to(ROOT)}::{node.name}`")
    return found


def page() -> str:
    """The text of the page."""
    found = collect()
    rows = [f"| {identity} | {', '.join(sorted(found.get(identity, ())))} |\n" for identity in sorted({*DONE, *found})]
    return HEAD + "".join(rows)


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text() == page() else "docs/reference/coverage.md is out of date")
    PAGE.write_text(page())
