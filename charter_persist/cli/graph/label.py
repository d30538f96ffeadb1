"""What a drawing says of a resolution; nothing in it is trusted with a terminal or a page."""

from __future__ import annotations

from collections.abc import Sized
from typing import Final
from unicodedata import combining, east_asian_width

from charter_persist.cli.graph.model import Node
from charter_persist.cli.output import printable
from charter_persist.model.resolution import ResolutionType

UNTITLED: Final = "(no title)"
TYPE_LENGTH_MAX: Final = max(map(len, ResolutionType))


def title_of(node: Node, width_max: int) -> str:
    """The title with everything escaped that is not printable, at most so wide."""
    return cut(printable(node.title.strip()) or UNTITLED, width_max)


def day_of(node: Node) -> str:
    """The day of the acceptance."""
    return node.accepted_at[:10]


def counted(nodes: Sized) -> str:
    """How many resolutions there are."""
    return f"{len(nodes)} resolution{'' if len(nodes) == 1 else 's'}"


def type_of(node: Node) -> str:
    """The type where it is not the usual one."""
    return "" if node.type is ResolutionType.GENERAL else str(node.type)


def cut(text: str, width_max: int) -> str:
    """The text, or the beginning of it and an ellipsis, at most so wide.

    Args:
        text: printable.
        width_max: in columns of a terminal; a wide character takes two, a combining one none.
    """
    if width(text) <= width_max:
        return text
    kept, room = [], width_max - 1
    for character in text:
        room -= _columns(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept).rstrip() + "…"


def width(text: str) -> int:
    """How many columns of a terminal a printable text takes."""
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if combining(character):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1
