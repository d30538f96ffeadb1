"""The graph as text: one line for each resolution, lines of box characters between those that are linked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from charter_persist.cli.graph.label import counted, cut, day_of, title_of, type_of
from charter_persist.cli.graph.layout import Chain, Place, Section
from charter_persist.cli.graph.model import Node
from charter_persist.cli.output import printable
from charter_persist.cli.story import SHORT, short
from charter_persist.model.resolution import ResolutionState

TITLE_WIDTH_MAX: Final = 100
_STATE_WIDTH: Final = max(map(len, ResolutionState))
_DAY_WIDTH: Final = len("2026-01-01")


def render_text(sections: Iterable[Section]) -> str:
    """Render it; the same layout always gives the same text.

    Returns:
        Lines that end with a line feed.
    """
    lines = [line.rstrip() for section in sections for line in _section(section)]
    return "\n".join(lines or ["no resolutions", ""])


def _section(section: Section) -> Iterator[str]:
    yield f"{cut(printable(section.area), TITLE_WIDTH_MAX)}: {counted(section.nodes)}"
    yield ""
    for chain in section.chains:
        yield from _chain(chain)
        yield ""
    if section.singles:
        yield "  supersede nothing and are not superseded:"
        yield from (f"  ○ {_label(node)}" for node in section.singles)
        yield ""


def _chain(chain: Chain) -> Iterator[str]:
    room = 2 * chain.lanes
    for place in chain.places:
        yield f"  {_lines(place):{room}}{_label(place.node)}"


def _lines(place: Place) -> str:
    """Dots and lines of one row: two characters for each lane."""
    left, right = min((*place.sources, place.lane)), max((*place.sources, place.lane))
    cells = []
    for lane in range(max((place.lane, *place.sources, *place.passing)) + 1):
        cells.append(_cell(place, lane, left, right))
        cells.append("─" if left <= lane < right else " ")
    return "".join(cells)


def _cell(place: Place, lane: int, left: int, right: int) -> str:
    if lane == place.lane:
        return "●"
    if lane in place.passing:
        return "│"
    if lane not in place.sources:
        return "─" if left < lane < right else " "
    if left < lane < right:
        return "┴" if lane in place.ending else "┼"
    if lane == left:
        return "└" if lane in place.ending else "├"
    return "┘" if lane in place.ending else "┤"


def _label(node: Node) -> str:
    kind = f"{type_of(node)} " if type_of(node) else ""
    title = title_of(node, TITLE_WIDTH_MAX)
    return f"{short(node.digest):{SHORT}}  {node.state:{_STATE_WIDTH}}  {day_of(node):{_DAY_WIDTH}}  {kind}{title}"
