"""``charter timeline``: the story of an area, a resolution or a session, one line for each event."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import click

from charter_persist.cli.commands.audit import LIMIT_MAX, event_to_json
from charter_persist.cli.desk import Desk, as_of_option, asking, first_line
from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.cli.output import Line, Table, answer
from charter_persist.cli.story import sentence
from charter_persist.errors import AmbiguousError, InvalidInputError, NotFoundError
from charter_persist.model.area import area_scope
from charter_persist.model.records import AuditEvent
from charter_persist.model.resolution import Resolution
from charter_persist.unit_of_work import ReadView


@dataclass(frozen=True, slots=True)
class Protagonist:
    """What a story is about.

    Attributes:
        kind: ``area``, ``session`` or ``resolution``.
        name: its id or digest.
        area_id: of its area.
        session_id: of a session, or of the one that accepted a resolution; None for an area.
    """

    kind: str
    name: str
    area_id: str
    session_id: str | None = None


@click.command()
@click.argument("subject", metavar="AREA|SESSION|RESOLUTION")
@click.option("--after", type=click.IntRange(min=0), default=0, metavar="POSITION", help="Only events behind this one.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1, LIMIT_MAX),
    default=1000,
    show_default=True,
    help="How many events at most.",
)
@as_of_option
@common_options
@pass_invocation
def timeline(invocation: Invocation, subject: str, after: int, limit: int, as_of: int | None) -> None:
    """Tell the story of an area, a session or a resolution, in order.

    That of a resolution begins with the session that accepted it.
    """
    with asking(invocation, as_of) as desk:
        about = find_protagonist(desk, subject)
        with desk.view() as view:
            events = list(islice(story_of(view, about, after), limit + 1))
            told = [(event, titled(view, event)) for event in events[:limit]]
    more = len(events) > limit
    last = told[-1][0].position if more else None
    document = {
        about.kind: about.name,
        "events": [{**event_to_json(event), "sentence": what} for event, what in told],
        "after": last,
    }
    rows = [(event.position, event.occurred_at.strftime("%Y-%m-%d %H:%M"), event.actor, what) for event, what in told]
    rest = [Line(f"more: --after {last}")] if more else []
    answer(invocation, document, Table(("position", "when (UTC)", "who", "what"), rows), *rest)


def titled(view: ReadView, event: AuditEvent) -> str:
    """The sentence of an event; where it is about a resolution that is stored here, with the first line of that."""
    kind, name = event.subject
    if kind != Resolution.object_type or not event.event_type.startswith("RESOLUTION_"):
        return sentence(event)
    try:
        resolution = Resolution.from_content(view.objects.require(name).object)
    except (NotFoundError, InvalidInputError):
        # An application may append events and put objects of its own under these names.
        return sentence(event)
    return f"{sentence(event)}: {first_line(resolution.content['text'])}"


def find_protagonist(desk: Desk, given: str) -> Protagonist:
    """What was named: an area by id or label, a session by its id, a resolution by the beginning of its digest.

    Raises:
        NotFoundError: nothing has that name.
        AmbiguousError: several have.
    """
    found = list(_areas(desk, given)) + list(_sessions(desk, given)) + list(_resolutions(desk, given))
    if not found:
        raise NotFoundError(f"no area, session or resolution is named {given}", name=given)
    if len(found) > 1:
        names = [f"{item.kind} {item.name}" for item in found]
        raise AmbiguousError(f"{given} names several: {', '.join(names)}", candidates=names)
    return found[0]


def _areas(desk: Desk, given: str) -> Iterator[Protagonist]:
    for area in desk.queries.areas():
        if given in (area.area_id, area.label):
            yield Protagonist("area", area.area_id, area.area_id)


def _sessions(desk: Desk, given: str) -> Iterator[Protagonist]:
    try:
        session = desk.queries.session(given)
    except (NotFoundError, InvalidInputError):
        return
    yield Protagonist("session", session.session_id, session.area_id, session.session_id)


def _resolutions(desk: Desk, given: str) -> Iterator[Protagonist]:
    try:
        shown = desk.queries.resolution(desk.resolution_id(given))
    except (NotFoundError, InvalidInputError):
        return
    yield Protagonist("resolution", shown.digest, shown.resolution.area_id, shown.resolution.accepted_in_session)


def story_of(view: ReadView, about: Protagonist, after: int = 0) -> Iterator[AuditEvent]:
    """The events of a story in their order, in constant memory.

    Cost: one pass over the events of the area; for the story of an area, over those of every scope.

    Args:
        view: of the store.
        about: whose story.
        after: only events behind this position.
    """
    mine = (about.kind, about.name)
    if about.session_id is None:
        scope = area_scope(about.area_id)
        return (event for event in view.audit.iter(after=after) if event.scope == scope or event.subject == mine)
    events = view.audit.iter(scope=area_scope(about.area_id), after=after)
    session = about.session_id
    return (
        event
        for event in events
        if event.subject in (mine, ("session", session)) or event.context["session_id"] == session
    )
