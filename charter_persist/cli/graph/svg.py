"""The graph as a picture: rows and lanes of the layout, a legend, light and dark.

Every text of a store is escaped, and stands in a window of its own, so nothing in it can overlap its neighbours. The
same layout always gives the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from charter_persist.cli.graph.label import counted, cut, day_of, title_of, type_of, width
from charter_persist.cli.graph.layout import Chain, Section
from charter_persist.cli.graph.model import Node
from charter_persist.cli.output import printable
from charter_persist.cli.story import short
from charter_persist.model.resolution import ResolutionState

TITLE_WIDTH_MAX: Final = 96
TOOLTIP_WIDTH_MAX: Final = 1_000
MARGIN: Final = 24
ROW: Final = 28
LANE: Final = 18
DOT: Final = 6
CURVE: Final = 9
CHARACTER: Final = 7.9
"""Width of a character of the monospaced font at its size, a little more than most fonts have."""

_STATE_AT: Final = 14
_DIGEST_AT: Final = 122
_DAY_AT: Final = 226
_TITLE_AT: Final = 316

_STYLE: Final = """
  svg { color-scheme: light dark; }
  text { font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #1c2530; }
  .page { fill: #ffffff; }
  .head { font-size: 20px; font-weight: 600; }
  .area { font-size: 16px; font-weight: 600; }
  .quiet { fill: #57636f; }
  .line { fill: none; stroke: #8a97a5; stroke-width: 2; }
  .pill { font-size: 11px; }
  .ACTIVE { fill: #1a7f43; } .UNDER_REVIEW { fill: #96610a; }
  .SUPERSEDED { fill: #5f6b78; } .RETIRED { fill: #b3362f; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e4e9ee; }
    .page { fill: #14191f; }
    .quiet { fill: #9aa7b4; }
    .line { stroke: #66727f; }
    .ACTIVE { fill: #4cc47a; } .UNDER_REVIEW { fill: #e3a93c; }
    .SUPERSEDED { fill: #98a4b0; } .RETIRED { fill: #f0837b; }
  }
"""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the picture that stands below the one before.

    Attributes:
        height: in pixels.
        width: in pixels, from the left edge of the page.
        lines: elements, with the top left corner of the piece at 0, 0.
    """

    height: int
    width: float
    lines: Sequence[str]


def render_svg(sections: Sequence[Section], heading: str) -> str:
    """Draw it.

    Args:
        sections: from `lay_out`.
        heading: what the picture is of; any text.

    Returns:
        A whole SVG document.
    """
    name = cut(printable(heading), TITLE_WIDTH_MAX)
    nodes = [node for section in sections for node in section.nodes]
    parts = [_head(name, nodes), *(part for section in sections for part in _section(section))]
    return "\n".join(_document(name, counted(nodes), parts)) + "\n"


def _document(name: str, told: str, parts: Sequence[Part]) -> Iterator[str]:
    wide = round(max(part.width for part in parts)) + MARGIN
    high = sum(part.height for part in parts) + 2 * MARGIN
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}" '
        'role="img" aria-labelledby="title desc">'
    )
    yield f'<title id="title">{escape(name)}</title>'
    yield (
        f'<desc id="desc">{told}, newest on top. Below each, linked by a line, stand those that it '
        "supersedes. Each row tells state, digest, day of acceptance and title.</desc>"
    )
    yield f"<style>{_STYLE}</style>"
    yield f'<rect class="page" width="{wide}" height="{high}"/>'
    top = MARGIN
    for part in parts:
        yield f'<g transform="translate({MARGIN} {top})">'
        yield from part.lines
        yield "</g>"
        top += part.height
    yield "</svg>"


def _head(name: str, nodes: Sequence[Node]) -> Part:
    """Heading and legend."""
    counts = Counter(node.state for node in nodes)
    lines = [
        f'<text class="head" x="0" y="18">{escape(name)}</text>',
        '<text class="quiet" x="0" y="42">newest on top; a line leads down to what was superseded</text>',
    ]
    left = 0.0
    for state in ResolutionState:
        told = f"{state} {counts[state]}"
        lines.append(f'<circle class="{state}" cx="{left + DOT:g}" cy="64" r="{DOT}"/>')
        lines.append(f'<text x="{left + 2 * DOT + 6:g}" y="68">{told}</text>')
        left += 2 * DOT + 6 + CHARACTER * (len(told) + 3)
    return Part(84, MARGIN + max(left, width(name) * 12.2), lines)


def _section(section: Section) -> Iterator[Part]:
    area = cut(printable(section.area), TITLE_WIDTH_MAX)
    told = f"{area}, {counted(section.nodes)}"
    yield Part(44, MARGIN + width(told) * 10, [f'<text class="area" x="0" y="28">{escape(told)}</text>'])
    for chain in section.chains:
        yield _chain(chain)
    if section.chains and section.singles:
        text = '<text class="quiet" x="0" y="18">supersede nothing and are not superseded</text>'
        yield Part(ROW, 0, [text])
    for node in section.singles:
        yield Part(ROW, _row_width(node, 1), _row(node, 0, 0, 1))


def _chain(chain: Chain) -> Part:
    lines = [_edge(chain, *edge) for edge in chain.edges]
    for row, place in enumerate(chain.places):
        lines += _row(place.node, row, place.lane, chain.lanes)
    widest = max(_row_width(place.node, chain.lanes) for place in chain.places)
    return Part(len(chain.places) * ROW + ROW // 2, widest, lines)


def _edge(chain: Chain, successor: int, target: int) -> str:
    """Down in the lane of the successor, then aside to the target where that stands in another lane."""
    (left, top), (right, bottom) = (_centre(row, chain.places[row].lane) for row in (successor, target))
    if left == right:
        return f'<path class="line" d="M{left} {top}V{bottom}"/>'
    aside = left + CURVE if right > left else left - CURVE
    return f'<path class="line" d="M{left} {top}V{bottom - CURVE}Q{left} {bottom} {aside} {bottom}H{right}"/>'


def _row(node: Node, row: int, lane: int, lanes: int) -> list[str]:
    """Dot and label of one resolution, with all of its title for whoever points at it or listens."""
    x, y = _centre(row, lane)
    start = lanes * LANE
    base = y + 5
    title = title_of(node, TITLE_WIDTH_MAX - width(_prefix(node)))
    spoken = f"{title_of(node, TOOLTIP_WIDTH_MAX)}; {_prefix(node)}{node.state}, {day_of(node)}, {node.digest}"
    return [
        f"<g><title>{escape(spoken)}</title>",
        f'<circle class="{node.state}" cx="{x}" cy="{y}" r="{DOT}"/>',
        f'<text class="pill {node.state}" x="{start + _STATE_AT}" y="{base}">{node.state}</text>',
        f'<text class="quiet" x="{start + _DIGEST_AT}" y="{base}">{escape(short(node.digest))}</text>',
        f'<text class="quiet" x="{start + _DAY_AT}" y="{base}">{escape(day_of(node))}</text>',
        f'<svg x="{start + _TITLE_AT}" y="{row * ROW}" width="{CHARACTER * TITLE_WIDTH_MAX:g}" height="{ROW}">'
        f'<text x="0" y="{base - row * ROW}">{escape(_prefix(node) + title)}</text></svg>',
        "</g>",
    ]


def _prefix(node: Node) -> str:
    return f"{type_of(node)} " if type_of(node) else ""


def _row_width(node: Node, lanes: int) -> float:
    shown = width(_prefix(node)) + width(title_of(node, TITLE_WIDTH_MAX - width(_prefix(node))))
    return MARGIN + lanes * LANE + _TITLE_AT + CHARACTER * shown


def _centre(row: int, lane: int) -> tuple[int, int]:
    return lane * LANE + DOT, row * ROW + ROW // 2
