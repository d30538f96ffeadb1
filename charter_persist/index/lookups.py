"""What can be asked about decisions, however it is answered: from an index in memory, or by reading the objects.

Every answer follows from the objects of one revision alone. Lists are sorted, so two ways to answer can be compared.

Imports the model only. Source: ENG-IDX, GOV-13, IDX-2 and IDX-13.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from charter_persist.model.digest import Digest
from charter_persist.model.finding import Finding
from charter_persist.model.resolution import ResolutionState, ResolutionType
from charter_persist.model.session import SessionState


@dataclass(frozen=True, slots=True)
class AreaEntry:
    """What is known of an area without reading its object.

    Attributes:
        area_id: its identity.
        label: its short name.
        digest: of its object.
        retired: True where no session may be started in it any more.
    """

    area_id: str
    label: str
    digest: Digest
    retired: bool


@dataclass(frozen=True, slots=True)
class ResolutionEntry:
    """What is known of a resolution without reading its object.

    Attributes:
        digest: of its object: its identity. After a rehash still the first one.
        area_id: of its area.
        session_id: of the session that accepted it.
        type: what it is about.
        state: where it stands.
        imported: True where a consolidation brought it, so that it has no force here.
    """

    digest: Digest
    area_id: str
    session_id: str
    type: ResolutionType
    state: ResolutionState
    imported: bool


@dataclass(frozen=True, slots=True)
class SealedSession:
    """A session that has ended, as its object says.

    Attributes:
        session_id: its identity.
        area_id: of its area.
        state: ACCEPTED or CLOSED.
        digest: of its object.
    """

    session_id: str
    area_id: str
    state: SessionState
    digest: Digest


class Lookups(Protocol):
    """Questions about decisions, answered as of one journal position."""

    @property
    def position(self) -> int:
        """The last journal position that the answers know of."""
        ...

    def areas(self) -> Sequence[AreaEntry]:
        """Every area, by its id."""
        ...

    def area(self, area_id: str) -> AreaEntry | None:
        """The area of that id, or None."""
        ...

    def area_labelled(self, label: str) -> AreaEntry | None:
        """The area of that label, or None."""
        ...

    def resolution(self, resolution_id: str) -> ResolutionEntry | None:
        """The resolution of that digest, or of the digest it was given by a rehash; None where there is none."""
        ...

    def resolutions(self, area_id: str) -> Sequence[Digest]:
        """Every resolution of an area (IDX-6), sorted."""
        ...

    def in_state(self, area_id: str, state: ResolutionState, kind: ResolutionType | None = None) -> Sequence[Digest]:
        """The resolutions of an area in one state (IDX-4), of one type where that is given, sorted."""
        ...

    def supersedes(self, resolution_id: str) -> Sequence[Digest]:
        """What a resolution replaces (IDX-5), sorted."""
        ...

    def superseded_by(self, resolution_id: str) -> Sequence[Digest]:
        """What replaces a resolution (IDX-5), sorted; those that a consolidation brought are among them."""
        ...

    def last_transition(self, resolution_id: str) -> Digest | None:
        """The newest transition of a resolution; the next one names it. None where there is none."""
        ...

    def session(self, session_id: str) -> SealedSession | None:
        """The session of that id if it has ended, or None."""
        ...

    def outcome(self, session_id: str) -> Sequence[Digest]:
        """The resolutions that a session accepted (IDX-7), sorted."""
        ...

    def import_ids(self) -> Sequence[str]:
        """The id of every import that is in force, sorted."""
        ...

    def imported(self, import_id: str) -> Sequence[Digest]:
        """The resolutions that an import brought and that were not reviewed yet, sorted."""
        ...

    def findings(self) -> Sequence[Finding]:
        """What contradicts itself in the objects; empty where all is well."""
        ...
