"""The layout of the supersession graph: pure, so it is tested without a store."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charter_persist.cli.graph.layout import Chain, lay_out
from charter_persist.cli.graph.model import Graph, Node
from charter_persist.errors import CycleError
from charter_persist.model.resolution import ResolutionState


def name(number: int) -> str:
    return sha256(str(number).encode()).hexdigest()


def node(number: int, area: str = "a", title: str = "title") -> Node:
    state = list(ResolutionState)[number % 4]
    return Node(name(number), area, title, state, accepted_at=f"2026-01-{1 + number % 28:02d}T00:00:00Z")


def graph(count: int, *edges: tuple[int, int]) -> Graph:
    return Graph(map(node, range(count)), [(name(successor), name(target)) for successor, target in edges])


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Any graph without a circle over two areas, forests and knots alike; edges never leave an area."""
    count = draw(st.integers(0, 24))
    areas = draw(st.lists(st.sampled_from("ab"), min_size=count, max_size=count))
    pairs = st.tuples(st.integers(0, max(0, count - 1)), st.integers(0, max(0, count - 1)))
    edges = {
        (name(max(pair)), name(min(pair)))
        for pair in draw(st.lists(pairs, max_size=40))
        if pair[0] != pair[1] and count and areas[pair[0]] == areas[pair[1]]
    }
    return Graph([node(number, areas[number]) for number in range(count)], edges)


def drawn_edges(chain: Chain) -> set[tuple[str, str]]:
    """Who is linked with whom, read from the lanes alone, as somebody does who looks at the picture."""
    trunks: dict[int, str] = {}
    found = set()
    for place in chain.places:
        assert set(place.sources) | set(place.passing) == set(trunks), "a trunk neither leads here nor goes by"
        found |= {(trunks[lane], place.node.digest) for lane in place.sources}
        for lane in place.ending:
            del trunks[lane]
        assert place.lane not in trunks, "a dot hides a line that goes by"
        if place.open:
            trunks[place.lane] = place.node.digest
    assert not trunks, "a trunk leads nowhere"
    return found


@given(graphs())
@pytest.mark.spec("IDX-5")
def test_every_edge_can_be_read_from_the_drawing_and_no_other(drawn: Graph) -> None:
    sections = lay_out(drawn)
    found = [edge for section in sections for chain in section.chains for edge in drawn_edges(chain)]
    assert len(found) == len(set(found))
    assert set(found) == set(drawn.edges)
    told = {
        (chain.places[successor].node.digest, chain.places[target].node.digest)
        for section in sections
        for chain in section.chains
        for successor, target in chain.edges
    }
    assert told == set(drawn.edges)


@given(graphs())
def test_every_resolution_has_one_place_in_its_area_below_all_that_supersede_it(drawn: Graph) -> None:
    sections = lay_out(drawn)
    placed = [(section.area, item.digest) for section in sections for item in section.nodes]
    assert sorted(placed) == sorted((item.area, item.digest) for item in drawn.nodes.values())
    for section in sections:
        for chain in section.chains:
            assert all(successor < target for successor, target in chain.edges)
            assert len(chain.places) > 1
        assert all(not drawn.supersedes[item.digest] for item in section.singles)


@given(graphs(), st.randoms(use_true_random=False))
def test_the_order_of_what_it_is_made_from_does_not_matter(drawn: Graph, random: object) -> None:
    nodes, edges = list(drawn.nodes.values()), drawn.edges
    for items in (nodes, edges):
        random.shuffle(items)  # type: ignore[attr-defined]
    assert lay_out(Graph(nodes, edges)) == lay_out(drawn)


def test_a_chain_is_one_straight_line() -> None:
    (section,) = lay_out(graph(5, (4, 3), (3, 2), (2, 1), (1, 0)))
    (chain,) = section.chains
    assert [place.lane for place in chain.places] == [0] * 5
    assert [place.node.digest for place in chain.places] == [name(number) for number in (4, 3, 2, 1, 0)]


def test_a_merge_puts_the_longest_chain_last_and_straight_below() -> None:
    (section,) = lay_out(graph(5, (4, 3), (4, 1), (4, 2), (3, 0)))
    (chain,) = section.chains
    assert [place.lane for place in chain.places] == [0, 1, 1, 0, 0]
    assert [place.node.digest for place in chain.places][-2:] == [name(3), name(0)]


def test_the_youngest_comes_first() -> None:
    (section,) = lay_out(graph(6, (2, 0), (5, 1)))
    assert [chain.places[0].node.digest for chain in section.chains] == [name(5), name(2)]
    assert [single.digest for single in section.singles] == [name(4), name(3)]


@pytest.mark.parametrize("edges", [[(0, 0)], [(0, 1), (1, 0)], [(3, 2), (2, 1), (1, 2)]])
def test_a_circle_is_refused_and_does_not_hang(edges: list[tuple[int, int]]) -> None:
    with pytest.raises(CycleError, match="fsck"):
        lay_out(graph(4, *edges))


def test_a_chain_of_many_thousands_is_laid_out() -> None:
    """Nothing recurses, and nothing is quadratic."""
    count = 20_000
    (section,) = lay_out(graph(count, *((number, number - 1) for number in range(1, count))))
    assert section.chains[0].lanes == 1
    assert len(section.chains[0].places) == count


class TestLineage:
    def test_it_is_what_led_to_a_resolution_and_what_came_of_it(self) -> None:
        whole = graph(8, (1, 0), (2, 1), (3, 2), (3, 4), (5, 4), (6, 3))
        assert set(whole.lineage(name(2)).nodes) == {name(number) for number in (0, 1, 2, 3, 6)}
        assert set(whole.lineage(name(7)).nodes) == {name(7)}

    @given(graphs(), st.data())
    def test_it_keeps_every_edge_between_what_it_keeps(self, drawn: Graph, data: st.DataObject) -> None:
        if drawn.nodes:
            kept = drawn.lineage(data.draw(st.sampled_from(sorted(drawn.nodes))))
            assert set(kept.edges) == {edge for edge in drawn.edges if set(edge) <= set(kept.nodes)}
