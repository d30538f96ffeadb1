"""``charter stance``, ``charter evaluate``, ``charter accept``: how a session comes to an end."""

from __future__ import annotations

import click

from charter_persist.cli.desk import actor_option, as_of_option, asking, deciding, one_of, required_actor_option
from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.cli.output import Line, Pairs, Table, answer
from charter_persist.engine.acceptance import Acceptance
from charter_persist.model.session import StanceKind


@click.command()
@click.argument("session_id", metavar="SESSION")
@click.argument("candidate_id", metavar="CANDIDATE")
@click.argument("kind", metavar="STANCE", type=one_of(StanceKind, lower=True))
@required_actor_option
@common_options
@pass_invocation
def stance(invocation: Invocation, session_id: str, candidate_id: str, kind: str, actor: str) -> None:
    """Record what the actor says of CANDIDATE: accept, reject or abstain.

    It may be changed until the session ends.
    """
    with deciding(invocation) as desk:
        said = desk.charter.record_stance(session_id, candidate_id=candidate_id, stance=kind.upper(), actor=actor)
    answer(invocation, said.to_json(), Line(f"{said.actor_id} says {said.type} of {said.candidate_id}"))


@click.command()
@click.argument("session_id", metavar="SESSION")
@as_of_option
@common_options
@pass_invocation
def evaluate(invocation: Invocation, session_id: str, as_of: int | None) -> None:
    """Say of each candidate of SESSION whether it may be accepted, and why.

    ACCEPTABLE, BLOCKED or INCOMPLETE; it changes nothing.
    """
    with asking(invocation, as_of) as desk:
        found = desk.queries.evaluate(session_id)
    candidates = {
        name: {"verdict": str(of.verdict), "reasons": list(of.reasons)} for name, of in found.candidates.items()
    }
    document = {"session_id": session_id, "verdict": str(found.verdict), "candidates": candidates}
    rows = [(name, of.verdict, "; ".join(of.reasons)) for name, of in found.candidates.items()]
    answer(invocation, document, Pairs({"verdict": found.verdict}), Table(("candidate", "verdict", "reasons"), rows))


@click.command()
@click.argument("session_id", metavar="SESSION")
@click.argument("candidates", metavar="[CANDIDATE]...", nargs=-1)
@actor_option
@common_options
@pass_invocation
def accept(invocation: Invocation, session_id: str, candidates: tuple[str, ...], actor: str | None) -> None:
    """End SESSION well: it is sealed, and what it decided takes force.

    Without CANDIDATE every one that is ACCEPTABLE is accepted. All of it is one unit of work.
    """
    with deciding(invocation) as desk:
        done = desk.charter.accept(session_id, candidate_ids=candidates or None, actor=actor)
    answer(invocation, acceptance_to_json(done), *map(Line, acceptance_lines(done)))


def acceptance_to_json(done: Acceptance) -> dict[str, object]:
    """All that an acceptance tells."""
    return {
        "session_id": done.session_id,
        "session_digest": done.session_digest,
        "resolutions": list(done.resolutions),
        "transitions": list(done.transitions),
        "revision": done.receipt.revision,
        "position": done.receipt.size,
        "root": done.receipt.root.hex() if done.receipt.root else None,
    }


def acceptance_lines(done: Acceptance) -> list[str]:
    """The same for people."""
    made = [f"resolution {digest}" for digest in done.resolutions]
    changed = [f"transition {digest}" for digest in done.transitions]
    return [f"session {done.session_id} is ACCEPTED, revision {done.receipt.revision}", *made, *changed]
