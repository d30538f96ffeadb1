"""``charter audit``: what happened, in the order it was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import click

from charter_persist.cli.desk import Desk, as_of_option, asking
from charter_persist.cli.group import OrderedGroup
from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.cli.output import Table, answer
from charter_persist.model.area import area_scope
from charter_persist.model.records import AuditEvent
from charter_persist.model.time import format_time
from charter_persist.unit_of_work import ReadView

LIMIT_MAX = 10_000


@click.group(cls=OrderedGroup)
@common_options
def audit() -> None:
    """The audit log: append-only, in one total order."""


@audit.command("list")
@click.option("--scope", metavar="SCOPE", help="Only events of this scope: GLOBAL or AREA:<id>.")
@click.option("--type", "event_type", metavar="WORD", help="Only events of this type, such as AREA_CREATED.")
@click.option("--subject", nargs=2, metavar="TYPE ID", help="Only events about this subject.")
@click.option("--area", metavar="AREA", help="Only events in the scope of this area, by its id or label.")
@click.option("--resolution", metavar="DIGEST", help="Only events about this resolution; its beginning will do.")
@click.option("--session", metavar="ID", help="Only events about this session or in its context.")
@click.option("--participant", metavar="NAME", help="Only what this actor did.")
@click.option("--after", type=click.IntRange(min=0), default=0, metavar="POSITION", help="Only events behind this one.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1, LIMIT_MAX),
    default=100,
    show_default=True,
    help="How many events at most.",
)
@click.option("--reverse", is_flag=True, help="Newest first; then --after means before.")
@as_of_option
@common_options
@pass_invocation
def list_events(invocation: Invocation, /, *, limit: int, as_of: int | None, **filters: Any) -> None:
    """List audit events; every filter that is given must fit."""
    with asking(invocation, as_of) as desk, desk.view() as view:
        events = list(islice(choose_events(desk, view, **filters), limit))
    columns = ("position", "occurred_at", "type", "scope", "subject", "actor")
    rows = [
        (e.position, format_time(e.occurred_at), e.event_type, e.scope, " ".join(e.subject), e.actor) for e in events
    ]
    answer(invocation, {"events": [event_to_json(event) for event in events]}, Table(columns, rows))


def choose_events(
    desk: Desk,
    view: ReadView,
    *,
    area: str | None,
    resolution: str | None,
    session: str | None,
    participant: str | None,
    subject: tuple[str, str] | None,
    scope: str | None,
    **filters: Any,
) -> Iterator[AuditEvent]:
    """Events that fit every filter, lazily; a narrower filter of the store is used where there is one.

    Raises:
        click.UsageError: two filters say the same thing differently.
        NotFoundError: there is no such area or resolution.
        InvalidInputError: a filter does not follow its grammar.
    """
    if (area and scope) or (resolution and subject):
        raise click.UsageError("--area is a --scope and --resolution is a --subject; give one of each pair")
    if area is not None:
        scope = area_scope(desk.area_id(area))
    if resolution is not None:
        subject = ("resolution", desk.resolution_id(resolution))
    return (
        event
        for event in view.audit.iter(scope=scope, subject=subject, **filters)
        if participant in (None, event.actor)
        and (session is None or event.subject == ("session", session) or event.context["session_id"] == session)
    )


def event_to_json(event: AuditEvent) -> dict[str, Any]:
    """The whole event and its position."""
    return {"position": event.position, **event.to_json()}
