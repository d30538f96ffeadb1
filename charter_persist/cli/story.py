"""Audit events as sentences. An event that has no sentence, or is not of the form it has, is told by its type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from charter_persist.model.records import AuditEvent

SHORT: Final = 12
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_SENTENCES: Final[Mapping[str, str]] = {
    "AREA_CREATED": "created the area {label}",
    "AREA_RETIRED": "retired the area",
    "SESSION_CREATED": "started session {subject} ({resolution_type}): {problem_statement}",
    "SESSION_STARTED": "activated session {subject}",
    "SESSION_PAUSED": "paused session {subject}",
    "SESSION_RESUMED": "resumed session {subject}",
    "SESSION_BLOCKED": "session {subject} was blocked: {reason}",
    "SESSION_UNBLOCKED": "unblocked session {subject}, which is PAUSED",
    "SESSION_ACCEPTED": "accepted {accepted_candidate_ids}; session {subject} is ACCEPTED",
    "SESSION_CLOSED": "closed session {subject} without effect",
    "CANDIDATE_ADDED": "added candidate {candidate_id} to session {subject}",
    "FIRST_STANCE_RECORDED": "said {to} of {candidate_id}, the first stance",
    "STANCE_RECORDED": "said {to} of {candidate_id}",
    "STANCE_CHANGED": "said {to} of {candidate_id} instead of {from}",
    "RESOLUTION_ACCEPTED": "{type} resolution {subject} took force",
    "RESOLUTION_SUPERSEDED": "resolution {subject} was superseded by {superseded_by}",
    "RESOLUTION_UNDER_REVIEW": "resolution {subject} came under review",
    "RESOLUTION_REVIEW_CLEARED": "resolution {subject} is ACTIVE again",
    "RESOLUTION_RETIRED": "resolution {subject} was retired",
    "AUTHORITY_CHANGED": "the authority of the area is {to} from now on",
    "SCOPE_CHANGED": "the scope of the area is {to} from now on",
    "REF_CREATED": "ref {subject} points to {to}",
    "REF_UPDATED": "ref {subject} points to {to} instead of {from}",
    "REF_DELETED": "ref {subject} was deleted",
    "IMPORT_REVIEW_COMPLETED": "resolution {subject} of import {import_id} was reviewed: {outcome}",
    "IMPORT_RESOLUTION_CONSOLIDATED": "resolution {local_resolution_id} stands here in the place of {subject}",
    "REVIEW_CLOSED": "closed the review of import {subject}",
    "STATUS_CHANGED": "{subject} became {to}",
    "SUPERSESSION_NOT_APPLIED": "{subject} does not supersede {target}: {rule} ({requirement})",
}


def sentence(event: AuditEvent) -> str:
    """What happened, without when and by whom; digests are shortened."""
    details = event.details if isinstance(event.details, dict) else {}
    facts = {**{name: _told(value) for name, value in details.items()}, "subject": _told(event.subject[1])}
    try:
        # The templates are those above; what comes from a store is only ever filled in.
        return _SENTENCES[event.event_type].format_map(facts)
    except KeyError:
        return f"{event.event_type} {event.subject[0]} {facts['subject']}"


def short(digest: str) -> str:
    """The beginning of a digest: enough for people, and for most stores enough to find it by."""
    return digest[:SHORT]


def _told(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_told, value))
    text = "nothing" if value is None else str(value)
    return _DIGEST.sub(lambda found: short(found[0]), text)
