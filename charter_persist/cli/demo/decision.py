"""One decision of the record, held as a whole session through `Charter`: verb by verb, each its own unit of work.

What a verb did can be seen in the session, so a decision that was interrupted goes on behind the last verb that was
committed. Time, ids and nonces of a verb depend on the session and the verb alone, so that leaves no trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from charter_persist.cli.demo.tape import Tape
from charter_persist.engine.charter import Charter
from charter_persist.errors import NotFoundError
from charter_persist.model.resolution import ResolutionType
from charter_persist.model.session import Session, SessionState, StanceKind


@dataclass(frozen=True, slots=True)
class Decision:
    """A session with one candidate and one stance.

    Attributes:
        session_id: of the session and of its candidate.
        area_id: where it is held.
        at: when.
        actor: who opens it, accepts, and ends it.
        problem_statement: what is to be decided.
        content: what the candidate says.
        type: what it becomes.
        first: True where the area has no such resolution yet, so that the session declares who takes part.
        rationale: of the candidate.
        supersedes, referenced_areas, referenced_resolutions: as `Charter` takes them.
    """

    session_id: str
    area_id: str
    at: datetime
    actor: str
    problem_statement: str
    content: Mapping[str, Any]
    type: ResolutionType = ResolutionType.GENERAL
    first: bool = False
    rationale: str | None = None
    supersedes: tuple[str, ...] = ()
    referenced_areas: tuple[str, ...] = ()
    referenced_resolutions: tuple[str, ...] = ()


def decide(charter: Charter, tape: Tape, decision: Decision) -> None:
    """Hold the session, or what is left of it."""
    name, actor = decision.session_id, decision.actor
    session = _held(charter, name)
    if session is None:
        session = _open(charter, tape, decision)
    if not session.candidates:
        tape.wind(decision.at, f"{name}/add_candidate")
        charter.add_candidate(
            name,
            content=decision.content,
            supersedes=decision.supersedes,
            rationale=decision.rationale,
            candidate_id=name,
            actor=actor,
        )
    if session.state is SessionState.CREATED:
        tape.wind(decision.at, f"{name}/start")
        charter.start(name, actor=actor)
    if not session.stances:
        tape.wind(decision.at, f"{name}/record_stance")
        charter.record_stance(name, candidate_id=name, stance=StanceKind.ACCEPT, actor=actor)
    if not session.sealed:
        tape.wind(decision.at, f"{name}/accept")
        charter.accept(name, actor=actor)


def _held(charter: Charter, session_id: str) -> Session | None:
    try:
        return charter.session(session_id)
    except NotFoundError:
        return None


def _open(charter: Charter, tape: Tape, decision: Decision) -> Session:
    tape.wind(decision.at, f"{decision.session_id}/start_session")
    return charter.start_session(
        decision.area_id,
        problem_statement=decision.problem_statement,
        type=decision.type,
        participants=(decision.actor,) if decision.first else None,
        referenced_areas=decision.referenced_areas,
        referenced_resolutions=decision.referenced_resolutions,
        session_id=decision.session_id,
        actor=decision.actor,
    )
