"""The graph that is drawn: resolutions, and which supersedes which. Source: IDX-5, GOV-2."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from charter_persist.model.resolution import ResolutionState, ResolutionType


@dataclass(frozen=True, slots=True)
class Node:
    """A resolution.

    Attributes:
        digest: its identity.
        area: the label of its area.
        title: the first line of its text.
        state: where it stands.
        type: what it is about.
        accepted_at: RFC 3339 text; drawings show its day, and sort by it what has no other order.
    """

    digest: str
    area: str
    title: str
    state: ResolutionState
    type: ResolutionType = ResolutionType.GENERAL
    accepted_at: str = ""

    @property
    def age(self) -> tuple[str, str]:
        """What drawings sort by: the larger one is younger."""
        return self.accepted_at, self.digest


class Graph:
    """Resolutions and their supersession; the same whatever the order of what it is made from.

    Attributes:
        nodes: by digest, oldest first.
        supersedes: what each supersedes, oldest first; empty where that is nothing.
        superseded_by: the same the other way round.
    """

    def __init__(self, nodes: Iterable[Node], edges: Iterable[tuple[str, str]]) -> None:
        """Make it of nodes and of pairs (successor, superseded) between them."""
        self.nodes: Mapping[str, Node] = {node.digest: node for node in sorted(nodes, key=lambda node: node.age)}
        forward: dict[str, set[str]] = {name: set() for name in self.nodes}
        backward: dict[str, set[str]] = {name: set() for name in self.nodes}
        for successor, target in edges:
            forward[successor].add(target)
            backward[target].add(successor)
        self.supersedes = {name: self._by_age(found) for name, found in forward.items()}
        self.superseded_by = {name: self._by_age(found) for name, found in backward.items()}

    def _by_age(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(names, key=lambda name: self.nodes[name].age))

    @property
    def edges(self) -> list[tuple[str, str]]:
        """Pairs (successor, superseded)."""
        return [(successor, target) for successor, targets in self.supersedes.items() for target in targets]

    def part(self, names: Iterable[str]) -> Graph:
        """The graph of some of its nodes."""
        kept = set(names)
        edges = [edge for edge in self.edges if kept.issuperset(edge)]
        return Graph([node for name, node in self.nodes.items() if name in kept], edges)

    def lineage(self, digest: str) -> Graph:
        """The graph of one node, of all that led to it, and of all that came of it."""
        return self.part(_reached(digest, self.supersedes) | _reached(digest, self.superseded_by))


def _reached(start: str, neighbours: Mapping[str, Sequence[str]]) -> set[str]:
    reached = {start}
    waiting = [start]
    while waiting:
        found = set(neighbours[waiting.pop()]) - reached
        reached |= found
        waiting += found
    return reached
