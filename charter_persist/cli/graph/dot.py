"""The graph in the language of Graphviz: every resolution, every edge from the newer to the older, and no layout."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from charter_persist.cli.graph.label import cut, day_of, title_of, type_of
from charter_persist.cli.graph.model import Graph, Node
from charter_persist.cli.output import printable
from charter_persist.cli.story import short
from charter_persist.model.resolution import ResolutionState

TITLE_WIDTH_MAX: Final = 60
_FILLS: Final = {
    ResolutionState.ACTIVE: "#d9f2e1",
    ResolutionState.UNDER_REVIEW: "#fdecc8",
    ResolutionState.SUPERSEDED: "#e7e9ec",
    ResolutionState.RETIRED: "#f6d9d9",
}


def render_dot(graph: Graph) -> str:
    """Render it; the same graph always gives the same text."""
    return "\n".join(_lines(graph)) + "\n"


def _lines(graph: Graph) -> Iterator[str]:
    yield "digraph supersession {"
    yield "  rankdir=LR;"
    yield '  node [shape=box, style="rounded,filled", fontname="sans-serif"];'
    nodes = sorted(graph.nodes.values(), key=lambda node: node.area)
    for number, (area, members) in enumerate(groupby(nodes, key=lambda node: node.area)):
        yield f"  subgraph cluster_{number} {{"
        yield f"    label={_quoted(cut(printable(area), TITLE_WIDTH_MAX))};"
        yield from (f"    {_node(node)}" for node in members)
        yield "  }"
    yield from (f"  {_quoted(successor)} -> {_quoted(target)};" for successor, target in graph.edges)
    yield "}"


def _node(node: Node) -> str:
    facts = " ".join(filter(None, (short(node.digest), type_of(node), str(node.state), day_of(node))))
    label = f"{_escaped(title_of(node, TITLE_WIDTH_MAX))}\\n{_escaped(facts)}"
    return f'{_quoted(node.digest)} [label="{label}", fillcolor="{_FILLS[node.state]}"];'


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    """Graphviz reads backslashes, quotes, and entities of HTML in a quoted text."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
