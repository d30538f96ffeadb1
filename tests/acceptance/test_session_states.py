"""Each state of a session with each verb: what is allowed leads where the table says, what is not changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from charter_persist.engine.charter import Charter
from charter_persist.errors import CharterError, InvalidTransitionError, SealedError
from charter_persist.model.session import FINAL_STATES, TRANSITIONS, SessionState
from charter_persist.store import Store
from charter_persist.testing import Place, nothing_written, refused
from charter_persist.testing.deciding import CANDIDATE, vote

STATES = ("CREATED", "ACTIVE", "PAUSED", "BLOCKED", "ACCEPTED", "CLOSED")

VERBS: dict[str, tuple[Callable[[Charter, str], Any], str]] = {
    "start": (lambda charter, s: charter.start(s), "SESSION_STARTED"),
    "add_candidate": (lambda charter, s: charter.add_candidate(s, content={"text": "x"}), "CANDIDATE_ADDED"),
    "record_stance": (lambda charter, s: vote(charter, s, "ana"), "FIRST_STANCE_RECORDED"),
    "pause": (lambda charter, s: charter.pause(s), "SESSION_PAUSED"),
    "resume": (lambda charter, s: charter.resume(s), "SESSION_RESUMED"),
    "block": (lambda charter, s: charter.block(s, reason="why"), "SESSION_BLOCKED"),
    "unblock": (lambda charter, s: charter.unblock(s), "SESSION_UNBLOCKED"),
    "accept": (lambda charter, s: charter.accept(s), "SESSION_ACCEPTED"),
    "close": (lambda charter, s: charter.close(s), "SESSION_CLOSED"),
}
"""Each verb about a session, and the event that says it was done."""

ALLOWED = {
    ("CREATED", "start"): "ACTIVE",
    ("CREATED", "add_candidate"): "CREATED",
    ("CREATED", "close"): "CLOSED",
    ("ACTIVE", "add_candidate"): "ACTIVE",
    ("ACTIVE", "record_stance"): "ACTIVE",
    ("ACTIVE", "pause"): "PAUSED",
    ("ACTIVE", "block"): "BLOCKED",
    ("ACTIVE", "accept"): "ACCEPTED",
    ("ACTIVE", "close"): "CLOSED",
    ("PAUSED", "resume"): "ACTIVE",
    ("PAUSED", "block"): "BLOCKED",
    ("PAUSED", "close"): "CLOSED",
    ("BLOCKED", "unblock"): "PAUSED",
}
"""Where each allowed verb leads (NEIGHBOURS 2.4); all else is forbidden."""

FORBIDDEN = [(state, verb) for state in STATES for verb in VERBS if (state, verb) not in ALLOWED]


def session_in(charter: Charter, area: str, state: str, *, voted: bool) -> str:
    """A session with one candidate in this state; with a stance on it where it was ever ACTIVE."""
    session_id = charter.start_session(area, problem_statement="What now?").session_id
    charter.add_candidate(session_id, content={"text": "x"}, candidate_id=CANDIDATE)
    if state == "CREATED":
        return session_id
    charter.start(session_id)
    if voted or state == "ACCEPTED":
        vote(charter, session_id, "ana")
    reach: dict[str, Callable[[], Any]] = {
        "ACTIVE": lambda: None,
        "PAUSED": lambda: charter.pause(session_id),
        "BLOCKED": lambda: charter.block(session_id, reason="why"),
        "ACCEPTED": lambda: charter.accept(session_id),
        "CLOSED": lambda: charter.close(session_id),
    }
    reach[state]()
    return session_id


@pytest.mark.spec("GOV-3")
def test_states_are_a_closed_set_and_the_model_has_the_transitions_of_the_table() -> None:
    assert set(SessionState) == set(STATES)
    steps = {(before, after) for (before, _), after in ALLOWED.items() if before != after}
    assert {(before, after) for before, following in TRANSITIONS.items() for after in following} == steps
    assert {"ACCEPTED", "CLOSED"} == FINAL_STATES


@pytest.mark.spec("GOV-3", "GOV-9")
@pytest.mark.parametrize(("state", "verb"), ALLOWED)
def test_what_is_allowed_leads_where_the_table_says(charter: Charter, area: str, state: str, verb: str) -> None:
    session_id = session_in(charter, area, state, voted=verb == "accept")
    before = charter.session(session_id)
    act, event = VERBS[verb]
    act(charter, session_id)
    after = charter.session(session_id)
    assert (before.state, after.state) == (state, ALLOWED[state, verb])
    kept = ("authority_resolution_id", "scope_resolution_id", "constraints", "references", "problem_statement")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]
    (told,) = charter.log(area, subject=("session", session_id), reverse=True, limit=1).items
    assert told.event_type == event
    assert told.context["session_id"] == session_id


@pytest.mark.spec("GOV-3", "P10")
@pytest.mark.parametrize(("state", "verb"), FORBIDDEN)
def test_what_is_forbidden_is_refused_and_changes_nothing(
    place: Place, charter: Charter, area: str, state: str, verb: str
) -> None:
    session_id = session_in(charter, area, state, voted=verb == "accept")
    error: type[CharterError] = SealedError if state in FINAL_STATES else InvalidTransitionError
    with nothing_written(place.backdoor), refused(error, session_id, state) as caught:
        VERBS[verb][0](charter, session_id)
    assert state in FINAL_STATES or getattr(caught.value, "rule", None) == "GOV-3"
    assert charter.session(session_id).state == state


@pytest.mark.spec("GOV-3")
def test_start_session_gives_a_created_session_that_captured_authority_and_scope(charter: Charter, area: str) -> None:
    session = charter.start_session(area, problem_statement="What now?")
    assert session.state == "CREATED"
    governed = charter.area(area)
    assert (session.authority_resolution_id, session.scope_resolution_id) == (governed.authority, governed.scope)


@pytest.mark.spec("GOV-3")
@pytest.mark.parametrize("state", ["CREATED", "ACTIVE", "PAUSED", "BLOCKED"])
def test_an_open_session_is_there_when_the_store_is_opened_again(place: Place, area: str, state: str) -> None:
    with place.open_store() as first:
        session_id = session_in(Charter(first), area, state, voted=True)
        expected = Charter(first).session(session_id)
    with place.open_store() as second:
        assert Charter(second).session(session_id) == expected


@pytest.mark.spec("GOV-3", "STO-3.5")
@pytest.mark.parametrize("state", ["ACCEPTED", "CLOSED"])
def test_a_session_that_has_ended_is_sealed_as_one_object(
    store: Store, charter: Charter, area: str, state: str
) -> None:
    session_id = session_in(charter, area, state, voted=True)
    session = charter.session(session_id)
    with store.read() as view:
        digest = view.sessions.sealed_digest(session_id)
        assert digest is not None
        sealed = view.objects.require(digest).object
    assert "version" not in sealed
    assert sealed == {name: value for name, value in session.to_json().items() if name != "version"}
    assert sealed["state"] == state
    assert sealed["outcome"] == {"accepted_candidate_ids": [CANDIDATE] if state == "ACCEPTED" else []}


@pytest.mark.spec("GOV-3")
def test_pausing_and_resuming_keeps_the_first_time_of_start(charter: Charter, area: str) -> None:
    session_id = session_in(charter, area, "ACTIVE", voted=True)
    started = charter.session(session_id).started_at
    charter.pause(session_id)
    assert charter.resume(session_id).started_at == started
