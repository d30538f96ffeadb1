"""One verb of the engine: a unit of work, what is known under its lock, and the audit of what it does.

A verb takes the writer lock first. Only then is it asked what is in force, so nothing it was told can change before
its commit. Imports ``index``, ``unit_of_work`` and below. Source: DESIGN 5, GOV-9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from charter_persist.errors import IntegrityError, NotFoundError, RuleError, SealedError
from charter_persist.index.lookups import AreaEntry, Lookups, ResolutionEntry
from charter_persist.model.area import GLOBAL, area_scope
from charter_persist.model.digest import Digest
from charter_persist.model.resolution import ResolutionState, ResolutionType
from charter_persist.model.session import Session
from charter_persist.model.time import format_micros
from charter_persist.unit_of_work import UnitOfWork

STANDING = (ResolutionState.ACTIVE, ResolutionState.UNDER_REVIEW)


@dataclass(frozen=True, slots=True)
class Work:
    """What a verb works with.

    Attributes:
        uow: the unit of work.
        lookups: what was in force when the unit took the writer lock.
        actor: who does it, or None; informational.
    """

    uow: UnitOfWork
    lookups: Lookups
    actor: str | None

    @property
    def now(self) -> str:
        """The time of the unit, RFC 3339."""
        return format_micros(self.uow.now)

    def area(self, area_id: str) -> AreaEntry:
        """The area of that id.

        Raises:
            NotFoundError: there is none.
        """
        return known_area(self.lookups, area_id)

    def resolution(self, resolution_id: str) -> ResolutionEntry:
        """The resolution of that digest.

        Raises:
            NotFoundError: there is none.
        """
        return known_resolution(self.lookups, resolution_id)

    def session(self, session_id: str) -> Session:
        """The session of that id, as this unit has it.

        Raises:
            NotFoundError: there is none.
            SealedError: it came with a bundle and has ended.
        """
        session = self.uow.sessions.get(session_id)
        if session is None:
            sealed = self.lookups.session(session_id)
            if sealed is not None:
                raise SealedError(f"session {session_id} is {sealed.state} and sealed; start a new one")
            raise NotFoundError(f"there is no session {session_id}", session_id=session_id)
        return session

    def audit_area(
        self, event_type: str, area_id: str, subject: tuple[str, str], details: Any, session: Session | None = None
    ) -> None:
        """Append an event to the scope of an area, in the context of a session where there is one."""
        context = None
        if session is not None:
            context = {
                "authority_resolution_id": session.authority_resolution_id,
                "scope_resolution_id": session.scope_resolution_id,
                "session_id": session.session_id,
            }
        self.uow.audit.append(
            event_type, scope=area_scope(area_id), subject=subject, actor=self.actor, details=details, context=context
        )

    def audit_global(self, event_type: str, subject: tuple[str, str], details: Any) -> None:
        """Append an event to the scope that outlives every area."""
        self.uow.audit.append(event_type, scope=GLOBAL, subject=subject, actor=self.actor, details=details)


def known_area(lookups: Lookups, area_id: str) -> AreaEntry:
    """The area of that id.

    Raises:
        NotFoundError: there is none.
    """
    area = lookups.area(area_id)
    if area is None:
        raise NotFoundError(f"there is no area {area_id}", area_id=area_id)
    return area


def known_resolution(lookups: Lookups, resolution_id: str) -> ResolutionEntry:
    """The resolution of that digest.

    Raises:
        NotFoundError: there is none.
    """
    resolution = lookups.resolution(resolution_id)
    if resolution is None:
        raise NotFoundError(f"there is no resolution {resolution_id}", resolution_id=resolution_id)
    return resolution


def standing(lookups: Lookups, area_id: str, kind: ResolutionType) -> ResolutionEntry | None:
    """The authority or scope that an area has, in force or under review; None where it has none yet.

    It follows from the objects; refs have no say in it (ENG-REF, IDX-8).

    Raises:
        IntegrityError: the area has several.
    """
    found = [
        entry
        for state in STANDING
        for entry in map(lookups.resolution, lookups.in_state(area_id, state, kind))
        if entry is not None and not entry.imported
    ]
    if len(found) > 1:
        raise IntegrityError(f"area {area_id} has {len(found)} resolutions of type {kind} in force; run `charter fsck`")
    return found[0] if found else None


def require_in_force(lookups: Lookups, session: Session) -> None:
    """Refuse to go on with a session whose authority or scope is not what it captured.

    Raises:
        RuleError: it was superseded, or is under review.

    Spec: GOV-7
    """
    captured = {
        ResolutionType.AUTHORITY: session.authority_resolution_id,
        ResolutionType.SCOPE: session.scope_resolution_id,
    }
    for kind, resolution_id in captured.items():
        now = standing(lookups, session.area_id, kind)
        if (None if now is None else now.digest) != canonical(lookups, resolution_id):
            raise RuleError(
                f"the {kind} that session {session.session_id} captured is not in force any more; "
                "close it and start a new one",
                rule="GOV-7",
            )


def canonical(lookups: Lookups, resolution_id: str | None) -> Digest | None:
    """The first digest of a resolution that may since have been given another by a rehash."""
    entry = None if resolution_id is None else lookups.resolution(resolution_id)
    return None if entry is None else entry.digest
