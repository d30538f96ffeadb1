"""Whether a decision is what its session decided: pure checks of one object against the session it names.

Imports ``model`` and ``errors``. Source: GOV-5, GOV-7, NEIGHBOURS 2.10 layer C.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from charter_persist.errors import InvalidInputError
from charter_persist.model.authority import Constraints, Verdict, evaluate
from charter_persist.model.lifecycle import Transition
from charter_persist.model.outcome import captured_context
from charter_persist.model.resolution import Proposal, Resolution, ResolutionState
from charter_persist.model.session import Session, SessionState


def is_governed(session: Session) -> bool:
    """Whether a session is of the engine; an application may keep sessions of its own, which bind nobody."""
    return session.constraints.keys() == Constraints.FIELDS


def resolution_faults(resolution: Resolution, session: Session) -> Iterator[str]:
    """Say in what a resolution differs from what its session accepted, one sentence each; none where it is legitimate.

    Args:
        resolution: as stored.
        session: as it was sealed. Whether it is the right one is for the index to say, not for this.
    """
    try:
        constraints = Constraints.from_content(dict(session.constraints))
        candidate = session.candidates[resolution.candidate_id]
        proposal = Proposal.from_content(candidate.content)
        context = captured_context(session)
        evaluation = evaluate(replace(session, state=SessionState.ACTIVE), constraints)
    except (InvalidInputError, KeyError, TypeError, ValueError) as exc:
        yield f"its session {session.session_id} cannot have accepted a resolution: {exc}"
        return
    if resolution.candidate_id not in session.accepted:
        yield f"its session did not accept candidate {resolution.candidate_id}"
    verdict = evaluation.candidates[resolution.candidate_id]
    if verdict.verdict is not Verdict.ACCEPTABLE:
        yield f"the stances do not carry it: {'; '.join(verdict.reasons)}"
    if constraints.resolution_type is not resolution.type:
        yield f"its session decides about {constraints.resolution_type}, it is of type {resolution.type}"
    if resolution.accepted_at != session.closed_at:
        yield f"its session was accepted at {session.closed_at}, not at {resolution.accepted_at}"
    if proposal.content != resolution.content:
        yield "its content is not that of its candidate"
    if proposal.supersedes != resolution.supersedes:
        yield "it supersedes other resolutions than its candidate proposed"
    if context != resolution.context:
        yield "its context is not the one that its session captured"


def transition_fault(transition: Transition, session: Session | None) -> str | None:
    """Say why a transition was not decided as it claims, or None where it was.

    Args:
        transition: as stored.
        session: the sealed session that it names, None where it names none, or there is none.
    """
    if transition.session_id is None:
        retired = transition.after is ResolutionState.RETIRED
        return "a resolution is retired by a session only" if retired else None
    if session is None or session.state is not SessionState.ACCEPTED:
        return f"no session {transition.session_id} is stored that ended ACCEPTED"
    try:
        proposals = [Proposal.from_content(session.candidates[name].content) for name in session.accepted]
    except (InvalidInputError, KeyError, TypeError):
        return f"session {session.session_id} cannot have decided it"
    if any(proposal.transitions.get(transition.resolution_id) is transition.after for proposal in proposals):
        return None
    return f"session {session.session_id} did not decide it"
