"""When an intent graph is whole: both ends of each edge are there, and edges of acyclic types form no cycle.

Imports ``model.intent`` and ``errors``. Source: CCOS-4.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from charter_persist.errors import CycleError, DanglingReferenceError, IntegrityError
from charter_persist.model.intent import ACYCLIC, Edge, EdgeType


def graph_faults(intent_ids: Collection[str], edges: Iterable[Edge]) -> Iterator[IntegrityError]:
    """Yield what is wrong with a graph, as errors that nobody raised: dangling ends, then a cycle of each type.

    Memory: the ends of the edges of acyclic types.

    Args:
        intent_ids: of all intents.
        edges: all of them, read once.
    """
    following: dict[EdgeType, dict[str, list[str]]] = {kind: {} for kind in sorted(ACYCLIC)}
    for edge in edges:
        for end in (edge.from_, edge.to):
            if end not in intent_ids:
                yield DanglingReferenceError(f"edge {edge.key.text}: there is no intent {end}", intent_id=end)
        if edge.edge_type in following:
            following[edge.edge_type].setdefault(edge.from_, []).append(edge.to)
    for kind, nodes in following.items():
        cycle = _cycle_among(nodes)
        if cycle is not None:
            yield cycle_error(kind, cycle)


def _cycle_among(nodes: Mapping[str, list[str]]) -> list[str] | None:
    return find_cycle(nodes, lambda node: nodes.get(node, ()))


def cycle_error(kind: EdgeType, cycle: list[str]) -> CycleError:
    """The error that names a cycle, or the beginning of a long one."""
    shown = [*cycle[:10], "…"] if len(cycle) > 10 else [*cycle, cycle[0]]
    return CycleError(f"{kind} edges would form a cycle of {len(cycle)}: {' → '.join(shown)}")


def find_cycle(starts: Iterable[str], following: Callable[[str], Iterable[str]]) -> list[str] | None:
    """Find a cycle that can be reached; the depth of the graph costs memory and never the stack.

    Args:
        starts: where to begin.
        following: the nodes that a node leads to; asked once a node.

    Returns:
        The nodes of a cycle in order, the first of which follows the last; None where there is no cycle.
    """
    done: set[str] = set()
    for start in starts:
        path: dict[str, Iterator[str]] = {} if start in done else {start: iter(following(start))}
        while path:
            here = next(reversed(path))
            node = next(path[here], None)
            if node is None:
                done.add(here)
                del path[here]
            elif node in path:
                nodes = list(path)
                return nodes[nodes.index(node) :]
            elif node not in done:
                path[node] = iter(following(node))
    return None
