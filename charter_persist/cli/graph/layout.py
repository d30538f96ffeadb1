"""Where everything stands: one row for each resolution, newest on top, and lanes for the lines that link them.

Below a resolution a line, its trunk, leads down in its own lane to each that it supersedes; the last of them takes the
lane over, so a chain is one straight line. What is linked stands together, and its longest chain comes last. A lane is
never shared: where two trunks stand in one row, they are in different lanes.

Pure, and linear but for the sorting. Source: DESIGN 3 (command line).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from charter_persist.cli.graph.model import Graph, Node
from charter_persist.errors import CycleError


@dataclass(frozen=True, slots=True)
class Place:
    """A resolution in its row.

    Attributes:
        node: the resolution.
        lane: of its dot and of its trunk, from 0.
        sources: lanes of the trunks that lead to it, its own among them where it takes that over.
        passing: lanes of the trunks that go by.
        ending: those of ``sources`` that lead no further.
        open: True where it has a trunk of its own.
    """

    node: Node
    lane: int
    sources: tuple[int, ...]
    passing: tuple[int, ...]
    ending: tuple[int, ...]
    open: bool


@dataclass(frozen=True, slots=True)
class Chain:
    """What is linked with one another.

    Attributes:
        places: from the top.
        edges: pairs of rows (successor, superseded).
    """

    places: tuple[Place, ...]
    edges: tuple[tuple[int, int], ...]

    @property
    def lanes(self) -> int:
        """How many lanes it has."""
        return 1 + max(place.lane for place in self.places)


@dataclass(frozen=True, slots=True)
class Section:
    """An area.

    Attributes:
        area: its label.
        chains: what is linked, newest first.
        singles: what supersedes nothing and is not superseded, newest first.
    """

    area: str
    chains: tuple[Chain, ...]
    singles: tuple[Node, ...]

    @property
    def nodes(self) -> list[Node]:
        """All that is in it."""
        return [*(place.node for chain in self.chains for place in chain.places), *self.singles]


def lay_out(graph: Graph) -> tuple[Section, ...]:
    """Lay a graph out: the same graph always the same way.

    Args:
        graph: without a circle.

    Returns:
        One section for each area, by label.

    Raises:
        CycleError: resolutions supersede each other in a circle.
    """
    heights = _heights(graph)
    sections: dict[str, tuple[list[Chain], list[Node]]] = {}
    for members in _components(graph):
        chains, singles = sections.setdefault(graph.nodes[members[0]].area, ([], []))
        if len(members) == 1:
            singles.append(graph.nodes[members[0]])
        else:
            chains.append(_chain(graph, _order(graph, members, heights)))
    return tuple(Section(area, tuple(chains), tuple(singles)) for area, (chains, singles) in sorted(sections.items()))


def _heights(graph: Graph) -> dict[str, int]:
    """How many follow on the longest way down from each; a circle has none."""
    heights: dict[str, int] = {}
    missing = {name: len(targets) for name, targets in graph.supersedes.items()}
    ready = [name for name, count in missing.items() if count == 0]
    while ready:
        name = ready.pop()
        heights[name] = 1 + max((heights[target] for target in graph.supersedes[name]), default=-1)
        for successor in graph.superseded_by[name]:
            missing[successor] -= 1
            if missing[successor] == 0:
                ready.append(successor)
    if len(heights) < len(graph.nodes):
        raise CycleError("resolutions supersede each other in a circle; run `charter fsck`")
    return heights


def _components(graph: Graph) -> Iterator[list[str]]:
    """Names of what is linked with one another, those with the youngest first, and in each the youngest first."""
    seen: set[str] = set()
    for start in reversed(list(graph.nodes)):
        if start in seen:
            continue
        seen.add(start)
        members = [start]
        for name in members:
            found = [near for near in (*graph.supersedes[name], *graph.superseded_by[name]) if near not in seen]
            seen.update(found)
            members += dict.fromkeys(found)
        yield sorted(members, key=lambda name: graph.nodes[name].age, reverse=True)


def _order(graph: Graph, members: Sequence[str], heights: dict[str, int]) -> list[str]:
    """Names from the top: each below all that supersede it, and near one of them."""
    missing = {name: len(graph.superseded_by[name]) for name in members}
    # The last one waiting comes next.
    waiting = [name for name in reversed(members) if missing[name] == 0]
    order: list[str] = []
    while waiting:
        name = waiting.pop()
        order.append(name)
        for target in graph.supersedes[name]:
            missing[target] -= 1
        ready = [target for target in graph.supersedes[name] if missing[target] == 0]
        waiting += sorted(ready, key=lambda target: (-heights[target], graph.nodes[target].age))
    return order


def _chain(graph: Graph, order: Sequence[str]) -> Chain:
    """Give each a lane, from the top."""
    rows = {name: row for row, name in enumerate(order)}
    edges = [(rows[name], rows[target]) for name in order for target in graph.supersedes[name]]
    last = {name: max(rows[target] for target in graph.supersedes[name]) for name in order if graph.supersedes[name]}
    lanes: dict[str, int] = {}
    trunks: dict[int, int] = {}
    places = []
    for row, name in enumerate(order):
        sources = sorted(lanes[successor] for successor in graph.superseded_by[name])
        ending = [lane for lane in sources if trunks[lane] == row]
        # A new lane stands right of all that are open, so it never hides behind a line that goes by.
        lanes[name] = ending[0] if ending else max(trunks, default=-1) + 1
        passing = sorted(trunks.keys() - sources)
        for lane in ending:
            del trunks[lane]
        if name in last:
            trunks[lanes[name]] = last[name]
        places.append(
            Place(graph.nodes[name], lanes[name], tuple(sources), tuple(passing), tuple(ending), name in last)
        )
    return Chain(tuple(places), tuple(edges))
