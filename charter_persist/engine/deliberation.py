"""The life of a session: start, candidates, stances, pause, block, close.

Cost of a verb: what the index must catch up with, the rows of one session, one audit event.

Source: GOV-3, GOV-4, GOV-5, GOV-7, NEIGHBOURS 2.4 and 2.11.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from charter_persist.engine.areas import require_open_area
from charter_persist.engine.work import Work, canonical, require_in_force, standing
from charter_persist.errors import (
    AlreadyExistsError,
    InvalidInputError,
    InvalidTransitionError,
    NotInitialisedError,
    RuleError,
    SealedError,
)
from charter_persist.index.lookups import ResolutionEntry
from charter_persist.model.authority import Authority, AuthorityRule, Constraints
from charter_persist.model.digest import Digest
from charter_persist.model.lifecycle import check_transition
from charter_persist.model.resolution import Proposal, Resolution, ResolutionState, ResolutionType, resolution_type
from charter_persist.model.session import Candidate, Session, SessionState, Stance
from charter_persist.model.shape import given_object, names, sorted_set

BLOCKABLE = (SessionState.ACTIVE, SessionState.PAUSED)


def start_session(
    work: Work,
    area_id: str,
    *,
    problem_statement: str,
    type: ResolutionType | str,
    participants: Iterable[str] | None,
    required_participants: Iterable[str],
    referenced_areas: Iterable[str],
    referenced_resolutions: Iterable[str],
    session_id: str | None,
) -> Session:
    """Create a session that captures authority and scope; see `Charter.start_session`."""
    require_open_area(work, area_id)
    if not isinstance(problem_statement, str) or not problem_statement:
        raise InvalidInputError("problem_statement must be a text that is not empty")
    kind = resolution_type(type)
    authority = standing(work.lookups, area_id, ResolutionType.AUTHORITY)
    scope = standing(work.lookups, area_id, ResolutionType.SCOPE)
    _require_initialised(area_id, kind, authority, scope)
    constraints = _constraints(work, kind, authority, scope, participants, required_participants)
    references = {
        "area_ids": [work.area(name).area_id for name in sorted_set(referenced_areas)],
        "resolution_ids": [work.resolution(name).digest for name in sorted_set(referenced_resolutions)],
    }
    if session_id is not None and work.lookups.session(session_id) is not None:
        raise AlreadyExistsError(f"there is a session {session_id} already; it came with a bundle or has ended")
    session = work.uow.sessions.create(
        area_id=area_id,
        problem_statement=problem_statement,
        session_id=session_id,
        authority_resolution_id=None if authority is None else authority.digest,
        scope_resolution_id=None if scope is None else scope.digest,
        constraints=constraints.to_content(),
        references=references,
    )
    details = {"problem_statement": problem_statement[:200], "resolution_type": str(kind)}
    audit_session(work, "SESSION_CREATED", session, details)
    return session


def _require_initialised(
    area_id: str, kind: ResolutionType, authority: ResolutionEntry | None, scope: ResolutionEntry | None
) -> None:
    if kind is not ResolutionType.GENERAL:
        return
    for needed, entry in ((ResolutionType.AUTHORITY, authority), (ResolutionType.SCOPE, scope)):
        if entry is None:
            raise NotInitialisedError(
                f"area {area_id} has no {needed} yet; start a session of type {needed} first", rule="GOV-7"
            )
        if entry.state is not ResolutionState.ACTIVE:
            raise RuleError(f"the {needed} of area {area_id} is {entry.state}; clear that first", rule="GOV-7")


def _constraints(
    work: Work,
    kind: ResolutionType,
    authority: ResolutionEntry | None,
    scope: ResolutionEntry | None,
    participants: Iterable[str] | None,
    required_participants: Iterable[str],
) -> Constraints:
    """Rule and participants of the authority in force; the first authority and scope of an area declare their own."""
    declared = None if participants is None else names(list(sorted_set(participants)), field="participants")
    if authority is None or (kind is ResolutionType.SCOPE and scope is None):
        if not declared:
            raise RuleError(
                f"the first session of type {kind} in an area declares its participants; give at least one",
                rule="GOV-5",
            )
        rule, actors = AuthorityRule.UNANIMOUS_PRESENT, declared
    else:
        content = Resolution.from_content(work.uow.objects.require(authority.digest).object).content
        in_force = Authority.from_content(dict(content))
        rule, actors = in_force.rule, in_force.actors
        if declared is not None and declared != actors:
            raise RuleError(
                f"who takes part is said by the authority in force: {', '.join(actors)}; leave participants out",
                rule="GOV-5",
            )
    required = names(list(sorted_set(required_participants)), field="required_participants")
    strangers = sorted(set(required) - set(actors))
    if strangers:
        raise RuleError(f"required participants who may not take part: {', '.join(strangers)}", rule="GOV-5")
    return Constraints(kind, rule, actors, required)


def start(work: Work, session_id: str) -> Session:
    """CREATED to ACTIVE."""
    session = work.session(session_id)
    _require(session, SessionState.CREATED, "started")
    _require_standing(work, session)
    return _move(work, session, SessionState.ACTIVE, "SESSION_STARTED")


def pause(work: Work, session_id: str) -> Session:
    """ACTIVE to PAUSED."""
    session = work.session(session_id)
    _require(session, SessionState.ACTIVE, "paused")
    return _move(work, session, SessionState.PAUSED, "SESSION_PAUSED")


def resume(work: Work, session_id: str) -> Session:
    """PAUSED to ACTIVE, if what it depends on still stands."""
    session = work.session(session_id)
    _require(session, SessionState.PAUSED, "resumed")
    _require_standing(work, session)
    return _move(work, session, SessionState.ACTIVE, "SESSION_RESUMED")


def _require_standing(work: Work, session: Session) -> None:
    """Refuse to go on with a session whose authority or scope was changed, or that builds on what is under review."""
    require_in_force(work.lookups, session)
    for resolution_id in foundations(session):
        entry = work.resolution(resolution_id)
        if entry.state is ResolutionState.UNDER_REVIEW and not entry.imported:
            raise RuleError(
                f"session {session.session_id} builds on {entry.digest}, which is UNDER_REVIEW; clear that first",
                rule="GOV-3",
            )


def block(work: Work, session: Session, reason: str) -> Session:
    """ACTIVE or PAUSED to BLOCKED."""
    return _move(work, session, SessionState.BLOCKED, "SESSION_BLOCKED", details={"reason": reason})


def unblock(work: Work, session_id: str) -> Session:
    """BLOCKED to PAUSED."""
    session = work.session(session_id)
    _require(session, SessionState.BLOCKED, "unblocked")
    return _move(work, session, SessionState.PAUSED, "SESSION_UNBLOCKED")


def _require(session: Session, state: SessionState, what: str) -> None:
    """Refuse a session in another state: the same state can be reached by two verbs, and each has one beginning."""
    if session.sealed:
        raise SealedError(f"session {session.session_id} is {session.state} and sealed; start a new one")
    if session.state is not state:
        raise InvalidTransitionError(
            f"session {session.session_id} is {session.state}; only one that is {state} can be {what}", rule="GOV-3"
        )


def _move(work: Work, session: Session, state: SessionState, event: str, *, details: Any = None) -> Session:
    """Change the state, with its event."""
    moved = work.uow.sessions.set_state(session.session_id, state)
    audit_session(work, event, moved, {"from": str(session.state), "to": str(state), **(details or {})})
    return moved


def add_candidate(
    work: Work,
    session_id: str,
    *,
    content: Mapping[str, Any] | None,
    supersedes: Iterable[str],
    transitions: Mapping[str, ResolutionState | str] | None,
    rationale: str | None,
    candidate_id: str | None,
) -> Candidate:
    """Add a candidate whose proposal could be accepted as things stand; see `Charter.add_candidate`."""
    session = work.session(session_id)
    constraints = Constraints.from_content(dict(session.constraints))
    if rationale is not None and type(rationale) is not str:
        raise InvalidInputError("the rationale of a candidate must be a text or None")
    proposal = _proposal(work, session, constraints.resolution_type, content, supersedes, transitions)
    candidate = work.uow.sessions.add_candidate(
        session_id, proposal.to_content(), rationale=rationale, candidate_id=candidate_id
    )
    audit_session(work, "CANDIDATE_ADDED", session, {"candidate_id": candidate.candidate_id})
    return candidate


def _proposal(
    work: Work,
    session: Session,
    kind: ResolutionType,
    content: Mapping[str, Any] | None,
    supersedes: Iterable[str],
    transitions: Mapping[str, ResolutionState | str] | None,
) -> Proposal:
    """What the candidate stands for; an AUTHORITY or SCOPE always replaces the one that the session captured."""
    targets = sorted_set(supersedes)
    captured = captured_resolution(session, kind)
    if captured is not None and content is not None:
        targets = targets or (captured,)
    wanted = given_object(transitions, field="transitions")
    changes = {work.resolution(name).digest: str(state) for name, state in sorted(wanted.items())}
    proposal = Proposal.from_content(
        {
            "content": None if content is None else given_object(content, field="content"),
            "supersedes": list(sorted_set(work.resolution(name).digest for name in targets)),
            "transitions": changes,
        }
    )
    if kind is ResolutionType.AUTHORITY and content is not None:
        Authority.from_content(dict(content))
    check_proposal(work, session, kind, proposal)
    return proposal


def captured_resolution(session: Session, kind: ResolutionType) -> str | None:
    """What a session of this type is about to replace."""
    if kind is ResolutionType.AUTHORITY:
        return session.authority_resolution_id
    return session.scope_resolution_id if kind is ResolutionType.SCOPE else None


def check_proposal(work: Work, session: Session, kind: ResolutionType, proposal: Proposal) -> None:
    """Refuse a proposal that could not be accepted as things stand.

    Raises:
        NotFoundError: it names an unknown resolution.
        RuleError: a target is of another area or type, came by import, or is not ACTIVE.
        InvalidTransitionError: the lifecycle has no such change.

    Spec: GOV-2, IDX-5, IDX-6
    """
    for name in proposal.supersedes:
        entry = _target(work, session, kind, name)
        if entry.state is not ResolutionState.ACTIVE:
            raise RuleError(f"resolution {name} is {entry.state}; only an ACTIVE one can be superseded", rule="GOV-2")
        if name in proposal.transitions:
            raise RuleError(f"resolution {name} cannot be superseded and changed at once", rule="GOV-2")
    for name, state in proposal.transitions.items():
        check_transition(kind, _target(work, session, kind, name).state, state)
    captured = canonical(work.lookups, captured_resolution(session, kind))
    if proposal.content is not None and kind is not ResolutionType.GENERAL:
        expected = () if captured is None else (captured,)
        if proposal.supersedes != expected:
            raise RuleError(f"a {kind} supersedes the one in force and nothing else", rule="GOV-7")


def _target(work: Work, session: Session, kind: ResolutionType, name: Digest) -> ResolutionEntry:
    entry = work.resolution(name)
    if entry.area_id != session.area_id:
        raise RuleError(f"resolution {name} belongs to another area, {entry.area_id}", rule="IDX-6")
    if entry.type is not kind:
        raise RuleError(f"a session of type {kind} cannot change a resolution of type {entry.type}", rule="GOV-7")
    if entry.imported:
        raise RuleError(f"resolution {name} was imported and has no force here; review it instead", rule="GOV-14")
    return entry


def record_stance(work: Work, session_id: str, candidate_id: str, stance: str) -> Stance:
    """Record what the actor says of a candidate; see `Charter.record_stance`."""
    session = work.session(session_id)
    constraints = Constraints.from_content(dict(session.constraints))
    if work.actor is None:
        raise InvalidInputError("a stance is somebody's: give actor")
    if not session.sealed and work.actor not in constraints.participants:
        raise RuleError(f"{work.actor} takes no part in session {session_id}", rule="GOV-5")
    before = session.stances.get((work.actor, candidate_id))
    recorded = work.uow.sessions.record_stance(
        session_id, actor_id=work.actor, candidate_id=candidate_id, stance=stance
    )
    event = "FIRST_STANCE_RECORDED" if not session.stances else "STANCE_CHANGED" if before else "STANCE_RECORDED"
    details = {
        "candidate_id": candidate_id,
        "from": None if before is None else str(before.type),
        "to": str(recorded.type),
    }
    audit_session(work, event, session, details)
    return recorded


def close(work: Work, session_id: str, reason: str | None) -> Digest:
    """Discard a session: sealed as it stands, with no effect."""
    session = work.session(session_id)
    digest = work.uow.sessions.seal(session_id, SessionState.CLOSED)
    audit_session(work, "SESSION_CLOSED", session, {"from": str(session.state), "to": "CLOSED", "reason": reason})
    return digest


def dependencies(session: Session) -> Iterator[str]:
    """The resolutions that a session builds on or would change the state of."""
    yield from foundations(session)
    for proposal in _proposals(session):
        yield from proposal.transitions


def foundations(session: Session) -> Iterator[str]:
    """The resolutions that a session refers to or would replace."""
    for proposal in _proposals(session):
        yield from proposal.supersedes
    if _is_governed(session):
        yield from session.references["resolution_ids"]


def _proposals(session: Session) -> Iterator[Proposal]:
    """What its candidates propose; one that was added past the engine proposes nothing, and can never be accepted."""
    if not _is_governed(session):
        return
    for candidate in session.candidates.values():
        try:
            yield Proposal.from_content(candidate.content)
        except InvalidInputError:
            continue


def _is_governed(session: Session) -> bool:
    """Whether the engine started it; a session of an application's own depends on nothing."""
    return session.constraints.keys() == Constraints.FIELDS


def block_sessions(work: Work, area_id: str, reason: str, *, depending_on: str | None = None) -> None:
    """Block the open sessions of an area that captured what is no longer in force, or depend on a resolution."""
    for state in BLOCKABLE:
        for session in list(work.uow.sessions.iter(area_id=area_id, state=state)):
            if depending_on is None or depending_on in dependencies(session):
                block(work, session, reason)


def audit_session(work: Work, event: str, session: Session, details: Any) -> None:
    """Append an event about a session to the scope of its area."""
    work.audit_area(event, session.area_id, ("session", session.session_id), details, session)
