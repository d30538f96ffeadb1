"""The life of a resolution after its acceptance: explicit transitions, each naming the one before it.

SUPERSEDED is never written: it follows from an accepted successor. All else is a chain of transition objects, so order
comes from content and never from time; two transitions with the same predecessor are a fork, which is a finding.

Source: GOV-2, NEIGHBOURS 2.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from charter_persist.errors import InvalidTransitionError
from charter_persist.model.digest import Digest, parse_digest
from charter_persist.model.resolution import ResolutionState, ResolutionType, resolution_state
from charter_persist.model.shape import exact_fields, moment, optional_digest, optional_text
from charter_persist.model.text import check_text

_S: Final = ResolutionState
LIFECYCLE: Final[Mapping[ResolutionState, frozenset[ResolutionState]]] = {
    _S.ACTIVE: frozenset({_S.UNDER_REVIEW, _S.RETIRED}),
    _S.UNDER_REVIEW: frozenset({_S.ACTIVE, _S.RETIRED}),
    _S.RETIRED: frozenset(),
    _S.SUPERSEDED: frozenset(),
}
_REVIEW: Final = frozenset({_S.ACTIVE, _S.UNDER_REVIEW})
_BY_TYPE: Final[Mapping[ResolutionType, frozenset[ResolutionState]]] = {
    ResolutionType.GENERAL: frozenset({_S.ACTIVE, _S.UNDER_REVIEW, _S.RETIRED}),
    ResolutionType.SCOPE: _REVIEW,
    ResolutionType.AUTHORITY: frozenset(),
}
"""The states that a transition may bring a resolution of each type to: an area never loses its authority or scope."""


def check_transition(kind: ResolutionType, before: ResolutionState, after: ResolutionState) -> None:
    """Refuse a change of state that the lifecycle does not have.

    Args:
        kind: type of the resolution.
        before: its present state.
        after: the wanted one.

    Raises:
        InvalidTransitionError: the present state does not lead there, or no resolution of this type may.

    Spec: GOV-2
    """
    if after not in LIFECYCLE[before]:
        raise InvalidTransitionError(f"a resolution that is {before} cannot become {after}", rule="GOV-2")
    if after not in _BY_TYPE[kind]:
        raise InvalidTransitionError(f"a resolution of type {kind} cannot become {after}; supersede it", rule="GOV-7")


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of the state of a resolution.

    Attributes:
        resolution_id: digest of the resolution.
        area_id: of its area.
        before, after: the states, ``from`` and ``to`` in the object.
        occurred_at: RFC 3339 text, informational.
        session_id: of the session that decided it; None for a manual mark or clear of review.
        previous: digest of the transition before it; None for the first one.
    """

    object_type: ClassVar[str] = "transition"
    FIELDS: ClassVar[frozenset[str]] = frozenset(
        {"area_id", "from", "occurred_at", "previous", "resolution_id", "session_id", "to"}
    )

    resolution_id: Digest
    area_id: str
    before: ResolutionState
    after: ResolutionState
    occurred_at: str
    session_id: str | None
    previous: Digest | None

    def to_content(self) -> dict[str, Any]:
        """The content of the object."""
        return {
            "area_id": self.area_id,
            "from": str(self.before),
            "occurred_at": self.occurred_at,
            "previous": self.previous,
            "resolution_id": self.resolution_id,
            "session_id": self.session_id,
            "to": str(self.after),
        }

    @classmethod
    def from_content(cls, content: object) -> Transition:
        """Read the content of an object.

        Raises:
            InvalidInputError: it is not the content of a transition.
        """
        data = exact_fields(content, cls.FIELDS, form="a transition")
        return cls(
            resolution_id=parse_digest(data["resolution_id"]),
            area_id=check_text(data["area_id"], field="area_id"),
            before=resolution_state(data["from"]),
            after=resolution_state(data["to"]),
            occurred_at=moment(data["occurred_at"]),
            session_id=optional_text(data["session_id"], field="session_id"),
            previous=optional_digest(data["previous"]),
        )
