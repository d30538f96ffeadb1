"""``charter audit``: what happened, in the order it was recorded."""

from __future__ import annotations

from itertools import islice
from typing import Any

import click

from charter_persist.cli.group import OrderedGroup
from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.cli.output import Table, answer
from charter_persist.model.records import AuditEvent
from charter_persist.model.time import format_time

LIMIT_MAX = 10_000


@click.group(cls=OrderedGroup)
@common_options
def audit() -> None:
    """The audit log: append-only, in one total order."""


@audit.command("list")
@click.option("--scope", metavar="SCOPE", help="Only events of this scope: GLOBAL or AREA:<id>.")
@click.option("--type", "event_type", metavar="WORD", help="Only events of this type, such as AREA_CREATED.")
@click.option("--subject", nargs=2, metavar="TYPE ID", help="Only events about this subject.")
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
@common_options
@pass_invocation
def list_events(invocation: Invocation, /, *, limit: int, **filters: Any) -> None:
    """List audit events; every filter that is given must fit."""
    with invocation.open() as store, store.read() as view:
        events = list(islice(view.audit.iter(**filters), limit))
    columns = ("position", "occurred_at", "type", "scope", "subject", "actor")
    rows = [
        (e.position, format_time(e.occurred_at), e.event_type, e.scope, " ".join(e.subject), e.actor) for e in events
    ]
    answer(invocation, {"events": [event_to_json(event) for event in events]}, Table(columns, rows))


def event_to_json(event: AuditEvent) -> dict[str, Any]:
    """The whole event and its position."""
    return {"position": event.position, **event.to_json()}
