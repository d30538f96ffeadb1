"""``charter session`` and ``charter candidate``: a deliberation, and what may be accepted in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any

import click

from charter_persist.cli.desk import actor_option, as_of_option, asking, deciding, one_of
from charter_persist.cli.group import OrderedGroup
from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.cli.output import Line, Pairs, Table, answer
from charter_persist.engine.charter import Charter
from charter_persist.model.authority import AuthorityRule
from charter_persist.model.canonical import parse_json
from charter_persist.model.resolution import ResolutionState, ResolutionType
from charter_persist.model.session import Candidate, Session, SessionState


@click.group(cls=OrderedGroup)
@common_options
def session() -> None:
    """Sessions: deliberations that end with resolutions, or without."""


@session.command("start")
@click.argument("area")
@click.argument("problem")
@click.option(
    "--type",
    "kind",
    type=one_of(ResolutionType),
    default=str(ResolutionType.GENERAL),
    show_default=True,
    help="What its candidates would become.",
)
@click.option(
    "--participant",
    "participants",
    metavar="NAME",
    multiple=True,
    help="Who takes part; only for the first AUTHORITY and SCOPE of an area. Repeatable.",
)
@click.option("--required", metavar="NAME", multiple=True, help="Who must have a stance before acceptance. Repeatable.")
@click.option("--look-at-area", "areas", metavar="AREA", multiple=True, help="Another area to look at. Repeatable.")
@click.option("--look-at", "resolutions", metavar="DIGEST", multiple=True, help="A resolution to look at. Repeatable.")
@click.option("--id", "session_id", metavar="ID", help="Its identity; a new one by default.")
@actor_option
@common_options
@pass_invocation
def start_session(
    invocation: Invocation,
    area: str,
    problem: str,
    kind: str,
    participants: tuple[str, ...],
    required: tuple[str, ...],
    areas: tuple[str, ...],
    resolutions: tuple[str, ...],
    session_id: str | None,
    actor: str | None,
) -> None:
    """Start a session in AREA about PROBLEM; it is CREATED, and `activate` opens it for stances.

    It captures the authority and the scope in force, and is held to them for good.
    """
    with deciding(invocation) as desk:
        made = desk.charter.start_session(
            desk.area_id(area),
            problem_statement=problem,
            type=kind,
            participants=participants or None,
            required_participants=required,
            referenced_areas=[desk.area_id(name) for name in areas],
            referenced_resolutions=desk.resolution_ids(resolutions),
            session_id=session_id,
            actor=actor,
        )
    answer(invocation, made.to_json(), Line(made.session_id))


@session.command("activate")
@click.argument("session_id", metavar="SESSION")
@actor_option
@common_options
@pass_invocation
def activate_session(invocation: Invocation, session_id: str, actor: str | None) -> None:
    """Activate SESSION, which is CREATED: stances can be recorded from now on."""
    _move(invocation, lambda charter: charter.start(session_id, actor=actor))


@session.command("list")
@click.argument("area")
@click.option("--state", type=one_of(SessionState), help="Only sessions in this state.")
@as_of_option
@common_options
@pass_invocation
def list_sessions(invocation: Invocation, area: str, state: str | None, as_of: int | None) -> None:
    """List the sessions of AREA, by state and id."""
    with asking(invocation, as_of) as desk:
        found = desk.queries.sessions(desk.area_id(area), state=state)
    columns = ("session_id", "state", "created_at", "closed_at", "problem_statement")
    rows = [(item.session_id, item.state, item.created_at, item.closed_at, item.problem_statement) for item in found]
    answer(invocation, {"sessions": [item.to_json() for item in found]}, Table(columns, rows))


@session.command("show")
@click.argument("session_id", metavar="SESSION")
@as_of_option
@common_options
@pass_invocation
def show_session(invocation: Invocation, session_id: str, as_of: int | None) -> None:
    """Show SESSION with its candidates, its stances and its outcome."""
    with asking(invocation, as_of) as desk:
        found = desk.queries.session(session_id)
        outcome = desk.queries.outcome(session_id)
    document = {**found.to_json(), "resolutions": list(outcome)}
    names = ("session_id", "area_id", "state", "problem_statement", "created_at", "started_at", "closed_at")
    governed = ("authority_resolution_id", "scope_resolution_id")
    pairs = {name: document[name] for name in (*names, *governed)}
    stances = [(item.candidate_id, item.actor_id, item.type, item.recorded_at) for item in found.stances.values()]
    answer(
        invocation,
        document,
        Pairs({**pairs, "resolutions": ", ".join(outcome) or None}),
        candidate_table(found, "Candidates"),
        Table(("candidate", "actor", "stance", "recorded_at"), stances, "Stances"),
    )


@session.command("pause")
@click.argument("session_id", metavar="SESSION")
@actor_option
@common_options
@pass_invocation
def pause_session(invocation: Invocation, session_id: str, actor: str | None) -> None:
    """Pause SESSION, which is ACTIVE."""
    _move(invocation, lambda charter: charter.pause(session_id, actor=actor))


@session.command("resume")
@click.argument("session_id", metavar="SESSION")
@actor_option
@common_options
@pass_invocation
def resume_session(invocation: Invocation, session_id: str, actor: str | None) -> None:
    """Resume SESSION, which is PAUSED, if all it depends on still stands."""
    _move(invocation, lambda charter: charter.resume(session_id, actor=actor))


@session.command("block")
@click.argument("session_id", metavar="SESSION")
@click.option("--reason", metavar="TEXT", required=True, help="Why.")
@actor_option
@common_options
@pass_invocation
def block_session(invocation: Invocation, session_id: str, reason: str, actor: str | None) -> None:
    """Block SESSION, which is ACTIVE or PAUSED."""
    _move(invocation, lambda charter: charter.block(session_id, reason=reason, actor=actor))


@session.command("unblock")
@click.argument("session_id", metavar="SESSION")
@actor_option
@common_options
@pass_invocation
def unblock_session(invocation: Invocation, session_id: str, actor: str | None) -> None:
    """Bring SESSION from BLOCKED to PAUSED; `resume` then looks at what it depends on."""
    _move(invocation, lambda charter: charter.unblock(session_id, actor=actor))


@session.command("close")
@click.argument("session_id", metavar="SESSION")
@click.option("--reason", metavar="TEXT", help="Why.")
@actor_option
@common_options
@pass_invocation
def close_session(invocation: Invocation, session_id: str, reason: str | None, actor: str | None) -> None:
    """Discard SESSION: it is sealed as it stands and has no effect."""
    with deciding(invocation) as desk:
        digest = desk.charter.close(session_id, reason=reason, actor=actor)
    document = {"session_id": session_id, "state": str(SessionState.CLOSED), "session_digest": digest}
    answer(invocation, document, Line(f"session {session_id} is CLOSED"))


def _move(invocation: Invocation, verb: Callable[[Charter], Session]) -> None:
    with deciding(invocation) as desk:
        moved = verb(desk.charter)
    answer(invocation, moved.to_json(), Line(f"session {moved.session_id} is {moved.state}"))


@click.group(cls=OrderedGroup)
@common_options
def candidate() -> None:
    """Candidates: what a session may accept."""


@candidate.command("add")
@click.argument("session_id", metavar="SESSION")
@click.option("--text", metavar="TEXT", help="What it says.")
@click.option("--rule", type=one_of(AuthorityRule), help="Of an AUTHORITY: when it accepts.")
@click.option("--decider", "deciders", metavar="NAME", multiple=True, help="Of an AUTHORITY: who decides. Repeatable.")
@click.option(
    "--content", type=click.File("rb"), metavar="FILE", help="The whole content as a JSON object, instead of --text."
)
@click.option("--supersedes", metavar="DIGEST", multiple=True, help="A resolution that it would replace. Repeatable.")
@click.option(
    "--transition",
    "transitions",
    nargs=2,
    metavar="DIGEST STATE",
    type=(str, one_of(ResolutionState)),
    multiple=True,
    help="A state that it would bring a resolution to. Repeatable.",
)
@click.option("--rationale", metavar="TEXT", help="Why.")
@click.option("--id", "candidate_id", metavar="ID", help="Its identity; a new one by default.")
@actor_option
@common_options
@pass_invocation
def add_candidate(
    invocation: Invocation,
    /,
    session_id: str,
    text: str | None,
    rule: str | None,
    deciders: tuple[str, ...],
    content: IO[bytes] | None,
    supersedes: tuple[str, ...],
    transitions: tuple[tuple[str, str], ...],
    **rest: Any,
) -> None:
    """Add a candidate to SESSION while no stance was recorded.

    An AUTHORITY or SCOPE replaces the one in force without being told. Without --text and --content the candidate
    only changes the state of other resolutions.
    """
    said = candidate_content(text, rule, deciders, content)
    with deciding(invocation) as desk:
        made = desk.charter.add_candidate(
            session_id,
            content=said,
            supersedes=desk.resolution_ids(supersedes),
            transitions={desk.resolution_id(name): state for name, state in transitions},
            **rest,
        )
    answer(invocation, made.to_json(), Line(made.candidate_id))


def candidate_content(text: str | None, rule: str | None, deciders: tuple[str, ...], content: IO[bytes] | None) -> Any:
    """What the options say that a candidate says; None where they say nothing of it.

    Raises:
        click.UsageError: they do not go together.
        NotCanonicalError: the file is not strict JSON.
    """
    authority: dict[str, Any] = {} if rule is None else {"rule": rule}
    if deciders:
        authority["actors"] = sorted(set(deciders))
    if content is not None:
        if text is not None or authority:
            raise click.UsageError("--content is the whole content; leave out --text, --rule and --decider")
        return parse_json(content.read())
    if text is None:
        if authority:
            raise click.UsageError("--rule and --decider go with --text")
        return None
    return {"text": text, **authority}


@candidate.command("list")
@click.argument("session_id", metavar="SESSION")
@as_of_option
@common_options
@pass_invocation
def list_candidates(invocation: Invocation, session_id: str, as_of: int | None) -> None:
    """List the candidates of SESSION, in the order they were added."""
    with asking(invocation, as_of) as desk:
        found = desk.queries.session(session_id)
    document = {"candidates": [item.to_json() for item in found.candidates.values()]}
    answer(invocation, document, candidate_table(found))


def candidate_table(found: Session, title: str | None = None) -> Table:
    """The candidates of a session for people."""
    rows = [(item.candidate_id, _says(item), item.rationale) for item in found.candidates.values()]
    return Table(("candidate", "says", "rationale"), rows, title)


def _says(item: Candidate) -> str:
    """What a candidate proposes, in one line; sessions of an application's own have candidates of any content."""
    content = item.content.get("content") if isinstance(item.content, dict) else item.content
    if isinstance(content, dict) and isinstance(content.get("text"), str):
        return str(content["text"])
    changes = item.content.get("transitions") if isinstance(item.content, dict) else None
    if isinstance(changes, dict) and changes:
        return ", ".join(f"{name} becomes {state}" for name, state in changes.items())
    return str(item.content)
