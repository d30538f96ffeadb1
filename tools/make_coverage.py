"""Write docs/reference/coverage.md: each requirement id with the tests that show it, read from their `spec` marks."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
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
    *(f"ENA-{number}" for number in range(1, 7)),
    *("CCOS-1", "CCOS-2", "CCOS-3", "CCOS-4", "CCOS-5", "CCOS-6", "CCOS-7"),
)
HEAD = """# Requirements and the tests that show them

Made by `tools/make_coverage.py` from the `spec` marks of the tests. A requirement whose work is done and that has no
test fails a test.

| id | shown by |
|---|---|
"""


def marks(candidates: list[ast.expr]) -> list[str]:
    """The ids of the `spec` marks among decorators, or what a module calls ``pytestmark``."""
    return [
        argument.value
        for candidate in candidates
        if isinstance(candidate, ast.Call) and ast.unparse(candidate.func) == "pytest.mark.spec"
        for argument in candidate.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]


def marked(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    """Each class and function of a module with its ids, and the module itself under an empty name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield f"::{node.name}", marks(node.decorator_list)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            yield "", marks(node.value.elts if isinstance(node.value, ast.List) else [node.value])


def collect() -> dict[str, set[str]]:
    """For each id the places that show it."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(path for source in SOURCES for path in (ROOT / source).rglob("*.py")):
        for name, identities in marked(ast.parse(path.read_text())):
            for identity in identities:
                found[identity].add(f"`{path.relative_to(ROOT)}{name}`")
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
