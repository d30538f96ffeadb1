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
from charter_persist.model.session import Candidate, Session, Stance, StanceKind
from charter_persist.model.shape import exact_fields, moment
from charter_persist.model.text import check_text

SESSION_FIELDS: Final = frozenset(Session("s", "a", "", "").to_json()) - {"version"}
CANDIDATE_FIELDS: Final = frozenset({"candidate_id", "content", "created_at", "rationale"})
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
    return Candidate(**data)


def read_stance(content: object) -> Stance:
    """Read the content of a stance.

    Raises:
        InvalidInputError: it is not the content of a stance.
    """
    data = exact_fields(content, STANCE_FIELDS, form="a stance")
    check_text(data["actor_id"], field="actor_id")
    check_text(data["candidate_id"], field="candidate_id")
    moment(data["recorded_at"])
    if type(data["type"]) is not str or data["type"] not in StanceKind.__members__:
        raise InvalidInputError(f"a stance is ACCEPT, REJECT or ABSTAIN, not {str(data['type'])[:80]!r}")
    return Stance(**{**data, "type": StanceKind(data["type"])})


def read_sealed_session(content: object) -> Session:
    """Read the content of a session that has ended.

    Raises:
        InvalidInputError: it is not the content of such a session.
    """
    data = exact_fields(content, SESSION_FIELDS, form="a session")
    for item in _items(data["candidates"]):
        read_candidate(item)
    for item in _items(data["stances"]):
        read_stance(item)
    check_text(data["session_id"], field="session_id")
    check_text(data["area_id"], field="area_id")
    try:
        session = Session.from_json({**data, "version": 0})
        faithful = {**session.to_json(), "candidates": data["candidates"]} == {**data, "version": 0}
        strangers = set(session.accepted) - session.candidates.keys()
    except (KeyError, TypeError, ValueError) as exc:
        raise InvalidInputError(f"that is not the content of a session: {exc}") from exc
    if not session.sealed or not faithful or len(session.candidates) != len(data["candidates"]):
        raise InvalidInputError(f"session {session.session_id} is not one that has ended, or contradicts itself")
    if strangers:
        raise InvalidInputError(f"session {session.session_id} accepted a candidate that it does not have")
    return session


def _items(value: object) -> list[Any]:
    if type(value) is not list:
        raise InvalidInputError("candidates and stances must be lists")
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
