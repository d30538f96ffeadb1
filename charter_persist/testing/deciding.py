"""Short ways to decisions, for tests of what is built on the engine: an area that is initialised, a session, a decision.

Imports ``engine``. Source: GOV-3 to GOV-7.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from charter_persist.engine.acceptance import Acceptance
from charter_persist.engine.charter import Charter

CANDIDATE = "c"
"""The id of the one candidate of each session made here."""


def authority_content(rule: str, actors: Iterable[str], text: str = "Who decides.") -> dict[str, Any]:
    """The content of an AUTHORITY resolution."""
    return {"text": text, "rule": rule, "actors": sorted(actors)}


def initialise(charter: Charter, label: str, *, rule: str = "SOLE_ACTOR", actors: Iterable[str] = ("ana",)) -> str:
    """Make an area that decides by this rule; returns its id, which is its label."""
    area_id = charter.create_area(label=label, area_id=label).area_id
    govern(charter, area_id, rule=rule, actors=actors)
    return area_id


def govern(charter: Charter, area_id: str, *, rule: str = "SOLE_ACTOR", actors: Iterable[str] = ("ana",)) -> None:
    """Give a new area its first authority, which decides by this rule, and its first scope."""
    deciders = sorted(actors)
    first = {"participants": deciders, "actors": deciders}
    decide(charter, area_id, type="AUTHORITY", content=authority_content(rule, deciders), **first)
    decide(charter, area_id, type="SCOPE", content={"text": "What is decided here."}, **first)


def propose(
    charter: Charter,
    area_id: str,
    *,
    type: str = "GENERAL",
    content: dict[str, Any] | None = None,
    supersedes: Iterable[str] = (),
    transitions: dict[str, str] | None = None,
    **session: Any,
) -> str:
    """Start a session with one candidate; returns the id of the session, which is ACTIVE and without stances.

    Args:
        charter: the engine.
        area_id: of the area.
        type: what the candidate would become.
        content: of the candidate; some text by default, and none where there are only transitions.
        supersedes: what it would replace.
        transitions: the states that it would bring resolutions to.
        **session: as for `Charter.start_session`.
    """
    session_id = charter.start_session(area_id, problem_statement="What now?", type=type, **session).session_id
    if content is None and transitions is None:
        content = {"text": "This."}
    charter.add_candidate(
        session_id, content=content, supersedes=supersedes, transitions=transitions, candidate_id=CANDIDATE
    )
    charter.start(session_id)
    return session_id


def vote(
    charter: Charter, session_id: str, *actors: str, stance: str = "ACCEPT", candidate_id: str = CANDIDATE
) -> None:
    """Record the same stance for each of these actors."""
    for actor in actors:
        charter.record_stance(session_id, candidate_id=candidate_id, stance=stance, actor=actor)


def decide(charter: Charter, area_id: str, *, actors: Iterable[str] = ("ana",), **proposal: Any) -> Acceptance:
    """Hold a whole session in which these actors accept; arguments as for `propose`."""
    session_id = propose(charter, area_id, **proposal)
    vote(charter, session_id, *actors)
    return charter.accept(session_id)


def resolve(charter: Charter, area_id: str, text: str = "This.", **proposal: Any) -> str:
    """Decide something; returns the digest of the new resolution."""
    (digest,) = decide(charter, area_id, content={"text": text}, **proposal).resolutions
    return digest
