"""A deliberation: its states, what each allows, and the value that is logged after each change and sealed at the end.

Source: GOV-3, GOV-4, STO-3.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from charter_persist.errors import FrozenError, InvalidInputError, InvalidTransitionError, NotFoundError, SealedError
from charter_persist.model.text import check_text


class SessionState(StrEnum):
    """Where a session stands; ACCEPTED and CLOSED are final."""

    CREATED = "CREATED"
    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    BLOCKED = "BLOCKED"
    ACCEPTED = "ACCEPTED"
    CLOSED = "CLOSED"


class StanceKind(StrEnum):
    """What an actor says of a candidate."""

    ACCEPT = "ACCEPT"
    REJECT = "REJECT"
    ABSTAIN = "ABSTAIN"


_S: Final = SessionState
TRANSITIONS: Final[Mapping[SessionState, frozenset[SessionState]]] = {
    _S.CREATED: frozenset({_S.ACTIVE, _S.CLOSED}),
    _S.ACTIVE: frozenset({_S.PAUSED, _S.BLOCKED, _S.ACCEPTED, _S.CLOSED}),
    _S.PAUSED: frozenset({_S.ACTIVE, _S.BLOCKED, _S.CLOSED}),
    _S.BLOCKED: frozenset({_S.PAUSED}),
    _S.ACCEPTED: frozenset(),
    _S.CLOSED: frozenset(),
}
FINAL_STATES: Final = frozenset(state for state, following in TRANSITIONS.items() if not following)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that may be accepted.

    Attributes:
        candidate_id: unique in its session.
        content: any JSON value, such as ``{"text": "…"}``.
        rationale: why, or None.
        created_at: RFC 3339 text.
    """

    candidate_id: str
    content: Any
    rationale: str | None
    created_at: str

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return {
            "candidate_id": self.candidate_id,
            "content": self.content,
            "created_at": self.created_at,
            "rationale": self.rationale,
        }


@dataclass(frozen=True, slots=True)
class Stance:
    """What one actor says of one candidate; the newest one counts."""

    actor_id: str
    candidate_id: str
    type: StanceKind
    recorded_at: str

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return {
            "actor_id": self.actor_id,
            "candidate_id": self.candidate_id,
            "recorded_at": self.recorded_at,
            "type": str(self.type),
        }


@dataclass(frozen=True, slots=True)
class Session:
    """A deliberation after one change.

    Attributes:
        session_id, area_id: its identity and its area.
        problem_statement: what is to be decided.
        state: where it stands.
        version: 1 at creation, one more with each logged change.
        authority_resolution_id, scope_resolution_id: captured at creation, never changed.
        constraints, references: JSON objects, given at creation.
        candidates: by id, in the order they were added; frozen at the first stance.
        stances: by actor and candidate.
        accepted: ids of the accepted candidates, once it is ACCEPTED.
        created_at, started_at, closed_at: RFC 3339 texts or None.
    """

    session_id: str
    area_id: str
    problem_statement: str
    created_at: str
    state: SessionState = SessionState.CREATED
    version: int = 0
    authority_resolution_id: str | None = None
    scope_resolution_id: str | None = None
    constraints: Mapping[str, Any] = field(default_factory=dict)
    references: Mapping[str, Any] = field(default_factory=dict)
    candidates: Mapping[str, Candidate] = field(default_factory=dict)
    stances: Mapping[tuple[str, str], Stance] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()
    started_at: str | None = None
    closed_at: str | None = None

    @property
    def sealed(self) -> bool:
        """True when nothing may change any more."""
        return self.state in FINAL_STATES

    def moved_to(self, state: SessionState, at: str) -> Session:
        """The session in another state.

        Raises:
            SealedError: the session has ended.
            InvalidTransitionError: the present state does not lead there (GOV-3).
        """
        if self.sealed:
            raise SealedError(f"session {self.session_id} is {self.state} and sealed; start a new one")
        if state not in TRANSITIONS[self.state]:
            allowed = ", ".join(sorted(TRANSITIONS[self.state]))
            raise InvalidTransitionError(
                f"session {self.session_id} is {self.state}: it can become {allowed}, not {state}", rule="GOV-3"
            )
        started = at if state is SessionState.ACTIVE and self.started_at is None else self.started_at
        closed = at if state in FINAL_STATES else None
        return replace(self, state=state, started_at=started, closed_at=closed)

    def with_candidate(self, candidate: Candidate) -> Session:
        """The session with one candidate more.

        Raises:
            SealedError: the session has ended.
            InvalidTransitionError: it is neither CREATED nor ACTIVE.
            FrozenError: a stance was recorded already.
            InvalidInputError: it has a candidate of that id.
        """
        self._require("add a candidate", SessionState.CREATED, SessionState.ACTIVE)
        if self.stances:
            raise FrozenError(
                f"the candidates of session {self.session_id} are frozen by its first stance", rule="GOV-3"
            )
        check_text(candidate.candidate_id, field="candidate_id")
        if candidate.candidate_id in self.candidates:
            raise InvalidInputError(f"session {self.session_id} already has a candidate {candidate.candidate_id}")
        return replace(self, candidates={**self.candidates, candidate.candidate_id: candidate})

    def with_stance(self, stance: Stance) -> Session:
        """The session with a stance, which replaces an earlier one of the same actor on the same candidate.

        Raises:
            SealedError: the session has ended.
            InvalidTransitionError: it is not ACTIVE.
            NotFoundError: it has no such candidate.
        """
        self._require("record a stance", SessionState.ACTIVE)
        check_text(stance.actor_id, field="actor_id")
        if stance.candidate_id not in self.candidates:
            raise NotFoundError(f"session {self.session_id} has no candidate {stance.candidate_id}")
        return replace(self, stances={**self.stances, (stance.actor_id, stance.candidate_id): stance})

    def with_outcome(self, state: SessionState, accepted: tuple[str, ...], at: str) -> Session:
        """The session at its end.

        Raises:
            InvalidInputError: the state is not a final one, or something is accepted in a CLOSED session.
            NotFoundError: an accepted candidate is not in the session.
        """
        if state not in FINAL_STATES:
            raise InvalidInputError(f"a session ends ACCEPTED or CLOSED, not {state}")
        if accepted and state is not SessionState.ACCEPTED:
            raise InvalidInputError("a session that is CLOSED accepts nothing")
        for candidate_id in accepted:
            if candidate_id not in self.candidates:
                raise NotFoundError(f"session {self.session_id} has no candidate {candidate_id}")
        return replace(self.moved_to(state, at), accepted=accepted)

    def _require(self, what: str, *states: SessionState) -> None:
        if self.sealed:
            raise SealedError(f"session {self.session_id} is {self.state} and sealed; start a new one")
        if self.state not in states:
            wanted = " or ".join(states)
            raise InvalidTransitionError(
                f"cannot {what}: session {self.session_id} is {self.state}, it must be {wanted}", rule="GOV-3"
            )

    def to_json(self) -> dict[str, Any]:
        """All fields; candidates in their order, stances sorted by actor and candidate."""
        return {
            "session_id": self.session_id,
            "area_id": self.area_id,
            "problem_statement": self.problem_statement,
            "state": str(self.state),
            "version": self.version,
            "authority_resolution_id": self.authority_resolution_id,
            "scope_resolution_id": self.scope_resolution_id,
            "constraints": dict(self.constraints),
            "references": dict(self.references),
            "candidates": [candidate.to_json() for candidate in self.candidates.values()],
            "stances": [self.stances[key].to_json() for key in sorted(self.stances)],
            "outcome": {"accepted_candidate_ids": list(self.accepted)},
            "created_at": self.created_at,
            "started_at": self.started_at,
            "closed_at": self.closed_at,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Session:
        """Read back what `to_json` gave."""
        candidates = [Candidate(**item) for item in data["candidates"]]
        stances = [Stance(**{**item, "type": StanceKind(item["type"])}) for item in data["stances"]]
        same = ("session_id", "area_id", "problem_statement", "version", "authority_resolution_id")
        rest = ("scope_resolution_id", "constraints", "references", "created_at", "started_at", "closed_at")
        return cls(
            **{name: data[name] for name in same + rest},
            state=SessionState(data["state"]),
            candidates={candidate.candidate_id: candidate for candidate in candidates},
            stances={(stance.actor_id, stance.candidate_id): stance for stance in stances},
            accepted=tuple(data["outcome"]["accepted_candidate_ids"]),
        )
