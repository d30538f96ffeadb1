"""The calls of the minimal API: what each gives, and each failure that it names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from charter_persist.engine.charter import Charter
from charter_persist.errors import (
    AlreadyExistsError,
    CharterError,
    InvalidInputError,
    InvalidTransitionError,
    NotFoundError,
    NotInitialisedError,
    RuleError,
    SealedError,
)
from charter_persist.store import Store
from charter_persist.testing import Place, nothing_written, refused
from charter_persist.testing.deciding import CANDIDATE, decide, initialise, propose, resolve, vote


@pytest.mark.spec("GOV-1", "GOV-7")
def test_create_area_gives_an_area_with_a_label_of_its_own(place: Place, charter: Charter) -> None:
    area = charter.create_area(label="Works", long_name="Public works", annotations={"floor": 3}, actor="ana")
    view = charter.area(area.area_id)
    assert (view.area, view.authority, view.scope, view.retired) == (area, None, None, False)
    assert (area.label, area.long_name, area.annotations) == ("Works", "Public works", {"floor": 3})
    assert charter.area_labelled("Works").area_id == area.area_id
    with nothing_written(place.backdoor), refused(AlreadyExistsError, "Works"):
        charter.create_area(label="Works")
    with nothing_written(place.backdoor), refused(AlreadyExistsError, area.area_id):
        charter.create_area(label="Other", area_id=area.area_id)
    charter.retire_area(area.area_id)
    with nothing_written(place.backdoor), refused(AlreadyExistsError, "Works"):
        charter.create_area(label="Works")


@pytest.mark.spec("GOV-1", "P34")
@pytest.mark.parametrize(
    "fields",
    [
        {"label": ""},
        {"label": None},
        {"label": 7},
        {"label": "a\x00b"},
        {"label": "a", "long_name": 7},
        {"label": "a", "annotations": ["list"]},
        {"label": "a", "annotations": {"x": float("nan")}},
        {"label": "a", "annotations": {1: "key"}},
        {"label": "a", "area_id": ""},
        {"label": "\ud800"},
    ],
)
def test_an_area_of_wrong_fields_is_refused(place: Place, charter: Charter, fields: dict[str, object]) -> None:
    with nothing_written(place.backdoor), pytest.raises(InvalidInputError):
        charter.create_area(**fields)  # type: ignore[arg-type]


@pytest.mark.spec("GOV-7")
def test_initialising_an_area_twice_is_not_possible(place: Place, charter: Charter) -> None:
    area = charter.create_area(label="new").area_id
    sessions = [
        charter.start_session(area, problem_statement="Who?", type="AUTHORITY", participants=["ana"]).session_id
        for _ in range(2)
    ]
    for session_id in sessions:
        charter.add_candidate(
            session_id, content={"text": "x", "rule": "SOLE_ACTOR", "actors": ["ana"]}, candidate_id=CANDIDATE
        )
        charter.start(session_id)
        vote(charter, session_id, "ana")
    charter.accept(sessions[0])
    assert charter.session(sessions[1]).state == "BLOCKED"
    charter.unblock(sessions[1])
    with nothing_written(place.backdoor), refused(RuleError, "AUTHORITY"):
        charter.resume(sessions[1])
    assert len(charter.resolutions(area, type="AUTHORITY")) == 1


@pytest.mark.spec("GOV-7", "GOV-13", "IDX-13")
def test_the_state_of_an_area_names_authority_scope_and_sessions(charter: Charter, area: str) -> None:
    view = charter.area(area)
    assert view.initialised
    authority, scope = charter.authority(area), charter.scope(area)
    assert authority is not None
    assert scope is not None
    assert (view.authority, view.scope) == (authority.object_hash, scope.object_hash)
    first, second = propose(charter, area), propose(charter, area)
    charter.pause(second)
    assert [session.session_id for session in charter.sessions(area, state="ACTIVE")] == [first]
    assert [session.session_id for session in charter.sessions(area, state="PAUSED")] == [second]
    assert {session.session_id for session in charter.sessions(area)} >= {first, second}
    assert charter.sessions(area, state="BLOCKED") == ()


@pytest.mark.spec("GOV-13", "IDX-4", "IDX-6")
def test_resolutions_are_listed_by_state_and_type(charter: Charter, area: str) -> None:
    view = charter.area(area)
    old, gone, new = resolve(charter, area, "old"), resolve(charter, area, "gone"), resolve(charter, area, "new")
    newest = resolve(charter, area, "newest", supersedes=[old])
    charter.retire(gone, actor="ana")
    charter.mark_under_review(new)
    expected = {
        ("ACTIVE", None): {view.authority, view.scope, newest},
        ("ACTIVE", "GENERAL"): {newest},
        ("ACTIVE", "AUTHORITY"): {view.authority},
        ("SUPERSEDED", None): {old},
        ("RETIRED", "GENERAL"): {gone},
        ("RETIRED", "SCOPE"): set(),
        ("UNDER_REVIEW", None): {new},
        (None, "GENERAL"): {old, gone, new, newest},
        (None, None): {view.authority, view.scope, old, gone, new, newest},
    }
    for (state, kind), digests in expected.items():
        found = charter.resolutions(area, state=state, type=kind)
        assert (set(found), list(found)) == (digests, sorted(found))
    for wrong in ({"state": "active"}, {"type": "NEWS"}, {"state": 3}):
        with refused(InvalidInputError):
            charter.resolutions(area, **wrong)  # type: ignore[arg-type]


@pytest.mark.spec("GOV-7")
@pytest.mark.parametrize("state", ["CREATED", "ACTIVE", "PAUSED", "BLOCKED"])
def test_an_area_with_open_sessions_is_not_retired(place: Place, charter: Charter, area: str, state: str) -> None:
    if state == "CREATED":
        session_id = charter.start_session(area, problem_statement="What?").session_id
    else:
        session_id = propose(charter, area)
    if state == "PAUSED":
        charter.pause(session_id)
    elif state == "BLOCKED":
        charter.block(session_id, reason="why")
    with nothing_written(place.backdoor), refused(RuleError, session_id):
        charter.retire_area(area)
    if state == "BLOCKED":
        charter.unblock(session_id)
    charter.close(session_id)
    charter.retire_area(area)
    assert charter.area(area).retired


@pytest.mark.spec("GOV-3", "GOV-7")
def test_start_session_fails_where_the_area_is_unknown_or_not_initialised(place: Place, charter: Charter) -> None:
    area = charter.create_area(label="new").area_id
    for name, error in (("nowhere", NotFoundError), (area, NotInitialisedError)):
        with nothing_written(place.backdoor), refused(error, name):
            charter.start_session(name, problem_statement="What?")


@pytest.mark.spec("GOV-3")
def test_a_session_id_is_taken_once_and_a_problem_is_stated(place: Place, charter: Charter, area: str) -> None:
    accepted = decide(charter, area, session_id="s-1").session_id
    charter.start_session(area, problem_statement="What?", session_id="s-2")
    for name in (accepted, "s-2"):
        with nothing_written(place.backdoor), refused(AlreadyExistsError, name):
            charter.start_session(area, problem_statement="What?", session_id=name)
    for nothing in ("", None, 7):
        with nothing_written(place.backdoor), refused(InvalidInputError, "problem_statement"):
            charter.start_session(area, problem_statement=nothing)  # type: ignore[arg-type]
    for kind in ("NEWS", "general", None, 7):
        with nothing_written(place.backdoor), refused(InvalidInputError):
            charter.start_session(area, problem_statement="What?", type=kind)  # type: ignore[arg-type]


@pytest.mark.spec("GOV-2", "GOV-3")
@pytest.mark.parametrize("state", ["SUPERSEDED", "RETIRED", "UNDER_REVIEW"])
def test_a_preceding_resolution_must_be_active_at_proposal_and_at_acceptance(
    place: Place, charter: Charter, area: str, state: str
) -> None:
    preceding = resolve(charter, area)
    waiting = charter.start_session(area, problem_statement="What?").session_id
    created = charter.start_session(area, problem_statement="What?").session_id
    charter.add_candidate(waiting, content={"text": "x"}, supersedes=[preceding], candidate_id=CANDIDATE)
    if state == "SUPERSEDED":
        resolve(charter, area, "new", supersedes=[preceding])
    elif state == "RETIRED":
        charter.retire(preceding, actor="ana")
    else:
        charter.mark_under_review(preceding)
    with nothing_written(place.backdoor), refused(RuleError, preceding, state):
        charter.add_candidate(created, content={"text": "y"}, supersedes=[preceding])
    if state == "UNDER_REVIEW":
        with nothing_written(place.backdoor), refused(RuleError, preceding, state):
            charter.start(waiting)
        return
    charter.start(waiting)
    vote(charter, waiting, "ana")
    with nothing_written(place.backdoor), refused(RuleError, preceding, state):
        charter.accept(waiting)


@pytest.mark.spec("GOV-5", "GOV-6")
def test_accept_gives_an_active_resolution_with_everything_that_led_to_it(charter: Charter, council: str) -> None:
    preceding = resolve(charter, council, actors=["ana"])
    session_id = propose(charter, council, supersedes=[preceding], required_participants=["ben"])
    vote(charter, session_id, "ana", "ben")
    accepted = charter.accept(session_id, actor="ana")
    (digest,) = accepted.resolutions
    assert (charter.resolution(digest).state, charter.resolution(preceding).state) == ("ACTIVE", "SUPERSEDED")
    sealed = charter.get(accepted.session_digest).object
    assert [stance["actor_id"] for stance in sealed["stances"]] == ["ana", "ben"]
    assert [candidate["candidate_id"] for candidate in sealed["candidates"]] == [CANDIDATE]
    assert sealed["constraints"]["required_participants"] == ["ben"]
    view = charter.area(council)
    assert (sealed["authority_resolution_id"], sealed["scope_resolution_id"]) == (view.authority, view.scope)
    assert accepted.receipt.first_position < accepted.receipt.size


@pytest.mark.spec("GOV-6")
def test_accept_names_what_it_cannot_accept(place: Place, charter: Charter, area: str) -> None:
    session_id = propose(charter, area)
    charter.add_candidate(session_id, content={"text": "other"}, candidate_id="other")
    vote(charter, session_id, "ana")
    for candidates, error, word in (
        (["other"], RuleError, "other"),
        ([CANDIDATE, "other"], RuleError, "other"),
        (["nobody"], NotFoundError, "nobody"),
        ([], InvalidInputError, "at least one"),
        (CANDIDATE, InvalidInputError, "list"),
    ):
        with nothing_written(place.backdoor), refused(error, word):
            charter.accept(session_id, candidate_ids=candidates)
    assert charter.session(session_id).state == "ACTIVE"


@pytest.mark.spec("GOV-6")
def test_a_session_without_candidates_is_closed_and_never_accepted(place: Place, charter: Charter, area: str) -> None:
    session_id = charter.start_session(area, problem_statement="What?").session_id
    charter.start(session_id)
    assert charter.evaluate(session_id).verdict == "INCOMPLETE"
    with nothing_written(place.backdoor), refused(InvalidInputError, "closed"):
        charter.accept(session_id)
    charter.close(session_id)


@pytest.mark.spec("GOV-3")
def test_close_seals_a_session_without_effect(place: Place, charter: Charter, area: str) -> None:
    session_id = propose(charter, area)
    vote(charter, session_id, "ana")
    before = charter.resolutions(area)
    digest = charter.close(session_id, reason="no use")
    assert charter.get(digest).object["state"] == "CLOSED"
    assert (charter.outcome(session_id), charter.resolutions(area)) == ((), before)
    with nothing_written(place.backdoor), refused(SealedError, session_id):
        charter.close(session_id)


UNKNOWN = "0" * 64


CALLS: list[Callable[[Charter], Any]] = [
    lambda c: c.get(UNKNOWN),
    lambda c: c.authority("nowhere"),
    lambda c: c.scope("nowhere"),
    lambda c: c.log("nowhere"),
    lambda c: c.label("nowhere", "best"),
    lambda c: c.area("nowhere"),
    lambda c: c.area_labelled("nowhere"),
    lambda c: c.resolution(UNKNOWN),
    lambda c: c.resolutions("nowhere"),
    lambda c: c.resolutions("nowhere", state="ACTIVE"),
    lambda c: c.supersedes(UNKNOWN),
    lambda c: c.superseded_by(UNKNOWN),
    lambda c: c.supersessions("nowhere"),
    lambda c: c.session("nobody"),
    lambda c: c.sessions("nowhere"),
    lambda c: c.outcome("nobody"),
    lambda c: c.evaluate("nobody"),
    lambda c: c.retire_area("nowhere"),
    lambda c: c.set_label("nowhere", "best", UNKNOWN),
    lambda c: c.set_label("works", "best", UNKNOWN),
    lambda c: c.delete_label("nowhere", "best"),
    lambda c: c.delete_label("works", "best"),
    lambda c: c.start_session("nowhere", problem_statement="What?"),
    lambda c: c.start("nobody"),
    lambda c: c.add_candidate("nobody", content={"text": "x"}),
    lambda c: c.record_stance("nobody", candidate_id="c", stance="ACCEPT", actor="ana"),
    lambda c: c.pause("nobody"),
    lambda c: c.resume("nobody"),
    lambda c: c.block("nobody", reason="why"),
    lambda c: c.unblock("nobody"),
    lambda c: c.accept("nobody"),
    lambda c: c.close("nobody"),
    lambda c: c.retire(UNKNOWN, actor="ana"),
    lambda c: c.mark_under_review(UNKNOWN),
    lambda c: c.clear_under_review(UNKNOWN),
    lambda c: c.review_import("none", UNKNOWN, outcome="REJECTED"),
    lambda c: c.close_import("none"),
]
"""Every question and every verb, about something that is not there."""


@pytest.mark.spec("GOV-13", "P10")
@pytest.mark.parametrize("indexed", [True, False], ids=["indexed", "scanned"])
def test_an_unknown_entity_is_an_error(place: Place, store: Store, area: str, indexed: bool) -> None:
    charter = Charter(store, indexed=indexed)
    for call in CALLS:
        with nothing_written(place.backdoor), refused(NotFoundError):
            call(charter)


@pytest.mark.spec("GOV-13")
def test_what_is_known_and_empty_gives_nothing(place: Place, charter: Charter) -> None:
    area = charter.create_area(label="new").area_id
    with nothing_written(place.backdoor):
        assert (charter.authority(area), charter.scope(area), charter.label(area, "best")) == (None, None, None)
        assert charter.resolutions(area) == charter.resolutions(area, state="ACTIVE") == ()
        assert (charter.sessions(area), charter.supersessions(area), charter.log(area).items) == ((), {}, ())
        session = charter.start_session
    session_id = session(area, problem_statement="Who?", type="SCOPE", participants=["ana"]).session_id
    assert charter.outcome(session_id) == ()


@pytest.mark.spec("GOV-8")
def test_a_label_points_to_a_resolution_of_its_area_and_changes_nothing(
    place: Place, charter: Charter, area: str, council: str
) -> None:
    ours = resolve(charter, area)
    theirs = resolve(charter, council, actors=["ana"])
    before = charter.area(area), charter.resolutions(area, state="ACTIVE")
    charter.set_label(area, "best", ours)
    assert charter.label(area, "best") == ours
    with nothing_written(place.backdoor), refused(RuleError, council):
        charter.set_label(area, "best", theirs)
    charter.delete_label(area, "best")
    assert charter.label(area, "best") is None
    assert (charter.area(area), charter.resolutions(area, state="ACTIVE")) == before


@pytest.mark.spec("GOV-6", "GOV-7")
@pytest.mark.parametrize("call", ["accept", "pause", "close"])
def test_an_error_says_which_rule_it_keeps(charter: Charter, area: str, call: str) -> None:
    session_id = propose(charter, area)
    charter.block(session_id, reason="why")
    with pytest.raises(CharterError) as caught:
        getattr(charter, call)(session_id)
    assert isinstance(caught.value, InvalidTransitionError)
    assert (caught.value.rule, caught.value.applied, caught.value.retryable) == ("GOV-3", "no", False)


@pytest.mark.spec("GOV-7")
def test_two_areas_never_share_anything_but_the_store(charter: Charter) -> None:
    first, second = initialise(charter, "first"), initialise(charter, "second")
    resolve(charter, first)
    assert not set(charter.resolutions(first)) & set(charter.resolutions(second))
    assert [entry.area_id for entry in charter.areas()] == ["first", "second"]
