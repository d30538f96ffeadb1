"""``charter area``, ``charter authority``, ``charter scope``: where decisions belong, and who decides there."""

from __future__ import annotations

import json
from typing import Any

import click

from charter_persist.cli.desk import Desk, actor_option, as_of_option, asking, deciding
from charter_persist.cli.group import OrderedGroup
from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.cli.output import Line, Pairs, Table, answer
from charter_persist.model.canonical import parse_json
from charter_persist.model.digest import Envelope
from charter_persist.model.resolution import ResolutionState


@click.group(cls=OrderedGroup)
@common_options
def area() -> None:
    """Areas: where decisions belong, and where authority and scope hold."""


@area.command("create")
@click.argument("label")
@click.option("--long-name", metavar="TEXT", help="Its full name.")
@click.option("--annotations", metavar="JSON", default="{}", help="A JSON object that is kept with it.")
@click.option("--id", "area_id", metavar="ID", help="Its identity; a new one by default.")
@actor_option
@common_options
@pass_invocation
def create_area(
    invocation: Invocation,
    label: str,
    long_name: str | None,
    annotations: str,
    area_id: str | None,
    actor: str | None,
) -> None:
    """Create the area LABEL.

    It takes only sessions of type AUTHORITY and SCOPE until it has both.
    """
    noted = parse_json(annotations)
    with deciding(invocation) as desk:
        made = desk.charter.create_area(
            label=label, long_name=long_name, annotations=noted, area_id=area_id, actor=actor
        )
    answer(invocation, made.to_content(), Line(made.area_id))


@area.command("list")
@as_of_option
@common_options
@pass_invocation
def list_areas(invocation: Invocation, as_of: int | None) -> None:
    """List all areas."""
    with asking(invocation, as_of) as desk:
        shown = [area_to_json(desk, entry.area_id) for entry in desk.queries.areas()]
    columns = ("area_id", "label", "initialised", "retired")
    answer(invocation, {"areas": shown}, Table(columns, [[item[name] for name in columns] for item in shown]))


@area.command("show")
@click.argument("area")
@as_of_option
@common_options
@pass_invocation
def show_area(invocation: Invocation, area: str, as_of: int | None) -> None:
    """Show AREA, who governs it, and how many resolutions it has."""
    with asking(invocation, as_of) as desk:
        shown = area_to_json(desk, desk.area_id(area))
    counts = shown["resolutions"]
    told = {**shown, "annotations": json.dumps(shown["annotations"]), "resolutions": sum(counts.values()), **counts}
    answer(invocation, shown, Pairs(told))


@area.command("retire")
@click.argument("area")
@click.option("--reason", metavar="TEXT", help="Why.")
@actor_option
@common_options
@pass_invocation
def retire_area(invocation: Invocation, area: str, reason: str | None, actor: str | None) -> None:
    """Retire AREA: nothing is decided in it any more, and all it decided stays.

    It must have no open session.
    """
    with deciding(invocation) as desk:
        made = desk.charter.retire_area(desk.area_id(area), reason=reason, actor=actor)
    answer(invocation, made.to_content(), Line(f"area {made.area_id} is retired"))


@click.command()
@click.argument("area")
@as_of_option
@common_options
@pass_invocation
def authority(invocation: Invocation, area: str, as_of: int | None) -> None:
    """Show who decides in AREA, and by which rule.

    It is changed by a session of type AUTHORITY.
    """
    with asking(invocation, as_of) as desk:
        area_id = desk.area_id(area)
        found = desk.queries.authority(area_id)
    _show_governing(invocation, "authority", area_id, found)


@click.command()
@click.argument("area")
@as_of_option
@common_options
@pass_invocation
def scope(invocation: Invocation, area: str, as_of: int | None) -> None:
    """Show what is decided in AREA.

    It is changed by a session of type SCOPE.
    """
    with asking(invocation, as_of) as desk:
        area_id = desk.area_id(area)
        found = desk.queries.scope(area_id)
    _show_governing(invocation, "scope", area_id, found)


def _show_governing(invocation: Invocation, kind: str, area_id: str, found: Envelope | None) -> None:
    if found is None:
        answer(invocation, {"area_id": area_id, kind: None}, Line(f"area {area_id} has no {kind} yet"))
        return
    content = found.object["content"]
    told = {name: ", ".join(value) if isinstance(value, list) else value for name, value in content.items()}
    since = {"since": found.object["accepted_at"], "resolution": found.object_hash}
    answer(invocation, {"area_id": area_id, kind: found.to_json()}, Pairs({**told, **since}))


def area_to_json(desk: Desk, area_id: str) -> dict[str, Any]:
    """An area, who governs it, and how many resolutions of each state it has."""
    shown = desk.queries.area(area_id)
    return {
        **shown.area.to_content(),
        "object_hash": shown.digest,
        "authority": shown.authority,
        "scope": shown.scope,
        "initialised": shown.initialised,
        "retired": shown.retired,
        "resolutions": {str(s): len(desk.queries.resolutions(area_id, state=s)) for s in ResolutionState},
    }
