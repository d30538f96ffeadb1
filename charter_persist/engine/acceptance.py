"""Acceptance: a session ends well, and what it decided takes force, in one unit of work.

Cost: the session sealed as one object, one object for each resolution and transition, two rows for each ref that moves,
one audit event for each fact; one commit. Order of the writes: session, resolutions, transitions, refs, audit.

Source: GOV-5, GOV-6, GOV-7, NEIGHBOURS 2.11.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from charter_persist.engine.areas import GOVERNING, point
from charter_persist.engine.deliberation import (
    add_candidate,
    audit_session,
    block_sessions,
    check_proposal,
    record_stance,
    start,
    start_session,
)
from charter_persist.engine.work import Work, require_in_force
from charter_persist.errors import InvalidInputError, InvalidTransitionError, NotFoundError, RuleError, SealedError
from charter_persist.model.authority import Constraints, Verdict, evaluate
from charter_persist.model.digest import Digest
from charter_persist.model.lifecycle import Transition
from charter_persist.model.outcome import accepted_resolution
from charter_persist.model.resolution import Proposal, Resolution, ResolutionState, ResolutionType
from charter_persist.model.session import Session, SessionState
from charter_persist.model.shape import sorted_set
from charter_persist.unit_of_work import Receipt

TRANSITION_EVENTS = {
    (ResolutionState.ACTIVE, ResolutionState.UNDER_REVIEW): "RESOLUTION_UNDER_REVIEW",
    (ResolutionState.UNDER_REVIEW, ResolutionState.ACTIVE): "RESOLUTION_REVIEW_CLEARED",
    (ResolutionState.ACTIVE, ResolutionState.RETIRED): "RESOLUTION_RETIRED",
    (ResolutionState.UNDER_REVIEW, ResolutionState.RETIRED): "RESOLUTION_RETIRED",
}


@dataclass(frozen=True, slots=True)
class Accepted:
    """What an accepted session becomes, inside its unit of work.

    Attributes:
        session_id: of the session.
        session_digest: of the object that it was sealed to.
        resolutions: digests of the new resolutions, in the order of their candidates.
        transitions: digests of the changes of state that it decided.
    """

    session_id: str
    session_digest: Digest
    resolutions: tuple[Digest, ...]
    transitions: tuple[Digest, ...]

    def with_receipt(self, receipt: Receipt) -> Acceptance:
        """The acceptance after the commit."""
        return Acceptance(self.session_id, self.session_digest, self.resolutions, self.transitions, receipt)


@dataclass(frozen=True, slots=True)
class Acceptance(Accepted):
    """What an accepted session became.

    Attributes:
        receipt: of the unit of work; the others are those of `Accepted`.
    """

    receipt: Receipt


def accept(work: Work, session_id: str, candidate_ids: Iterable[str] | None) -> Accepted:
    """Check everything, then write everything; see `Charter.accept`."""
    session = work.session(session_id)
    if session.sealed:
        raise SealedError(f"session {session_id} is {session.state} and sealed; start a new one")
    if session.state is not SessionState.ACTIVE:
        raise InvalidTransitionError(
            f"session {session_id} is {session.state}; only an ACTIVE one can be accepted", rule="GOV-3"
        )
    constraints = Constraints.from_content(dict(session.constraints))
    require_in_force(work.lookups, session)
    chosen = _chosen(session, constraints, candidate_ids)
    proposals = {name: Proposal.from_content(session.candidates[name].content) for name in chosen}
    _check(work, session, constraints.resolution_type, proposals)
    digest = work.uow.sessions.seal(session_id, SessionState.ACCEPTED, accepted=chosen)
    session = work.uow.sessions.require(session_id)
    audit_session(work, "SESSION_ACCEPTED", session, {"accepted_candidate_ids": list(chosen)})
    resolutions = [
        _write_resolution(work, session, constraints.resolution_type, digest, name, proposal)
        for name, proposal in proposals.items()
        if proposal.content is not None
    ]
    transitions = [
        write_transition(work, name, state, session)
        for proposal in proposals.values()
        for name, state in proposal.transitions.items()
    ]
    return Accepted(session_id, digest, tuple(resolutions), tuple(transitions))


def _chosen(session: Session, constraints: Constraints, candidate_ids: Iterable[str] | None) -> tuple[str, ...]:
    """The candidates to accept, in the order they were added; every one must be acceptable."""
    evaluation = evaluate(session, constraints)
    wanted = evaluation.acceptable if candidate_ids is None else sorted_set(candidate_ids)
    for name in wanted:
        if name not in session.candidates:
            raise NotFoundError(f"session {session.session_id} has no candidate {name}", candidate_id=name)
    for name in evaluation.candidates if candidate_ids is None and not wanted else wanted:
        of = evaluation.candidates[name]
        if of.verdict is not Verdict.ACCEPTABLE:
            raise RuleError(f"candidate {name} is {of.verdict}: {'; '.join(of.reasons)}", rule="GOV-5")
    if not wanted:
        raise InvalidInputError("name at least one candidate to accept; a session without outcome is closed instead")
    return tuple(name for name in session.candidates if name in wanted)


def _check(work: Work, session: Session, kind: ResolutionType, proposals: dict[str, Proposal]) -> None:
    """Each proposal must hold now, and no two may touch the same resolution."""
    touched: set[str] = set()
    for proposal in proposals.values():
        check_proposal(work, session, kind, proposal)
        for name in (*proposal.supersedes, *proposal.transitions):
            if name in touched:
                raise RuleError(f"two accepted candidates change resolution {name}; accept one of them", rule="GOV-2")
            touched.add(name)
    if kind is not ResolutionType.GENERAL and len(proposals) > 1:
        raise RuleError(f"an area has one {kind}; accept one candidate", rule="GOV-7")


def _write_resolution(
    work: Work, session: Session, kind: ResolutionType, sealed: Digest, candidate_id: str, proposal: Proposal
) -> Digest:
    """Put the resolution, move the ref it governs by, and append its events."""
    resolution = accepted_resolution(session, sealed, kind, candidate_id, proposal)
    digest = work.uow.objects.put(Resolution.object_type, resolution.to_content())
    details = {"candidate_id": candidate_id, "supersedes": list(proposal.supersedes), "type": str(kind)}
    work.audit_area("RESOLUTION_ACCEPTED", session.area_id, ("resolution", digest), details, session)
    for name in proposal.supersedes:
        work.audit_area(
            "RESOLUTION_SUPERSEDED", session.area_id, ("resolution", name), {"superseded_by": digest}, session
        )
        block_sessions(work, session.area_id, f"resolution {name} was superseded", depending_on=name)
    if kind in GOVERNING:
        point(work, session.area_id, GOVERNING[kind](session.area_id), digest)
        former = proposal.supersedes[0] if proposal.supersedes else None
        work.audit_area(
            f"{kind}_CHANGED", session.area_id, ("area", session.area_id), {"from": former, "to": digest}, session
        )
        block_sessions(work, session.area_id, f"the {kind} of the area was changed")
    return digest


def write_transition(work: Work, resolution_id: Digest, state: ResolutionState, session: Session | None) -> Digest:
    """Put the next transition of a resolution, append its event, and block what depends on it unless it is cleared."""
    entry = work.resolution(resolution_id)
    transition = Transition(
        resolution_id=entry.digest,
        area_id=entry.area_id,
        before=entry.state,
        after=state,
        occurred_at=work.now,
        session_id=None if session is None else session.session_id,
        previous=work.lookups.last_transition(entry.digest),
    )
    digest = work.uow.objects.put(Transition.object_type, transition.to_content())
    event = TRANSITION_EVENTS[entry.state, state]
    details = {"from": str(entry.state), "to": str(state), "transition": digest}
    work.audit_area(event, entry.area_id, ("resolution", entry.digest), details, session)
    everyone = entry.type is ResolutionType.SCOPE and state is ResolutionState.UNDER_REVIEW
    if state is not ResolutionState.ACTIVE:
        reason = f"resolution {entry.digest} became {state}"
        block_sessions(work, entry.area_id, reason, depending_on=None if everyone else entry.digest)
    return digest


def retire(work: Work, resolution_id: str, problem_statement: str | None, rationale: str | None) -> Accepted:
    """A whole session in one unit: the actor proposes the retirement, accepts it, and that must be enough."""
    entry = work.resolution(resolution_id)
    session = start_session(
        work,
        entry.area_id,
        problem_statement=problem_statement or f"Shall resolution {entry.digest} be retired?",
        type=entry.type,
        participants=None,
        required_participants=(),
        referenced_areas=(),
        referenced_resolutions=(),
        session_id=None,
    )
    candidate = add_candidate(
        work,
        session.session_id,
        content=None,
        supersedes=(),
        transitions={entry.digest: ResolutionState.RETIRED},
        rationale=rationale,
        candidate_id=None,
    )
    start(work, session.session_id)
    record_stance(work, session.session_id, candidate.candidate_id, "ACCEPT")
    return accept(work, session.session_id, (candidate.candidate_id,))
