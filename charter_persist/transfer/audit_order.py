"""Whether the audit events of a bundle can have been recorded in that order.

Order is a claim that no hash can prove. What can be checked is that it contradicts neither itself nor the objects: an
area is created before anything happens in it, a session goes the ways that sessions go and ends as its object says, and
what an event is about is there. Events of areas that the bundle does not hold are an application's own; they are only
remembered.

Cost: one state for each session and one text for each event. Imports ``index``, ``model``. Source: GOV-9, P41.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from charter_persist.index.lookups import Lookups
from charter_persist.model.area import GLOBAL
from charter_persist.model.finding import Finding
from charter_persist.model.records import AuditEvent
from charter_persist.model.session import FINAL_STATES, SessionState
from charter_persist.transfer.export import is_local

_S: Final = SessionState
SESSION_EVENTS: Final[Mapping[str, tuple[frozenset[SessionState | None], SessionState]]] = {
    "SESSION_CREATED": (frozenset({None}), _S.CREATED),
    "SESSION_STARTED": (frozenset({_S.CREATED}), _S.ACTIVE),
    "SESSION_PAUSED": (frozenset({_S.ACTIVE}), _S.PAUSED),
    "SESSION_RESUMED": (frozenset({_S.PAUSED}), _S.ACTIVE),
    "SESSION_BLOCKED": (frozenset({_S.ACTIVE, _S.PAUSED}), _S.BLOCKED),
    "SESSION_UNBLOCKED": (frozenset({_S.BLOCKED}), _S.PAUSED),
    "SESSION_ACCEPTED": (frozenset({_S.ACTIVE}), _S.ACCEPTED),
    "SESSION_CLOSED": (frozenset({_S.CREATED, _S.ACTIVE, _S.PAUSED}), _S.CLOSED),
}
"""For each event of a session the states that it may have been in, and the one that it is in then."""


class AuditOrder:
    """Events in the order of the bundle, taken one by one.

    Args:
        lookups: over the objects of the bundle.
        area_ids: the areas that the bundle holds.
        brought: digests of what its import records list: such a session ended elsewhere, and its events stayed there.

    Attributes:
        outside: ids of other areas that events are about.
    """

    def __init__(self, lookups: Lookups, area_ids: Collection[str], brought: Collection[str]) -> None:
        self._lookups = lookups
        self._area_ids = area_ids
        self._brought = brought
        self._ids: set[str] = set()
        self._begun: set[str] = set()
        self._sessions: dict[str, SessionState] = {}
        self._findings: list[Finding] = []
        self.outside: set[str] = set()

    def take(self, event: AuditEvent) -> None:
        """Take the next event."""
        if event.event_id in self._ids:
            self._find("DUPLICATE_EVENT", event, "another event has its id")
        self._ids.add(event.event_id)
        if is_local(event.event_type, event.scope):
            self._find("FOREIGN_EVENT", event, "it tells of what was done to another store; no export writes it")
        if event.scope == GLOBAL:
            self._take_global(event)
            return
        area_id = event.scope.partition(":")[2]
        if area_id in self._area_ids:
            self._begun.add(area_id)
            self._take_of_area(event)
        else:
            self.outside.add(area_id)

    def findings(self) -> list[Finding]:
        """What contradicts itself; complete when all events were taken."""
        found = list(self._findings)
        for session_id, state in self._sessions.items():
            sealed = self._lookups.session(session_id)
            ended = None if sealed is None or sealed.digest in self._brought else sealed.state
            if ended is not state if ended is not None else state in FINAL_STATES:
                why = f"its events end with {state}, its object says {ended}"
                found.append(Finding("FORGED_AUDIT_ORDER", f"session/{session_id}", why))
        return found

    def _take_global(self, event: AuditEvent) -> None:
        kind, area_id = event.subject
        if kind != "area":
            return
        if area_id not in self._area_ids:
            self.outside.add(area_id)
        elif event.event_type == "AREA_CREATED":
            if area_id in self._begun:
                self._find("FORGED_AUDIT_ORDER", event, f"something happened in area {area_id} before it was created")
            self._begun.add(area_id)

    def _take_of_area(self, event: AuditEvent) -> None:
        kind, subject = event.subject
        if kind == "session" and event.event_type.startswith("SESSION_"):
            self._step(event, subject)
        elif kind == "resolution" and self._lookups.resolution(subject) is None:
            self._find("DANGLING_EVENT", event, f"there is no resolution {subject} in the bundle")
        elif event.event_type == "RESOLUTION_ACCEPTED":
            session_id = event.context["session_id"]
            if session_id is None or self._sessions.get(session_id) is not SessionState.ACCEPTED:
                self._find("FORGED_AUDIT_ORDER", event, f"session {session_id} had not ended ACCEPTED by then")

    def _step(self, event: AuditEvent, session_id: str) -> None:
        """One change of the state of a session."""
        if event.event_type not in SESSION_EVENTS:
            return
        allowed, after = SESSION_EVENTS[event.event_type]
        before = self._sessions.get(session_id)
        if before not in allowed:
            self._find("FORGED_AUDIT_ORDER", event, f"session {session_id} was {before or 'not created'} by then")
        self._sessions[session_id] = after

    def _find(self, code: str, event: AuditEvent, why: str) -> None:
        self._findings.append(Finding(code, f"audit_event/{event.event_id}", f"{event.event_type}: {why}"))
