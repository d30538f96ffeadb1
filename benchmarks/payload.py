"""What is stored: objects of 300 bytes in canonical form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

OBJECT_BYTES = 300
_FILLER = "x" * 231


def content(tag: str, number: int) -> dict[str, Any]:
    """An object of about 300 bytes, unlike every other one."""
    return {"number": number, "tag": f"{tag:>16}", "text": _FILLER, "title": "a decision"}


def items(tag: str, count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Pairs of type and content."""
    return (("decision", content(tag, number)) for number in range(count))
