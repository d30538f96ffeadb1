"""Which resolution replaces which: a directed graph whose two directions are two plain maps.

Only resolutions with an edge are nodes. Cost of a look-up: one access for each edge of the node. Cost of a check before
an edge is added: what the new edge can reach, never the whole graph.

Imports networkx, ``model`` and ``errors``; nothing else in the package imports networkx. Source: IDX-5, RELIABILITY 4.7.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

import networkx as nx

from charter_persist.errors import CycleError
from charter_persist.model.digest import Digest


class _Edges(nx.DiGraph):  # type: ignore[misc]  # networkx has no types
    """A graph whose nodes and edges carry nothing, so that all of them share one empty dictionary."""

    _nothing: ClassVar[dict[str, Any]] = {}

    def _no_data(self) -> dict[str, Any]:
        return self._nothing

    node_attr_dict_factory = _no_data
    edge_attr_dict_factory = _no_data


class Supersession:
    """The graph of supersession, edges from the newer resolution to the one that it replaces."""

    def __init__(self) -> None:
        self._edges = _Edges()

    def add(self, source: Digest, targets: Iterable[Digest]) -> None:
        """Add the edges of one resolution; a forged one may close a circle, which `cycles` tells."""
        for target in targets:
            self._edges.add_edge(source, target)

    def clear(self) -> None:
        """Forget every edge."""
        self._edges.clear()

    def supersedes(self, digest: str) -> list[Digest]:
        """What a resolution replaces, sorted."""
        return sorted(self._edges._succ.get(digest, ()))

    def superseded_by(self, digest: str) -> Iterable[Digest]:
        """What replaces a resolution, in any order."""
        found: Iterable[Digest] = self._edges._pred.get(digest, ())
        return found

    def targets(self) -> Iterator[Digest]:
        """Each digest that something replaces."""
        return (digest for digest, sources in self._edges._pred.items() if sources)

    def check(self, digest: Digest, targets: Sequence[Digest]) -> None:
        """Refuse edges that would close a circle.

        Args:
            digest: of the resolution that would get these edges.
            targets: what it would replace.

        Raises:
            CycleError: one of them replaces it, directly or through others; ``digest`` and ``target`` name both.

        Spec: IDX-5
        """
        for target in targets:
            edges = self._edges
            if digest == target or (digest in edges and target in edges and nx.has_path(edges, target, digest)):
                raise CycleError(
                    f"{digest} cannot supersede {target}, which supersedes it already, directly or through others",
                    digest=digest,
                    target=target,
                )

    def cycles(self) -> Iterator[set[Digest]]:
        """The members of each circle, which only forgery can make; circles that share a member are one."""
        for members in nx.strongly_connected_components(self._edges):
            if len(members) > 1 or any(self._edges.has_edge(member, member) for member in members):
                yield members
