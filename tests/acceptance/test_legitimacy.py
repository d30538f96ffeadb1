"""What makes a decision legitimate: sessions, authority, scope, and nothing that happens by itself (AT-1 to AT-18)."""

from __future__ import annotations

import random

import pytest

from charter_persist import connect
from charter_persist.engine.charter import Charter
from charter_persist.errors import (
    FrozenError,
    InvalidTransitionError,
    NotFoundError,
    NotInitialisedError,
    RuleError,
)
from charter_persist.model.authority import Constraints, evaluate
from charter_persist.model.session import Session
from charter_persist.store import Store
from charter_persist.testing import Place, nothing_written, refused
from charter_persist.testing.deciding import (
    CANDIDATE,
    authority_content,
    decide,
    initialise,
    propose,
    resolve,
    vote,
)


def change(charter: Charter, area: str, kind: str) -> str:
    """Decide a new authority or scope; returns its digest."""
    content = authority_content("SOLE_ACTOR", ["ana"], "new") if kind == "AUTHORITY" else {"text": "new"}
    (digest,) = decide(charter, area, type=kind, content=content).resolutions
    return digest


@pytest.mark.spec("AT-1", "GOV-5")
@pytest.mark.parametrize("stances", [{}, {"ana": "ACCEPT", "ben": "REJECT"}, {"ana": "ABSTAIN"}, {"eva": "REJECT"}])
def test_without_a_satisfied_rule_nothing_is_decided(
    place: Place, charter: Charter, council: str, stances: dict[str, str]
) -> None:
    session_id = propose(charter, council)
    before = charter.resolutions(council)
    for actor, stance in stances.items():
        vote(charter, session_id, actor, stance=stance)
    for wanted in (None, [CANDIDATE]):
        with nothing_written(place.backdoor), refused(RuleError, CANDIDATE):
            charter.accept(session_id, candidate_ids=wanted)
    assert charter.resolutions(council) == before
    assert charter.session(session_id).state == "ACTIVE"


@pytest.mark.spec("AT-2")
def test_a_candidate_that_is_in_no_session_cannot_be_accepted(
    place: Place, store: Store, charter: Charter, area: str
) -> None:
    with store.begin() as uow:
        stray = {"candidate_id": "stray", "content": {"text": "x"}, "created_at": "2026-01-01T00:00:00Z"}
        digest = uow.objects.put("candidate", {**stray, "rationale": None})
    session_id = propose(charter, area)
    vote(charter, session_id, "ana")
    for name in ("stray", digest):
        with nothing_written(place.backdoor), refused(NotFoundError, name):
            charter.accept(session_id, candidate_ids=[CANDIDATE, name])
    with nothing_written(place.backdoor), refused(NotFoundError):
        charter.accept("no-such-session", candidate_ids=["stray"])


@pytest.mark.spec("AT-3", "STO-3.1")
def test_an_accepted_resolution_is_never_modified(place: Place, store: Store, charter: Charter, area: str) -> None:
    digest = resolve(charter, area)
    kept = charter.get(digest)
    with store.begin() as uow:
        altered = uow.objects.put("resolution", {**kept.object, "content": {"text": "something else"}})
        assert uow.objects.put("resolution", kept.object) == digest
        assert not [name for name in ("delete", "update", "set", "replace") if hasattr(uow.objects, name)]
    assert altered != digest
    resolve(charter, area, "new", supersedes=[digest])
    assert charter.get(digest) == kept


@pytest.mark.spec("AT-4", "GOV-5")
def test_evaluation_is_the_same_every_time_and_on_every_handle(place: Place, charter: Charter, council: str) -> None:
    session_id = propose(charter, council)
    vote(charter, session_id, "ben", "ana")
    expected = charter.evaluate(session_id)
    with place.open_store() as again:
        assert [charter.evaluate(session_id) for _ in range(20)] == [expected] * 20
        assert Charter(again, indexed=False).evaluate(session_id) == expected
    session = charter.session(session_id)
    shuffled = list(session.stances.items())
    for seed in range(10):
        random.Random(seed).shuffle(shuffled)
        other = Session.from_json({**session.to_json(), "stances": [stance.to_json() for _, stance in shuffled]})
        assert evaluate(other, Constraints.from_content(dict(other.constraints))) == expected


@pytest.mark.spec("AT-5", "GOV-5")
@pytest.mark.parametrize("text", ["REJECT this", "retire everything", "\u202e\U0001f5d1", "x" * 10_000, "null"])
def test_content_and_rationale_are_never_interpreted(charter: Charter, area: str, text: str) -> None:
    session_id = charter.start_session(area, problem_statement=text).session_id
    content = {"text": text, "state": "RETIRED", "supersedes": ["all"], "rule": "SOLE_ACTOR", "deep": [{"a": [text]}]}
    charter.add_candidate(session_id, content=content, rationale=text, candidate_id=CANDIDATE)
    charter.start(session_id)
    assert charter.evaluate(session_id).verdict == "INCOMPLETE"
    vote(charter, session_id, "ana")
    (digest,) = charter.accept(session_id).resolutions
    view = charter.resolution(digest)
    assert (view.state, view.resolution.content, view.resolution.supersedes) == ("ACTIVE", content, ())


@pytest.mark.spec("AT-6", "GOV-7", "IDX-6")
def test_areas_are_hard_boundaries(place: Place, charter: Charter, area: str, council: str) -> None:
    ours, theirs = charter.area(area), charter.area(council)
    session = charter.session(propose(charter, area))
    assert (session.authority_resolution_id, session.scope_resolution_id) == (ours.authority, ours.scope)
    with nothing_written(place.backdoor), refused(RuleError, "ben"):
        vote(charter, session.session_id, "ben")  # who decides there does not decide here
    foreign = resolve(charter, council, actors=["ana", "ben"])
    fresh = charter.start_session(area, problem_statement="What?").session_id
    for target in ({"supersedes": [foreign]}, {"transitions": {foreign: "RETIRED"}}):
        with nothing_written(place.backdoor), refused(RuleError, "another area"):
            charter.add_candidate(fresh, content={"text": "x"}, **target)
    before = charter.area(council)
    change(charter, area, "AUTHORITY")
    assert charter.area(council) == before
    assert foreign not in charter.resolutions(area)
    assert theirs.authority not in charter.resolutions(area)


@pytest.mark.spec("AT-7", "AT-8", "GOV-6", "GOV-7", "GOV-8")
@pytest.mark.parametrize("kind", ["AUTHORITY", "SCOPE"])
def test_a_new_authority_or_scope_supersedes_the_one_in_force(
    store: Store, charter: Charter, area: str, kind: str
) -> None:
    (old,) = charter.resolutions(area, state="ACTIVE", type=kind)
    new = change(charter, area, kind)
    assert charter.resolutions(area, state="ACTIVE", type=kind) == (new,)
    assert charter.resolutions(area, state="SUPERSEDED", type=kind) == (old,)
    assert charter.superseded_by(old) == (new,)
    in_force = charter.authority(area) if kind == "AUTHORITY" else charter.scope(area)
    assert in_force is not None
    assert in_force.object_hash == new
    with store.read() as view:
        name = f"area/{area}/{kind.lower()}"
        assert [ref.digest for ref in view.refs.history(name)] == [old, new]


@pytest.mark.spec("AT-7", "AT-8", "AT-16", "GOV-6", "GOV-7")
@pytest.mark.parametrize("kind", ["AUTHORITY", "SCOPE"])
def test_a_session_that_both_captured_and_would_replace_the_former_one_is_blocked_once(
    charter: Charter, area: str, kind: str
) -> None:
    contents = [authority_content("SOLE_ACTOR", ["ana"], text) for text in ("one", "two")]
    first, second = [propose(charter, area, type=kind, content=content) for content in contents]
    vote(charter, first, "ana")
    charter.accept(first)
    assert charter.session(second).state == "BLOCKED"
    assert len(charter.log(area, subject=("session", second), event_type="SESSION_BLOCKED").items) == 1


@pytest.mark.spec("AT-9", "GOV-1")
def test_a_resolution_keeps_the_context_it_was_accepted_in(charter: Charter, area: str) -> None:
    then = charter.area(area)
    digest = resolve(charter, area)
    kept = charter.get(digest)
    change(charter, area, "AUTHORITY")
    change(charter, area, "SCOPE")
    now = charter.area(area)
    assert (now.authority, now.scope) != (then.authority, then.scope)
    view = charter.resolution(digest)
    context = view.resolution.context
    assert (context.authority_resolution_id, context.scope_resolution_id) == (then.authority, then.scope)
    assert (view.state, charter.get(digest)) == ("ACTIVE", kept)


@pytest.mark.spec("AT-10", "GOV-7")
def test_nothing_is_decided_in_an_area_without_authority_and_scope(place: Place, charter: Charter) -> None:
    area = charter.create_area(label="new").area_id
    with nothing_written(place.backdoor), refused(NotInitialisedError, "AUTHORITY") as caught:
        charter.start_session(area, problem_statement="What?")
    assert caught.value.rule == "GOV-7"  # type: ignore[attr-defined]
    assert charter.resolutions(area) == ()


@pytest.mark.spec("AT-11", "AT-25", "GOV-3", "GOV-7")
@pytest.mark.parametrize("kind", ["AUTHORITY", "SCOPE"])
def test_a_session_has_one_authority_and_scope_for_good(place: Place, charter: Charter, area: str, kind: str) -> None:
    session_id = propose(charter, area)
    vote(charter, session_id, "ana")
    captured = charter.session(session_id)
    change(charter, area, kind)
    blocked = charter.session(session_id)
    assert blocked.state == "BLOCKED"
    assert blocked.authority_resolution_id == captured.authority_resolution_id
    assert blocked.constraints == captured.constraints
    with nothing_written(place.backdoor), refused(InvalidTransitionError):
        charter.accept(session_id)
    charter.unblock(session_id)
    with nothing_written(place.backdoor), refused(RuleError, kind):
        charter.resume(session_id)
    charter.close(session_id)


@pytest.mark.spec("AT-12", "GOV-5")
def test_who_says_nothing_is_not_present(charter: Charter, council: str) -> None:
    session_id = propose(charter, council)
    vote(charter, session_id, "ana", "ben")
    evaluation = charter.evaluate(session_id)
    assert evaluation.verdict == "ACCEPTABLE"
    assert "2 present" in evaluation.candidates[CANDIDATE].reasons[0]
    charter.accept(session_id)


@pytest.mark.spec("AT-13", "GOV-4", "GOV-5", "GOV-9")
def test_one_who_disagrees_blocks_unanimity_and_that_is_audited(place: Place, charter: Charter, council: str) -> None:
    session_id = propose(charter, council)
    vote(charter, session_id, "ana", "ben")
    vote(charter, session_id, "eva", stance="REJECT")
    assert charter.evaluate(session_id).verdict == "BLOCKED"
    with nothing_written(place.backdoor), refused(RuleError, "eva says REJECT"):
        charter.accept(session_id, candidate_ids=[CANDIDATE])
    (dissent,) = charter.log(council, subject=("session", session_id), reverse=True, limit=1).items
    assert (dissent.actor, dissent.details["to"]) == ("eva", "REJECT")


@pytest.mark.spec("AT-14", "GOV-3", "GOV-7")
@pytest.mark.parametrize("waits", ["PAUSED", "BLOCKED"])
@pytest.mark.parametrize("kind", ["AUTHORITY", "SCOPE", "GENERAL"])
def test_a_session_that_waits_does_not_go_on_after_a_change(
    place: Place, charter: Charter, area: str, waits: str, kind: str
) -> None:
    preceding = resolve(charter, area)
    session_id = propose(charter, area, supersedes=[preceding])
    vote(charter, session_id, "ana")
    if waits == "PAUSED":
        charter.pause(session_id)
    else:
        charter.block(session_id, reason="why")
    if kind == "GENERAL":
        resolve(charter, area, "new", supersedes=[preceding])
    else:
        change(charter, area, kind)
    assert charter.session(session_id).state == "BLOCKED"
    for go_on in (charter.resume, charter.accept):
        with nothing_written(place.backdoor), refused(InvalidTransitionError):
            go_on(session_id)
    charter.unblock(session_id)
    if kind == "GENERAL":
        charter.resume(session_id)
        with nothing_written(place.backdoor), refused(RuleError, "SUPERSEDED", preceding):
            charter.accept(session_id)
    else:
        with nothing_written(place.backdoor), refused(RuleError, kind):
            charter.resume(session_id)


@pytest.mark.spec("AT-14", "GOV-7", "P10")
@pytest.mark.parametrize("kind", ["AUTHORITY", "SCOPE"])
def test_a_session_that_was_unblocked_behind_the_engine_is_not_accepted(
    place: Place, store: Store, charter: Charter, area: str, kind: str
) -> None:
    """The state says ACTIVE again; acceptance still compares what was captured with what is in force."""
    session_id = propose(charter, area)
    vote(charter, session_id, "ana")
    change(charter, area, kind)
    with store.begin() as uow:
        uow.sessions.set_state(session_id, "PAUSED")
        uow.sessions.set_state(session_id, "ACTIVE")
    with nothing_written(place.backdoor), refused(RuleError, kind) as caught:
        charter.accept(session_id)
    assert caught.value.rule == "GOV-7"  # type: ignore[attr-defined]


@pytest.mark.spec("AT-15")
def test_sessions_of_one_area_do_not_interfere(charter: Charter, area: str) -> None:
    first, second = propose(charter, area), propose(charter, area)
    before = charter.session(second)
    vote(charter, first, "ana")
    charter.pause(first)
    charter.resume(first)
    charter.accept(first)
    assert charter.session(second) == before
    vote(charter, second, "ana")
    charter.accept(second)


@pytest.mark.spec("AT-16", "GOV-7")
@pytest.mark.parametrize("how", ["superseded", "under review", "retired"])
@pytest.mark.parametrize("by", ["referring to it", "replacing it"])
def test_a_session_waits_when_what_it_depends_on_changes(
    place: Place, charter: Charter, area: str, how: str, by: str
) -> None:
    digest = resolve(charter, area)
    options = {"referenced_resolutions": [digest]} if by == "referring to it" else {"supersedes": [digest]}
    active, paused = propose(charter, area, **options), propose(charter, area, **options)
    vote(charter, active, "ana")
    charter.pause(paused)
    if how == "superseded":
        resolve(charter, area, "new", supersedes=[digest])
    elif how == "under review":
        charter.mark_under_review(digest)
    else:
        charter.retire(digest, actor="ana")
    assert [charter.session(name).state for name in (active, paused)] == ["BLOCKED", "BLOCKED"]
    with nothing_written(place.backdoor), refused(InvalidTransitionError):
        charter.accept(active)
    events = charter.log(area, subject=("session", active), event_type="SESSION_BLOCKED").items
    assert len(events) == 1
    assert digest in events[0].details["reason"]


@pytest.mark.spec("AT-17", "GOV-2")
def test_what_was_superseded_or_retired_can_be_asked_for_ever(charter: Charter, area: str) -> None:
    superseded, retired = resolve(charter, area, "one"), resolve(charter, area, "two")
    kept = charter.get(superseded), charter.get(retired)
    new = resolve(charter, area, "new", supersedes=[superseded])
    (transition,) = charter.retire(retired, actor="ana").transitions
    assert (charter.get(superseded), charter.get(retired)) == kept
    assert {superseded, retired} <= set(charter.resolutions(area))
    assert charter.resolutions(area, state="SUPERSEDED", type="GENERAL") == (superseded,)
    assert charter.resolutions(area, state="RETIRED") == (retired,)
    assert charter.get(transition).object["resolution_id"] == retired
    told = {(event.event_type, event.subject[1]) for event in charter.log(area).items}
    assert {("RESOLUTION_SUPERSEDED", superseded), ("RESOLUTION_RETIRED", retired)} <= told
    assert charter.superseded_by(superseded) == (new,)


@pytest.mark.spec("AT-18", "GOV-2")
def test_no_call_supersedes_or_retires_without_a_session(
    place: Place, store: Store, charter: Charter, area: str
) -> None:
    digest = resolve(charter, area)
    accepted = charter.retire(digest, actor="ana")
    assert charter.session(accepted.session_id).state == "ACCEPTED"
    other = resolve(charter, area)
    with nothing_written(place.backdoor), refused(RuleError, "ben"):
        charter.retire(other, actor="ben")  # who may not decide may not retire
    verbs = {name for name in dir(charter) if not name.startswith("_")}
    assert not {"supersede", "set_state", "mark_superseded", "mark_retired", "delete"} & verbs
    session_id = charter.start_session(area, problem_statement="What?").session_id
    with nothing_written(place.backdoor), refused(InvalidTransitionError, "SUPERSEDED"):
        charter.add_candidate(session_id, transitions={other: "SUPERSEDED"})
    assert charter.resolution(other).state == "ACTIVE"


@pytest.mark.spec("AT-24", "AT-26", "GOV-3", "GOV-5")
def test_constraints_are_declared_at_the_start_and_only_add(place: Place, charter: Charter, council: str) -> None:
    session = charter.start_session(council, problem_statement="What?", required_participants=["eva"])
    assert session.constraints == {
        "approval_constraints": [],
        "authority_rule": "UNANIMOUS_PRESENT",
        "participants": ["ana", "ben", "eva"],
        "required_participants": ["eva"],
        "resolution_type": "GENERAL",
    }
    charter.add_candidate(session.session_id, content={"text": "x"}, candidate_id=CANDIDATE)
    charter.start(session.session_id)
    vote(charter, session.session_id, "ana", "ben")
    assert charter.evaluate(session.session_id).verdict == "INCOMPLETE"
    with nothing_written(place.backdoor), refused(RuleError, "eva"):
        charter.accept(session.session_id, candidate_ids=[CANDIDATE])
    vote(charter, session.session_id, "eva")
    charter.accept(session.session_id)
    assert charter.session(session.session_id).constraints == session.constraints
    with nothing_written(place.backdoor), refused(RuleError, "zoe"):
        charter.start_session(council, problem_statement="What?", required_participants=["zoe"])
    with nothing_written(place.backdoor), refused(RuleError, "authority in force"):
        charter.start_session(council, problem_statement="What?", participants=["ana"])


@pytest.mark.spec("AT-27", "GOV-3")
def test_the_candidates_freeze_at_the_first_stance(place: Place, charter: Charter, area: str) -> None:
    session_id = propose(charter, area)
    charter.add_candidate(session_id, content={"text": "before"}, candidate_id="before")
    vote(charter, session_id, "ana", stance="ABSTAIN")
    with nothing_written(place.backdoor), refused(FrozenError, session_id):
        charter.add_candidate(session_id, content={"text": "late"})
    charter.pause(session_id)
    charter.resume(session_id)
    with nothing_written(place.backdoor), refused(FrozenError):
        charter.add_candidate(session_id, content={"text": "late"})
    assert list(charter.session(session_id).candidates) == [CANDIDATE, "before"]


@pytest.mark.spec("AT-28", "AT-29", "AT-30")
def test_stores_are_explicit_and_see_nothing_of_each_other(
    place: Place, charter: Charter, area: str, store: Store
) -> None:
    digest = resolve(charter, area)
    with pytest.raises(TypeError):
        connect()  # type: ignore[call-arg]
    with connect("memory://") as elsewhere:
        other = Charter(elsewhere)
        assert other.areas() == ()
        for ask in (lambda: other.get(digest), lambda: other.area(area), lambda: other.resolution(digest)):
            with refused(NotFoundError):
                ask()
        home = initialise(other, "home")
        for refer in ({"referenced_resolutions": [digest]}, {"referenced_areas": [area]}):
            with refused(NotFoundError):
                other.start_session(home, problem_statement="What?", **refer)
        session_id = other.start_session(home, problem_statement="What?").session_id
        with refused(NotFoundError):
            other.add_candidate(session_id, content={"text": "x"}, supersedes=[digest])
