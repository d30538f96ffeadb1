"""``charter resolution``: what was decided, where it stands, and what becomes of it."""

from __future__ import annotations

import click

from charter_persist.cli.commands.audit import event_to_json
from charter_persist.cli.commands.decisions import acceptance_lines, acceptance_to_json
from charter_persist.cli.desk import (
    actor_option,
    as_of_option,
    asking,
    deciding,
    first_line,
    one_of,
    required_actor_option,
)
from charter_persist.cli.group import OrderedGroup
from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.cli.output import Line, Pairs, Table, answer
from charter_persist.cli.story import sentence
from charter_persist.engine.queries import ResolutionView
from charter_persist.model.adoption import ReviewOutcome
from charter_persist.model.resolution import ResolutionState, ResolutionType
from charter_persist.model.time import format_time


@click.group(cls=OrderedGroup)
@common_options
def resolution() -> None:
    """Resolutions: what was decided.

    DIGEST is the digest of one, or the beginning of it.
    """


@resolution.command("list")
@click.argument("area")
@click.option("--state", type=one_of(ResolutionState), help="Only those in this state.")
@click.option("--type", "kind", type=one_of(ResolutionType), help="Only those of this type.")
@as_of_option
@common_options
@pass_invocation
def list_resolutions(invocation: Invocation, area: str, state: str | None, kind: str | None, as_of: int | None) -> None:
    """List the resolutions of AREA in the order they were accepted; every filter that is given must fit."""
    with asking(invocation, as_of) as desk:
        digests = desk.queries.resolutions(desk.area_id(area), state=state, type=kind)
        found = sorted(
            map(desk.queries.resolution, digests), key=lambda item: (item.resolution.accepted_at, item.digest)
        )
    rows = [(r.digest, r.resolution.type, r.state, r.resolution.accepted_at, title(r)) for r in found]
    columns = ("resolution", "type", "state", "accepted_at", "text")
    answer(invocation, {"resolutions": [item.to_json() for item in found]}, Table(columns, rows))


def title(shown: ResolutionView) -> str:
    """What stands for a resolution in a list."""
    return first_line(shown.resolution.content["text"])


@resolution.command("show")
@click.argument("digest")
@as_of_option
@common_options
@pass_invocation
def show_resolution(invocation: Invocation, digest: str, as_of: int | None) -> None:
    """Show the resolution DIGEST and what became of it."""
    with asking(invocation, as_of) as desk:
        shown = desk.queries.resolution(desk.resolution_id(digest))
    document = shown.to_json()
    names = ("type", "state", "area_id", "accepted_at", "accepted_in_session", "candidate_id")
    pairs = {
        "resolution": shown.digest,
        **{name: document[name] for name in names},
        **shown.resolution.context.to_content(),
        "supersedes": shown.resolution.supersedes,
        "superseded_by": shown.superseded_by,
        "imported": shown.imported,
    }
    told = {
        name: ", ".join(value) or None if isinstance(value, list | tuple) else value for name, value in pairs.items()
    }
    text = shown.resolution.content["text"].split("\n")
    answer(invocation, {**document, "imported": shown.imported}, Pairs(told), Line(""), *map(Line, text))


@resolution.command("retire")
@click.argument("digest")
@click.option("--problem", metavar="TEXT", help="What the session is about.")
@click.option("--rationale", metavar="TEXT", help="Why.")
@required_actor_option
@common_options
@pass_invocation
def retire_resolution(
    invocation: Invocation, digest: str, problem: str | None, rationale: str | None, actor: str
) -> None:
    """Retire the resolution DIGEST by a whole session in which the actor alone takes a stance.

    Where that is not enough, hold a session with a candidate whose --transition says RETIRED.
    """
    with deciding(invocation) as desk:
        done = desk.charter.retire(
            desk.resolution_id(digest), problem_statement=problem, rationale=rationale, actor=actor
        )
    answer(invocation, acceptance_to_json(done), *map(Line, acceptance_lines(done)))


@resolution.command("mark-under-review")
@click.argument("digest")
@actor_option
@common_options
@pass_invocation
def mark_under_review(invocation: Invocation, digest: str, actor: str | None) -> None:
    """Mark the resolution DIGEST as UNDER_REVIEW; sessions that depend on it are blocked."""
    with deciding(invocation) as desk:
        name = desk.resolution_id(digest)
        made = desk.charter.mark_under_review(name, actor=actor)
    _answer_transition(invocation, name, made, ResolutionState.UNDER_REVIEW)


@resolution.command("clear-under-review")
@click.argument("digest")
@actor_option
@common_options
@pass_invocation
def clear_under_review(invocation: Invocation, digest: str, actor: str | None) -> None:
    """Bring the resolution DIGEST from UNDER_REVIEW back to ACTIVE."""
    with deciding(invocation) as desk:
        name = desk.resolution_id(digest)
        made = desk.charter.clear_under_review(name, actor=actor)
    _answer_transition(invocation, name, made, ResolutionState.ACTIVE)


def _answer_transition(invocation: Invocation, name: str, made: str, state: ResolutionState) -> None:
    document = {"resolution_id": name, "state": str(state), "transition": made}
    answer(invocation, document, Line(f"resolution {name} is {state}"))


@resolution.command("history")
@click.argument("digest")
@as_of_option
@common_options
@pass_invocation
def resolution_history(invocation: Invocation, digest: str, as_of: int | None) -> None:
    """List what happened to the resolution DIGEST since it was accepted, as the audit log tells it."""
    with asking(invocation, as_of) as desk, desk.view() as view:
        events = list(view.audit.iter(subject=("resolution", desk.resolution_id(digest))))
    rows = [(event.position, format_time(event.occurred_at), event.actor, sentence(event)) for event in events]
    document = {"events": [event_to_json(event) for event in events]}
    answer(invocation, document, Table(("position", "occurred_at", "actor", "what"), rows))


@resolution.command("review")
@click.argument("import_id", metavar="IMPORT")
@click.argument("digest")
@click.argument("outcome", type=one_of(ReviewOutcome, lower=True))
@click.option("--local", metavar="DIGEST", help="The resolution that was accepted here in its place.")
@actor_option
@common_options
@pass_invocation
def review_resolution(
    invocation: Invocation, import_id: str, digest: str, outcome: str, local: str | None, actor: str | None
) -> None:
    """Record what became of the resolution DIGEST that IMPORT brought.

    OUTCOME is consolidated (a session here accepted another in its place, named by --local), rejected or historical.
    The imported one never takes force itself.
    """
    with deciding(invocation) as desk:
        name = desk.resolution_id(digest)
        made = desk.charter.review_import(
            import_id,
            name,
            outcome=outcome.upper(),
            local_resolution_id=None if local is None else desk.resolution_id(local),
            actor=actor,
        )
    document = {"import_id": import_id, "resolution_id": name, "outcome": outcome.upper(), "review": made}
    answer(invocation, document, Line(f"resolution {name} was reviewed: {outcome.upper()}"))


@resolution.command("close-import")
@click.argument("import_id", metavar="IMPORT")
@actor_option
@common_options
@pass_invocation
def close_import(invocation: Invocation, import_id: str, actor: str | None) -> None:
    """End the review of IMPORT: what still waits becomes HISTORICAL."""
    with deciding(invocation) as desk:
        reviews = desk.charter.close_import(import_id, actor=actor)
    document = {"import_id": import_id, "reviews": list(reviews)}
    answer(invocation, document, Line(f"the review of import {import_id} is closed, {len(reviews)} became HISTORICAL"))
