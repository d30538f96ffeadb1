"""The domain objects by their type: one place that says what the content of each must look like.

Candidates and stances stand inside their session; their forms are here so that each has a digest of its own. An
object of a type that is not listed belongs to the application, and its content is its own affair.

Source: GOV-1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from charter_persist.errors import InvalidInputError
from charter_persist.model.adoption import ImportRecord, ImportReview, Rehash
from charter_persist.model.area import Area, AreaRetirement
from charter_persist.model.lifecycle import Transition
from charter_persist.model.resolution import Resolution
from charter_persist.model.session import FINAL_STATES, Candidate, Session, SessionState, Stance, StanceKind
from charter_persist.model.shape import exact_fields, json_object, moment
from charter_persist.model.text import check_text

SESSION_FIELDS: Final = frozenset(Session("s", "a", "", "").to_json()) - {"version"}
CANDIDATE_FIELDS: Final = frozenset({"candidate_id", "content", "created_at", "rationale"})
_OUTCOME_FIELDS: Final = frozenset({"accepted_candidate_ids"})
_STANCES: Final = dict(StanceKind.__members__)
STANCE_FIELDS: Final = frozenset({"actor_id", "candidate_id", "recorded_at", "type"})


def read_candidate(content: object) -> Candidate:
    """Read the content of a candidate.

    Raises:
        InvalidInputError: it is not the content of a candidate.
    """
    data = exact_fields(content, CANDIDATE_FIELDS, form="a candidate")
    check_text(data["candidate_id"], field="candidate_id")
    moment(data["created_at"])
    if data["rationale"] is not None and type(data["rationale"]) is not str:
        raise InvalidInputError("the rationale of a candidate must be a text or null")
    return Candidate(data["candidate_id"], data["content"], data["rationale"], data["created_at"])


def read_stance(content: object) -> Stance:
    """Read the content of a stance.

    Raises:
        InvalidInputError: it is not the content of a stance.
    """
    data = exact_fields(content, STANCE_FIELDS, form="a stance")
    check_text(data["actor_id"], field="actor_id")
    check_text(data["candidate_id"], field="candidate_id")
    moment(data["recorded_at"])
    if type(data["type"]) is not str or data["type"] not in _STANCES:
        raise InvalidInputError(f"a stance is ACCEPT, REJECT or ABSTAIN, not {str(data['type'])[:80]!r}")
    return Stance(data["actor_id"], data["candidate_id"], _STANCES[data["type"]], data["recorded_at"])


def read_sealed_session(content: object) -> Session:
    """Read the content of a session that has ended.

    Raises:
        InvalidInputError: it is not the content of such a session.
    """
    data = exact_fields(content, SESSION_FIELDS, form="a session")
    candidates = {item.candidate_id: item for item in map(read_candidate, _items(data["candidates"]))}
    stances = {(item.actor_id, item.candidate_id): item for item in map(read_stance, _items(data["stances"]))}
    outcome = exact_fields(data["outcome"], _OUTCOME_FIELDS, form="the outcome of a session")
    session = Session(
        session_id=check_text(data["session_id"], field="session_id"),
        area_id=check_text(data["area_id"], field="area_id"),
        problem_statement=data["problem_statement"],
        created_at=data["created_at"],
        state=_final_state(data["state"]),
        authority_resolution_id=data["authority_resolution_id"],
        scope_resolution_id=data["scope_resolution_id"],
        constraints=json_object(data["constraints"], field="the constraints of a session"),
        references=json_object(data["references"], field="the references of a session"),
        candidates=candidates,
        stances=stances,
        accepted=tuple(_items(outcome["accepted_candidate_ids"])),
        started_at=data["started_at"],
        closed_at=data["closed_at"],
    )
    if len(candidates) != len(data["candidates"]) or len(stances) != len(data["stances"]):
        raise InvalidInputError(f"session {session.session_id} has a candidate or a stance twice")
    if len(stances) > 1 and list(stances) != sorted(stances):
        raise InvalidInputError(f"the stances of session {session.session_id} must be sorted by actor and candidate")
    if not all(type(name) is str and name in candidates for name in session.accepted):
        raise InvalidInputError(f"session {session.session_id} accepted a candidate that it does not have")
    return session


def _final_state(value: object) -> SessionState:
    if type(value) is not str or value not in FINAL_STATES:
        raise InvalidInputError(
            f"a session that has ended is {' or '.join(sorted(FINAL_STATES))}, not {str(value)[:80]!r}"
        )
    return SessionState(value)


def _items(value: object) -> list[Any]:
    if type(value) is not list:
        raise InvalidInputError("the candidates of a session, its stances and what it accepted must be lists")
    return value


FORMS: Final[Mapping[str, Callable[[object], Any]]] = {
    Area.object_type: Area.from_content,
    AreaRetirement.object_type: AreaRetirement.from_content,
    "session": read_sealed_session,
    "candidate": read_candidate,
    "stance": read_stance,
    Resolution.object_type: Resolution.from_content,
    Transition.object_type: Transition.from_content,
    ImportRecord.object_type: ImportRecord.from_content,
    ImportReview.object_type: ImportReview.from_content,
    Rehash.object_type: Rehash.from_content,
}
"""Reads the content of each type of domain object; each raises InvalidInputError."""
