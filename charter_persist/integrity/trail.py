"""The audit trail against what happened: events in the scope they belong to, and an event for each decision.

Events are looked at as they stream by. Memory: the scopes that occur, and the resolutions whose event has not been seen
yet, which in a store of the engine are those of one unit. Events of an application's own types are its own affair.

Imports ``index``, ``backends.contract`` and ``model``. Source: GOV-9, GOV-11, NEIGHBOURS 2.3.
"""

from __future__ import annotations

from typing import Final

from charter_persist.backends.contract import AuditRow
from charter_persist.index.lookups import Lookups
from charter_persist.integrity.collected import Findings
from charter_persist.model.area import GLOBAL, area_scope
from charter_persist.model.digest import Digest

GLOBAL_EVENTS: Final = frozenset(
    {
        *("AREA_CREATED", "AREA_DELETED", "AREA_RETIRED", "FSCK_EXECUTED"),
        *("IMPORT_STARTED", "IMPORT_CLOSED", "IMPORT_ACCEPTED", "IMPORT_REJECTED", "IMPORT_CONSOLIDATED"),
        *("IMPORT_RESOLUTION_CONSOLIDATED", "REVIEW_CLOSED"),
    }
)
AREA_EVENTS: Final = frozenset(
    {
        *("SESSION_CREATED", "SESSION_STARTED", "SESSION_PAUSED", "SESSION_RESUMED", "SESSION_BLOCKED"),
        *("SESSION_UNBLOCKED", "SESSION_ACCEPTED", "SESSION_CLOSED"),
        *("CANDIDATE_ADDED", "FIRST_STANCE_RECORDED", "STANCE_RECORDED", "STANCE_CHANGED"),
        *("RESOLUTION_ACCEPTED", "RESOLUTION_SUPERSEDED", "RESOLUTION_RETIRED", "RESOLUTION_UNDER_REVIEW"),
        *("RESOLUTION_REVIEW_CLEARED", "RESOLUTION_IMPORTED_UNDER_REVIEW", "IMPORT_REVIEW_COMPLETED"),
        *("AUTHORITY_CHANGED", "SCOPE_CHANGED"),
    }
)
"""Events of an area; those of refs and of a rehash may stand in either scope."""

_CONSOLIDATION: Final = "IMPORT_CONSOLIDATED"
_ACCEPTED: Final = "RESOLUTION_ACCEPTED"


class Trail:
    """What the events say so far."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._created: set[str] = set()
        self._scopes: dict[str, int] = {}  # of events of governance, with the position of the first
        self._consolidated = False
        self._waiting: dict[str, str] = {}  # resolutions without an event yet, with their area
        self._early: dict[str, str] = {}  # events without a resolution yet, with their scope

    def event(self, row: AuditRow) -> None:
        """Take in one event."""
        if row.event_type in GLOBAL_EVENTS:
            if row.scope != GLOBAL:
                self._misplaced(row, GLOBAL)
            elif row.event_type == "AREA_CREATED":
                self._created.add(row.subject_id)
            elif row.event_type == _CONSOLIDATION:
                self._consolidated = True
        elif row.event_type in AREA_EVENTS:
            if row.scope == GLOBAL:
                self._misplaced(row, "the scope of its area")
                return
            self._scopes.setdefault(row.scope, row.position)
            if row.event_type == _ACCEPTED:
                self._accepted(row)

    def resolution(self, digest: Digest, area_id: str) -> None:
        """Take in one resolution, which needs an event."""
        scope = self._early.pop(digest, None)
        if scope is None:
            self._waiting[digest] = area_id
        elif scope != area_scope(area_id):
            self._elsewhere(digest, area_id)

    def _accepted(self, row: AuditRow) -> None:
        area_id = self._waiting.pop(row.subject_id, None)
        if area_id is None:
            self._early[row.subject_id] = row.scope
        elif row.scope != area_scope(area_id):
            self._elsewhere(row.subject_id, area_id)

    def finish(self, lookups: Lookups) -> None:
        """Report what the whole of events and objects shows.

        Args:
            lookups: of all objects.
        """
        areas = {area_scope(area.area_id): area.area_id for area in lookups.areas()}
        for scope, position in self._scopes.items():
            if scope not in areas:
                self._findings.add(
                    "AUDIT_SCOPE_VIOLATION", f"audit_event/{position}", f"there is no area of the scope {scope}"
                )
        # A consolidation brings an area with the events of its own scope alone.
        for scope, area_id in areas.items() if not self._consolidated else ():
            if scope in self._scopes and area_id not in self._created:
                self._findings.add("AUDIT_MISSING", f"area/{area_id}", "no event AREA_CREATED tells of the area")
        for digest, area_id in self._waiting.items():
            entry = lookups.resolution(digest)
            if entry is not None and entry.digest == digest and not entry.imported and area_id in self._created:
                self._findings.add("AUDIT_MISSING", f"object/{digest}", "no event tells of its acceptance")

    def _misplaced(self, row: AuditRow, where: str) -> None:
        self._findings.add(
            "AUDIT_SCOPE_VIOLATION",
            f"audit_event/{row.position}",
            f"{row.event_type} belongs to {where}, not to {row.scope}",
        )

    def _elsewhere(self, digest: str, area_id: str) -> None:
        self._findings.add(
            "AUDIT_SCOPE_VIOLATION", f"object/{digest}", f"the event of its acceptance is not in the scope of {area_id}"
        )
