"""What the audit log alone tells: the state of every area, session, resolution and ref, from nothing but events.

Each event must fit what the ones before it told; so a fact that was recorded twice, or not at all, shows. Imports the
model. Source: GOV-8, GOV-9.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from charter_persist.model.records import AuditEvent

MOVES: Final = {
    "SESSION_STARTED": ("CREATED", "ACTIVE"),
    "SESSION_PAUSED": ("ACTIVE", "PAUSED"),
    "SESSION_RESUMED": ("PAUSED", "ACTIVE"),
    "SESSION_UNBLOCKED": ("BLOCKED", "PAUSED"),
}
"""Events of a session that lead from one state to another; those that begin in several are spelled out below."""

CHANGES: Final = {
    "RESOLUTION_UNDER_REVIEW": ("ACTIVE", "UNDER_REVIEW"),
    "RESOLUTION_REVIEW_CLEARED": ("UNDER_REVIEW", "ACTIVE"),
}


class AuditReplay:
    """What the events so far say.

    Attributes:
        areas: by id, True where retired.
        sessions: states by id.
        candidates: ids of the candidates by session.
        stances: what was said, by session, actor and candidate.
        resolutions: states by digest.
        refs: digests by name.
    """

    def __init__(self) -> None:
        self.position = 0
        self.areas: dict[str, bool] = {}
        self.sessions: dict[str, str] = {}
        self.candidates: dict[str, list[str]] = {}
        self.stances: dict[tuple[str, str, str], str] = {}
        self.resolutions: dict[str, str] = {}
        self.refs: dict[str, str] = {}

    def follow(self, events: Iterable[AuditEvent]) -> None:
        """Take events in, in their order."""
        for event in events:
            assert event.position > self.position
            self.position = event.position
            self._take(event)

    def _take(self, event: AuditEvent) -> None:
        kind, subject = event.event_type, event.subject[1]
        if kind.startswith("AREA_"):
            assert event.scope == "GLOBAL"
            assert self.areas.get(subject) is (None if kind == "AREA_CREATED" else False)
            self.areas[subject] = kind == "AREA_RETIRED"
            return
        assert event.scope.removeprefix("AREA:") in self.areas
        take: Callable[[AuditEvent, str], None] = {
            "session": self._session,
            "resolution": self._resolution,
            "ref": self._ref,
            "area": self._governed,
        }[event.subject[0]]
        take(event, subject)

    def _session(self, event: AuditEvent, session_id: str) -> None:
        kind, details = event.event_type, event.details
        before = self.sessions.get(session_id)
        if kind == "SESSION_CREATED":
            assert before is None
            self.sessions[session_id] = "CREATED"
            self.candidates[session_id] = []
        elif kind == "CANDIDATE_ADDED":
            assert before in ("CREATED", "ACTIVE")
            assert not self._said(session_id)
            assert details["candidate_id"] not in self.candidates[session_id]
            self.candidates[session_id].append(details["candidate_id"])
        elif "STANCE" in kind:
            self._stance(event, session_id)
        elif kind == "SESSION_ACCEPTED":
            assert before == "ACTIVE"
            self.sessions[session_id] = "ACCEPTED"
        else:
            expected = {"SESSION_BLOCKED": ("ACTIVE", "PAUSED"), "SESSION_CLOSED": ("CREATED", "ACTIVE", "PAUSED")}
            assert before in expected.get(kind, MOVES.get(kind, ())[:1]), (kind, before)
            assert details["from"] == before
            self.sessions[session_id] = details["to"]

    def _stance(self, event: AuditEvent, session_id: str) -> None:
        assert self.sessions[session_id] == "ACTIVE"
        assert event.actor is not None
        key = (session_id, event.actor, event.details["candidate_id"])
        first = "FIRST_STANCE_RECORDED"
        expected = "STANCE_CHANGED" if key in self.stances else "STANCE_RECORDED" if self._said(session_id) else first
        assert (event.event_type, event.details["from"]) == (expected, self.stances.get(key))
        self.stances[key] = event.details["to"]

    def _said(self, session_id: str) -> bool:
        return any(of == session_id for of, _, _ in self.stances)

    def _resolution(self, event: AuditEvent, digest: str) -> None:
        before, kind = self.resolutions.get(digest), event.event_type
        if kind == "RESOLUTION_ACCEPTED":
            assert before is None
            after = "ACTIVE"
        elif kind == "RESOLUTION_SUPERSEDED":
            assert before == "ACTIVE"
            after = "SUPERSEDED"
        elif kind == "RESOLUTION_RETIRED":
            assert before in ("ACTIVE", "UNDER_REVIEW")
            after = "RETIRED"
        else:
            expected, after = CHANGES[kind]
            assert before == expected
        self.resolutions[digest] = after

    def _ref(self, event: AuditEvent, name: str) -> None:
        details = event.details
        assert self.refs.get(name) == details["from"]
        if event.event_type == "REF_DELETED":
            del self.refs[name]
            return
        assert event.event_type == ("REF_CREATED" if details["from"] is None else "REF_UPDATED")
        self.refs[name] = details["to"]

    def _governed(self, event: AuditEvent, area_id: str) -> None:
        """The ref had its own event just before."""
        part: Any = {"AUTHORITY_CHANGED": "authority", "SCOPE_CHANGED": "scope"}[event.event_type]
        assert self.refs[f"area/{area_id}/{part}"] == event.details["to"]
