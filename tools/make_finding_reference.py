"""Write docs/reference/findings.md from the registry of codes; with --check, say whether it is up to date."""

from __future__ import annotations

import sys
from pathlib import Path

from charter_persist.model.finding import KINDS, Layer, Severity

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "findings.md"
HEAD = """# Findings

What `charter fsck`, `charter verify`, a boot and an import can report; codes of the layer `bundle` are of imports alone. A code is stable. Each stands with the rule that was broken;
the finding names table and key, and says in what. Severity: `hard`, something that was recorded is lost, altered or
contradicts itself; `soft`, the records are whole and a defence of them is not. What is only stale is a note of
`charter fsck --verbose` and never a finding. This page is made by `tools/make_finding_reference.py`.
"""


def page() -> str:
    """The text of the page."""
    parts = [HEAD]
    for layer in Layer:
        parts.append(f"\n## Layer {layer}\n\n| code | severity | rule |\n|---|---|---|\n")
        parts += [
            f"| `{code}` | {kind.severity} | {kind.rule} |\n" for code, kind in KINDS.items() if kind.layer is layer
        ]
    assert all(kind.severity is not Severity.STALE for kind in KINDS.values())
    return "".join(parts)


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text() == page() else "docs/reference/findings.md is out of date")
    PAGE.write_text(page())
