"""The three forms of a drawing: each says everything, and trusts nothing that a store says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charter_persist.cli.commands.graph import draw
from charter_persist.cli.graph.dot import render_dot
from charter_persist.cli.graph.label import cut, width
from charter_persist.cli.graph.layout import lay_out
from charter_persist.cli.graph.model import Graph, Node
from charter_persist.cli.graph.svg import CHARACTER, ROW, render_svg
from charter_persist.cli.graph.text import render_text
from charter_persist.model.resolution import ResolutionState, ResolutionType

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    '<script>alert("1")</script>]]>&amp;\'',
    "\u202eoverride \x1b[31m \x07 \x00",
    "\ud800 \ufffe",
    '\\N \\G \\l " ]; evil [',
    "W" * 5_000,
    "日本語" * 500,
    "Z̸̢̧̛̺̑͗̇" * 300,
    "",
    " \u2028 ",
]
texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=200))


def node(number: int, title: str = "title", area: str = "area", state: str = "ACTIVE", **facts: object) -> Node:
    day = f"2026-01-{1 + number % 28:02d}T00:00:00Z"
    kind = ResolutionType(str(facts.get("type", "GENERAL")))
    return Node(f"{number:064x}", area, title, ResolutionState(state), kind, day)


def graph(*titles: str, area: str = "area") -> Graph:
    """A chain of all but the last one, which stands alone."""
    nodes = [node(number, title, area) for number, title in enumerate(titles)]
    return Graph(nodes, [(newer.digest, older.digest) for older, newer in pairwise(nodes[:-1])])


def svg(drawn: Graph, heading: str = "heading") -> ElementTree.Element:
    return ElementTree.fromstring(render_svg(lay_out(drawn), heading))


def text_boxes(element: ElementTree.Element, x: float, y: float) -> Iterator[tuple[float, float, float]]:
    """Left edge, base line and right edge of every text, where a reader of the picture sees it."""
    if element.tag == f"{SVG}g" and element.get("transform"):
        dx, dy = map(float, re.findall(r"[\d.]+", str(element.get("transform"))))
        x, y = x + dx, y + dy
    if element.tag == f"{SVG}svg" and element.get("x"):
        x, y = x + float(str(element.get("x"))), y + float(str(element.get("y")))
    if element.tag == f"{SVG}text":
        left, base = x + float(str(element.get("x"))), y + float(str(element.get("y")))
        size = {"head": 20 / 13, "area": 16 / 13}.get(str(element.get("class")), 1)
        yield left, base, left + width(str(element.text)) * CHARACTER * size
    for child in element:
        yield from text_boxes(child, x, y)


class TestText:
    def test_a_merge_reads_like_a_tree(self) -> None:
        nodes = [
            node(0, "oldest", state="SUPERSEDED"),
            node(1, "one"),
            node(2, "two", type="AUTHORITY"),
            node(3, "new"),
        ]
        edges = [(nodes[3].digest, nodes[1].digest), (nodes[3].digest, nodes[2].digest)]
        told = render_text(
            lay_out(Graph([*nodes, node(4, "alone", area="b")], [*edges, (nodes[2].digest, nodes[0].digest)]))
        )
        assert told == (
            "area: 4 resolutions\n\n"
            "  ●   000000000000  ACTIVE        2026-01-04  new\n"
            "  ├─● 000000000000  ACTIVE        2026-01-02  one\n"
            "  ●   000000000000  ACTIVE        2026-01-03  AUTHORITY two\n"
            "  ●   000000000000  SUPERSEDED    2026-01-01  oldest\n\n"
            "b: 1 resolution\n\n"
            "  supersede nothing and are not superseded:\n"
            "  ○ 000000000000  ACTIVE        2026-01-05  alone\n"
        )

    def test_a_line_that_ends_one_that_goes_on_and_one_that_goes_by_differ(self) -> None:
        nodes = [node(number, str(number)) for number in range(7)]
        pairs = [(6, 1), (5, 2), (5, 0), (4, 1), (3, 2), (3, 0), (2, 1)]
        told = render_text(lay_out(Graph(nodes, [(nodes[a].digest, nodes[b].digest) for a, b in pairs])))
        assert [line[2:11].rstrip() + line[-1] for line in told.splitlines()[2:9]] == [
            "●6",
            "│ ●5",
            "│ │ ●4",
            "│ │ │ ●3",
            "│ ├─│─┼─●0",
            "│ ●─│─┘2",
            "●─┴─┘1",
        ]

    def test_nothing_at_all_is_said(self) -> None:
        assert render_text(()) == "no resolutions\n"

    @given(st.lists(texts, min_size=1, max_size=4), texts)
    def test_a_line_is_a_resolution_whatever_it_says(self, titles: list[str], area: str) -> None:
        told = render_text(lay_out(graph(*titles, area=area)))
        assert all(line.isprintable() for line in told.split("\n"))
        assert len(re.findall(r"^  [●○│] *[0-9a-f]{12}  ACTIVE ", told, re.MULTILINE)) == len(titles)


class TestSvg:
    @given(st.lists(texts, min_size=1, max_size=4), texts, texts)
    def test_it_is_xml_and_holds_no_element_of_a_text(self, titles: list[str], area: str, heading: str) -> None:
        root = svg(graph(*titles, area=area), heading)
        kinds = {element.tag.removeprefix(SVG) for element in root.iter()}
        assert kinds <= {"svg", "title", "desc", "style", "rect", "g", "text", "circle", "path"}
        assert len(root.findall(f".//{SVG}g/{SVG}g/{SVG}circle")) == len(titles)
        assert len(root.findall(f".//{SVG}path")) == max(0, len(titles) - 2)

    def test_it_has_a_title_a_description_and_the_whole_of_each_text(self) -> None:
        root = svg(graph("a <b> " + "c" * 300, "d"), "Supersession in & all")
        assert root.get("role") == "img"
        assert root.get("aria-labelledby") == "title desc"
        assert root.findtext(f"{SVG}title") == "Supersession in & all"
        assert "2 resolutions" in str(root.findtext(f"{SVG}desc"))
        spoken = [
            str(item.findtext(f"{SVG}title")) for item in root.iter(f"{SVG}g") if item.find(f"{SVG}title") is not None
        ]
        assert any(text.startswith("a <b> " + "c" * 300 + "; ACTIVE") for text in spoken)

    def test_the_legend_has_every_state_and_states_differ_by_more_than_colour(self) -> None:
        nodes = [node(number, state=str(state)) for number, state in enumerate(ResolutionState)]
        shown = [text.text for text in svg(Graph(nodes, [])).iter(f"{SVG}text")]
        for state in ResolutionState:
            assert f"{state} 1" in shown
            assert shown.count(str(state)) == 1

    @given(st.lists(texts, min_size=1, max_size=6))
    def test_no_text_reaches_its_neighbours(self, titles: list[str]) -> None:
        """Boxes of all texts, as wide as the font may be: none overlaps another, and none leaves the page."""
        root = svg(graph(*titles))
        boxes = list(text_boxes(root, 0, 0))
        page = float(str(root.get("width")))
        assert len(boxes) >= 4 * len(titles)
        for index, (left, top, right) in enumerate(boxes):
            assert right <= page
            for other_left, other_top, other_right in boxes[index + 1 :]:
                assert abs(top - other_top) >= ROW / 2 or right <= other_left or other_right <= left

    def test_light_and_dark_are_both_there(self) -> None:
        assert "prefers-color-scheme: dark" in render_svg(lay_out(graph("a")), "h")


class TestDot:
    @given(st.lists(texts, min_size=1, max_size=4), texts)
    def test_every_resolution_and_every_edge_is_there_and_quotes_are_closed(self, titles: list[str], area: str) -> None:
        drawn = graph(*titles, area=area)
        lines = render_dot(drawn).split("\n")
        assert all(line.isprintable() for line in lines)
        assert sum("fillcolor" in line and "label=" in line for line in lines) == len(titles)
        assert sum(" -> " in line for line in lines if "label=" not in line) == len(drawn.edges)
        for line in lines:
            assert re.sub(r"\\.", "", line).count('"') % 2 == 0


@pytest.mark.parametrize("form", ["text", "dot", "svg"])
def test_the_same_graph_gives_the_same_bytes(form: str) -> None:
    nodes = [node(number, f"title {number}") for number in range(9)]
    edges = [(nodes[8].digest, nodes[number].digest) for number in range(5)]
    one, two = Graph(nodes, edges), Graph(nodes[::-1], edges[::-1])
    assert draw(one, form, "heading") == draw(two, form, "heading")


@given(texts, st.integers(1, 60))
def test_a_cut_text_keeps_its_width_and_its_beginning(text: str, width_max: int) -> None:
    told = cut(text, width_max)
    assert width(told) <= width_max
    assert text.startswith(told.removesuffix("…").rstrip())
