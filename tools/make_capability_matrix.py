"""Write docs/reference/backends.md from the catalogue; with --check, say whether it is up to date."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from charter_persist.catalog import BACKENDS

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "backends.md"
HEAD = """# Backends

Which store runs on which backend. What a backend does not offer raises `NotSupportedError`, which names both. The same
answers come from every backend that offers a store: one suite of tests runs on all of them. `charter backends` shows this
table and what is installed here. It is made by `tools/make_capability_matrix.py` from `charter_persist/catalog.py`.
"""
NAMES = {"as_of": "`store.read(as_of=…)`", "lease": "`store.lease`, `store.elect`", "watch": "`store.watch`"}


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def mark(yes: bool) -> str:
    """A cell that says yes or nothing."""
    return "yes" if yes else ""


def page() -> str:
    """The text of the page."""
    names = [entry.name for entry in BACKENDS]
    stores = sorted(set().union(*(entry.stores for entry in BACKENDS)), key=lambda name: (name in NAMES, name))
    offered = [
        [NAMES.get(store, f"`{store}`"), *(mark(store in entry.stores) for entry in BACKENDS)] for store in stores
    ]
    facts = [
        ["URL", *(f"`{entry.url}`" for entry in BACKENDS)],
        ["needs the network", *(mark(entry.requires_network) for entry in BACKENDS)],
        ["works air-gapped", *(mark(entry.supports_air_gapped) for entry in BACKENDS)],
        ["extra to install", *(f"`{entry.extra}`" if entry.extra else "" for entry in BACKENDS)],
    ]
    flags = [
        [f"`{flag}`", *(mark(asdict(entry.capabilities)[flag]) for entry in BACKENDS)]
        for flag in asdict(BACKENDS[0].capabilities)
    ]
    parts = [HEAD, "\n", table(["", *names], facts), "\n## Stores\n\n", table(["", *names], offered)]
    hints = (
        "\n## Capabilities\n\nHints of the backend about itself: they choose a faster way and never another answer.\n\n"
    )
    return "".join([*parts, hints, table(["", *names], flags)])


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text() == page() else "docs/reference/backends.md is out of date")
    PAGE.write_text(page())
