"""A resolution, and what a candidate proposes to become one.

The identity of a resolution is the digest of its object, so it cannot be changed, and what it supersedes had to exist
before it. Its state and its successors are no part of it: they follow from other objects.

Source: GOV-1, GOV-2, NEIGHBOURS 2.5 and 2.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Final

from charter_persist.errors import InvalidInputError
from charter_persist.model.digest import Digest, parse_digest
from charter_persist.model.shape import (
    content_with_text,
    digests,
    exact_fields,
    json_object,
    moment,
    names,
    optional_digest,
)
from charter_persist.model.text import check_text


class ResolutionType(StrEnum):
    """What a resolution is about; the authority and the scope of an area are resolutions themselves."""

    GENERAL = "GENERAL"
    AUTHORITY = "AUTHORITY"
    SCOPE = "SCOPE"


class ResolutionState(StrEnum):
    """Where a resolution stands; derived, never stored in it."""

    ACTIVE = "ACTIVE"
    UNDER_REVIEW = "UNDER_REVIEW"
    SUPERSEDED = "SUPERSEDED"
    RETIRED = "RETIRED"


_TYPES: Final = dict(ResolutionType.__members__)
_STATES: Final = dict(ResolutionState.__members__)


def resolution_type(value: object) -> ResolutionType:
    """Read a type.

    Raises:
        InvalidInputError: there is no such type.
    """
    if type(value) not in (str, ResolutionType) or value not in _TYPES:
        raise InvalidInputError(f"a resolution is of type {', '.join(ResolutionType)}, not {str(value)[:80]!r}")
    return _TYPES[str(value)]


def resolution_state(value: object) -> ResolutionState:
    """Read a state.

    Raises:
        InvalidInputError: there is no such state.
    """
    if type(value) not in (str, ResolutionState) or value not in _STATES:
        raise InvalidInputError(f"a resolution is {', '.join(ResolutionState)}, not {str(value)[:80]!r}")
    return _STATES[str(value)]


@dataclass(frozen=True, slots=True)
class Context:
    """What was in force, and what was looked at, when a resolution was accepted.

    Attributes:
        authority_resolution_id: the authority that its session captured; None for the first one of an area.
        scope_resolution_id: the scope that its session captured; None while the area had none.
        referenced_area_ids: other areas, sorted.
        referenced_resolution_ids: other resolutions, sorted.
    """

    FIELDS: ClassVar[frozenset[str]] = frozenset(
        {"authority_resolution_id", "scope_resolution_id", "referenced_area_ids", "referenced_resolution_ids"}
    )

    authority_resolution_id: Digest | None = None
    scope_resolution_id: Digest | None = None
    referenced_area_ids: tuple[str, ...] = ()
    referenced_resolution_ids: tuple[Digest, ...] = ()

    def to_content(self) -> dict[str, Any]:
        """As it stands in a resolution."""
        return {
            "authority_resolution_id": self.authority_resolution_id,
            "scope_resolution_id": self.scope_resolution_id,
            "referenced_area_ids": list(self.referenced_area_ids),
            "referenced_resolution_ids": list(self.referenced_resolution_ids),
        }

    @classmethod
    def from_content(cls, content: object) -> Context:
        """Read it back.

        Raises:
            InvalidInputError: it is not a context.
        """
        data = exact_fields(content, cls.FIELDS, form="the context of a resolution")
        return cls(
            optional_digest(data["authority_resolution_id"]),
            optional_digest(data["scope_resolution_id"]),
            names(data["referenced_area_ids"], field="referenced_area_ids"),
            digests(data["referenced_resolution_ids"], field="referenced_resolution_ids"),
        )


@dataclass(frozen=True, slots=True)
class Resolution:
    """A decision as it was accepted.

    Attributes:
        area_id: of the area that it belongs to.
        type: what it is about.
        content: a JSON object with ``text``; an AUTHORITY also has ``rule`` and ``actors``.
        accepted_at: RFC 3339 text, informational; order never comes from it.
        accepted_in_session: id of the session that accepted it.
        session_digest: of the object that this session was sealed to.
        candidate_id: of the candidate in that session which it was.
        context: what was in force.
        supersedes: digests of the resolutions that it replaces, sorted.
    """

    object_type: ClassVar[str] = "resolution"
    FIELDS: ClassVar[frozenset[str]] = frozenset(
        {
            "accepted_at",
            "accepted_in_session",
            "area_id",
            "candidate_id",
            "content",
            "context",
            "session_digest",
            "supersedes",
            "type",
        }
    )

    area_id: str
    type: ResolutionType
    content: Mapping[str, Any]
    accepted_at: str
    accepted_in_session: str
    session_digest: Digest
    candidate_id: str
    context: Context = field(default_factory=Context)
    supersedes: tuple[Digest, ...] = ()

    def to_content(self) -> dict[str, Any]:
        """The content of the object."""
        return {
            "accepted_at": self.accepted_at,
            "accepted_in_session": self.accepted_in_session,
            "area_id": self.area_id,
            "candidate_id": self.candidate_id,
            "content": dict(self.content),
            "context": self.context.to_content(),
            "session_digest": self.session_digest,
            "supersedes": list(self.supersedes),
            "type": str(self.type),
        }

    @classmethod
    def from_content(cls, content: object) -> Resolution:
        """Read the content of an object.

        Raises:
            InvalidInputError: it is not the content of a resolution.
        """
        data = exact_fields(content, cls.FIELDS, form="a resolution")
        return cls(
            area_id=check_text(data["area_id"], field="area_id"),
            type=resolution_type(data["type"]),
            content=content_with_text(data["content"], field="the content of a resolution"),
            accepted_at=moment(data["accepted_at"]),
            accepted_in_session=check_text(data["accepted_in_session"], field="accepted_in_session"),
            session_digest=parse_digest(data["session_digest"]),
            candidate_id=check_text(data["candidate_id"], field="candidate_id"),
            context=Context.from_content(data["context"]),
            supersedes=digests(data["supersedes"], field="supersedes"),
        )


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a candidate stands for: the content of a `Candidate` in a session of the engine.

    Attributes:
        content: of the resolution that it becomes; None where it only changes the state of others.
        supersedes: digests of the resolutions that it would replace, sorted.
        transitions: the states that it would bring other resolutions to, by digest.
    """

    FIELDS: ClassVar[frozenset[str]] = frozenset({"content", "supersedes", "transitions"})

    content: Mapping[str, Any] | None
    supersedes: tuple[Digest, ...] = ()
    transitions: Mapping[Digest, ResolutionState] = field(default_factory=dict)

    def to_content(self) -> dict[str, Any]:
        """The content of the candidate."""
        return {
            "content": None if self.content is None else dict(self.content),
            "supersedes": list(self.supersedes),
            "transitions": {name: str(state) for name, state in self.transitions.items()},
        }

    @classmethod
    def from_content(cls, content: object) -> Proposal:
        """Read the content of a candidate.

        Raises:
            InvalidInputError: it is not a proposal, or one that proposes nothing.
        """
        data = exact_fields(content, cls.FIELDS, form="a proposal")
        changes = json_object(data["transitions"], field="transitions")
        proposal = cls(
            content=None if data["content"] is None else content_with_text(data["content"], field="content"),
            supersedes=digests(data["supersedes"], field="supersedes"),
            transitions={parse_digest(name): resolution_state(state) for name, state in sorted(changes.items())},
        )
        if proposal.content is None and (proposal.supersedes or not proposal.transitions):
            raise InvalidInputError(
                "a candidate without content becomes no resolution; it must change the state of one"
            )
        return proposal
