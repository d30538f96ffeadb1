"""``charter graph``: which resolution superseded which, as text, as a picture, or for Graphviz."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from charter_persist.cli.desk import as_of_option, asking
from charter_persist.cli.graph.collect import collect
from charter_persist.cli.graph.dot import render_dot
from charter_persist.cli.graph.layout import lay_out
from charter_persist.cli.graph.model import Graph
from charter_persist.cli.graph.svg import render_svg
from charter_persist.cli.graph.text import render_text
from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.cli.output import Line, answer
from charter_persist.errors import NotFoundError
from charter_persist.files import write_file

FORMATS = ("text", "dot", "svg")


@click.command()
@click.argument("area", required=False)
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="How it is drawn."
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file.")
@click.option("--resolution", metavar="DIGEST", help="Only what led to this resolution and what came of it.")
@as_of_option
@common_options
@pass_invocation
def graph(
    invocation: Invocation,
    area: str | None,
    form: str,
    output: Path | None,
    resolution: str | None,
    as_of: int | None,
) -> None:
    """Draw which resolution superseded which, newest on top, for AREA or for all of them.

    As text; as SVG, which every browser shows; or as DOT for Graphviz. `--json` gives nodes and edges instead.
    """
    with asking(invocation, as_of) as desk, desk.view() as view:
        found = collect(view, None if area is None else desk.area_id(area))
        if resolution is not None:
            # A rehash may have given it another digest; drawn is the first one.
            name = desk.queries.resolution(desk.resolution_id(resolution)).digest
            if name not in found.nodes:
                raise NotFoundError(f"resolution {name} is not of area {area}", digest=name)
            found = found.lineage(name)
    drawn = draw(found, form, f"Supersession in {'all areas' if area is None else area}")
    if output is not None:
        write_file(output, drawn.encode())
    document = {**graph_to_json(found), "format": form, "file": None if output is None else str(output)}
    if output is None and not invocation.as_json:
        click.echo(drawn, nl=False)
        return
    answer(invocation, document, Line(f"{len(found.nodes)} resolutions are drawn in {output}"))


def draw(found: Graph, form: str, heading: str) -> str:
    """A drawing of a graph.

    Args:
        found: the graph.
        form: one of `FORMATS`.
        heading: of a picture.

    Raises:
        CycleError: text and SVG cannot show a circle; DOT can.
    """
    if form == "dot":
        return render_dot(found)
    return render_svg(lay_out(found), heading) if form == "svg" else render_text(lay_out(found))


def graph_to_json(found: Graph) -> dict[str, Any]:
    """Nodes, oldest first, and edges."""
    nodes = [
        {
            "resolution_id": node.digest,
            "area": node.area,
            "type": str(node.type),
            "state": str(node.state),
            "accepted_at": node.accepted_at,
            "title": node.title,
        }
        for node in found.nodes.values()
    ]
    edges = [{"successor": successor, "superseded": target} for successor, target in found.edges]
    return {"nodes": nodes, "edges": edges}
