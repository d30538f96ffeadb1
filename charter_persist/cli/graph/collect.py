"""The graph of a store: one view, the index of that view, and the text of each resolution.

Cost: one rebuild of the index, one object for each resolution that is drawn.
"""

from __future__ import annotations

from charter_persist.cli.desk import first_line
from charter_persist.cli.graph.model import Graph, Node
from charter_persist.errors import DanglingReferenceError
from charter_persist.index.lookups import AreaEntry, Lookups
from charter_persist.index.rebuild import rebuild
from charter_persist.model.digest import Digest
from charter_persist.model.resolution import Resolution, ResolutionState
from charter_persist.unit_of_work import ReadView


def collect(view: ReadView, area_id: str | None) -> Graph:
    """Read the graph of an area, or of all of them.

    Args:
        view: of the store.
        area_id: of an area that is there; None for every area.

    Raises:
        DanglingReferenceError: a resolution supersedes one that is not in its area.
    """
    lookups = rebuild(view.reader)
    nodes: list[Node] = []
    edges: list[tuple[Digest, Digest]] = []
    for area in lookups.areas():
        if area_id in (None, area.area_id):
            members = set(lookups.resolutions(area.area_id))
            nodes += [_node(view, lookups, area, name) for name in members]
            edges += [(name, target) for name in members for target in _targets(lookups, name, members)]
    return Graph(nodes, edges)


def _targets(lookups: Lookups, name: Digest, members: set[Digest]) -> list[Digest]:
    targets = list(lookups.supersedes(name))
    for target in targets:
        if target not in members:
            raise DanglingReferenceError(
                f"resolution {name} supersedes {target}, which is not in its area; run `charter fsck`", digest=target
            )
    return targets


def _node(view: ReadView, lookups: Lookups, area: AreaEntry, name: Digest) -> Node:
    resolution = Resolution.from_content(view.objects.require(name).object)
    entry = lookups.resolution(name)
    state = ResolutionState.ACTIVE if entry is None else entry.state
    return Node(
        digest=name,
        area=area.label,
        title=first_line(resolution.content["text"]),
        state=state,
        type=resolution.type,
        accepted_at=resolution.accepted_at,
    )
