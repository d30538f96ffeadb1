"""Write docs/reference/errors.md from the error classes; with --check, say whether it is up to date."""

from __future__ import annotations

import sys
from pathlib import Path

from charter_persist import errors

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "errors.md"
HEAD = """# Errors

Every error is a `CharterError` with `code` (stable), `retryable` (whether the same call may succeed later) and `applied`
(`no`, `yes`, `unknown`: whether the write was made). Facts are attributes. `InvalidInputError` is a `ValueError` too.
This page is made by `tools/make_error_reference.py`.

| error | code | retry | applied | meaning |
|---|---|---|---|---|
"""


def family(cls: type[errors.CharterError], depth: int = 0) -> list[tuple[int, type[errors.CharterError]]]:
    """A class and all below it, in order of definition."""
    rows = [(depth, cls)]
    for child in cls.__subclasses__():
        if child.__module__ == errors.__name__:
            rows += family(child, depth + 1)
    return rows


def page() -> str:
    """The text of the page."""
    rows = []
    for depth, cls in family(errors.CharterError):
        meaning = (cls.__doc__ or "").strip().splitlines()[0]
        name = "&nbsp;&nbsp;" * depth + f"`{cls.__name__}`"
        rows.append(f"| {name} | `{cls.code}` | {'yes' if cls.retryable else 'no'} | {cls.applied} | {meaning} |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text() == page() else "docs/reference/errors.md is out of date")
    PAGE.write_text(page())
