"""Stances and acceptance: saying something decides nothing, accepting does, once (AT-01 to AT-07)."""

from __future__ import annotations

import pytest

from charter_persist.engine.charter import Charter
from charter_persist.errors import InvalidInputError, RuleError, SealedError
from charter_persist.testing import Place, nothing_written, refused
from charter_persist.testing.deciding import CANDIDATE, initialise, propose, vote

STANCE_EVENTS = ("FIRST_STANCE_RECORDED", "STANCE_RECORDED", "STANCE_CHANGED")


@pytest.fixture
def session(charter: Charter, council: str) -> str:
    """An ACTIVE session of the council with one candidate."""
    return propose(charter, council)


def events(charter: Charter, session_id: str) -> list[str]:
    return [event.event_type for event in charter.log(subject=("session", session_id)).items]


@pytest.mark.spec("AT-01", "GOV-4", "GOV-6")
def test_stances_without_acceptance_decide_nothing(charter: Charter, council: str, session: str) -> None:
    before = charter.resolutions(council)
    vote(charter, session, "ana", "ben", "eva")
    assert charter.evaluate(session).acceptable == (CANDIDATE,)
    assert charter.resolutions(council) == before
    assert charter.session(session).state == "ACTIVE"
    assert events(charter, session)[3:] == ["FIRST_STANCE_RECORDED", "STANCE_RECORDED", "STANCE_RECORDED"]


@pytest.mark.spec("AT-02", "AT-03", "GOV-4", "GOV-5")
def test_a_changed_stance_makes_a_later_acceptance_possible(
    place: Place, charter: Charter, council: str, session: str
) -> None:
    vote(charter, session, "ana")
    vote(charter, session, "ben", stance="REJECT")
    with nothing_written(place.backdoor), refused(RuleError, "ben says REJECT"):
        charter.accept(session)
    assert charter.session(session).state == "ACTIVE"
    vote(charter, session, "ben")
    (changed,) = charter.log(council, event_type="STANCE_CHANGED").items
    assert (changed.actor, changed.details) == ("ben", {"candidate_id": CANDIDATE, "from": "REJECT", "to": "ACCEPT"})
    (digest,) = charter.accept(session).resolutions
    assert charter.resolution(digest).state == "ACTIVE"
    assert charter.session(session).state == "ACCEPTED"


@pytest.mark.spec("AT-04", "AT-06", "GOV-4", "GOV-6")
def test_after_acceptance_nothing_of_it_can_be_said_or_done_again(
    place: Place, charter: Charter, council: str, session: str
) -> None:
    vote(charter, session, "ana", "ben")
    accepted = charter.accept(session)
    kept, sealed = charter.resolutions(council), charter.session(session)
    for stance in ("ACCEPT", "REJECT", "ABSTAIN"):
        with nothing_written(place.backdoor), refused(SealedError, session):
            vote(charter, session, "ben", stance=stance)
    with nothing_written(place.backdoor), refused(SealedError, session):
        vote(charter, session, "eva")
    for candidates in (None, [CANDIDATE]):
        with nothing_written(place.backdoor), refused(SealedError, session):
            charter.accept(session, candidate_ids=candidates)
    assert charter.resolutions(council) == kept
    assert charter.session(session) == sealed
    assert charter.outcome(session) == accepted.resolutions


@pytest.mark.spec("AT-05", "GOV-5")
def test_evaluation_is_a_question_and_never_a_deed(place: Place, charter: Charter, session: str) -> None:
    verdicts = []
    for stance in ("ACCEPT", "REJECT", "ACCEPT", "ABSTAIN", "ACCEPT"):
        vote(charter, session, "ana", stance=stance)
        with nothing_written(place.backdoor):
            verdicts.append(str(charter.evaluate(session).verdict))
    assert verdicts == ["ACCEPTABLE", "BLOCKED", "ACCEPTABLE", "BLOCKED", "ACCEPTABLE"]
    assert charter.session(session).state == "ACTIVE"


@pytest.mark.spec("AT-07", "GOV-5")
def test_who_may_decide_is_captured_and_nobody_joins_later(place: Place, charter: Charter, session: str) -> None:
    vote(charter, session, "ana")
    with nothing_written(place.backdoor), refused(RuleError, "zoe"):
        vote(charter, session, "zoe", stance="REJECT")
    assert {actor for actor, _ in charter.session(session).stances} == {"ana"}
    charter.accept(session)


@pytest.mark.spec("GOV-4")
def test_a_stance_is_one_of_three_words_and_somebodys(place: Place, charter: Charter, session: str) -> None:
    for stance in ("accept", "YES", "", None, 1):
        with nothing_written(place.backdoor), refused(InvalidInputError):
            charter.record_stance(session, candidate_id=CANDIDATE, stance=stance, actor="ana")  # type: ignore[arg-type]
    with nothing_written(place.backdoor), refused(InvalidInputError, "actor"):
        charter.record_stance(session, candidate_id=CANDIDATE, stance="ACCEPT", actor=None)  # type: ignore[arg-type]


@pytest.mark.spec("GOV-4")
def test_one_actor_has_one_stance_on_each_candidate(charter: Charter, council: str) -> None:
    session_id = charter.start_session(council, problem_statement="Which?").session_id
    for name in ("one", "two"):
        charter.add_candidate(session_id, content={"text": name}, candidate_id=name)
    charter.start(session_id)
    for name, stance in (("one", "ACCEPT"), ("two", "REJECT"), ("one", "ABSTAIN")):
        vote(charter, session_id, "ana", candidate_id=name, stance=stance)
    said = {key: str(stance.type) for key, stance in charter.session(session_id).stances.items()}
    assert said == {("ana", "one"): "ABSTAIN", ("ana", "two"): "REJECT"}


@pytest.mark.spec("GOV-5")
@pytest.mark.parametrize(
    ("rule", "stances", "verdict"),
    [
        ("SOLE_ACTOR", {}, "INCOMPLETE"),
        ("SOLE_ACTOR", {"ana": "ACCEPT"}, "ACCEPTABLE"),
        ("SOLE_ACTOR", {"ana": "ABSTAIN"}, "BLOCKED"),
        ("UNANIMOUS_PRESENT", {}, "INCOMPLETE"),
        ("UNANIMOUS_PRESENT", {"ana": "ACCEPT"}, "ACCEPTABLE"),
        ("UNANIMOUS_PRESENT", {"ana": "ACCEPT", "ben": "ABSTAIN"}, "BLOCKED"),
        ("MAJORITY_PRESENT", {"ana": "ACCEPT", "ben": "REJECT"}, "INCOMPLETE"),
        ("MAJORITY_PRESENT", {"ana": "ACCEPT", "ben": "ACCEPT", "eva": "REJECT"}, "ACCEPTABLE"),
        ("MAJORITY_PRESENT", {"ana": "ACCEPT", "ben": "REJECT", "eva": "ABSTAIN"}, "BLOCKED"),
    ],
)
def test_a_session_is_decided_by_the_rule_in_force(
    charter: Charter, rule: str, stances: dict[str, str], verdict: str
) -> None:
    actors = ["ana"] if rule == "SOLE_ACTOR" else ["ana", "ben", "eva"]
    session_id = propose(charter, initialise(charter, "works", rule=rule, actors=actors))
    for actor, stance in stances.items():
        vote(charter, session_id, actor, stance=stance)
    assert charter.evaluate(session_id).verdict == verdict
    if verdict == "ACCEPTABLE":
        assert len(charter.accept(session_id).resolutions) == 1
    else:
        with refused(RuleError, verdict):
            charter.accept(session_id)


@pytest.mark.spec("GOV-5")
@pytest.mark.parametrize("kind", ["AUTHORITY", "SCOPE"])
def test_the_first_authority_and_scope_are_decided_unanimously_by_their_own_participants(
    place: Place, charter: Charter, kind: str
) -> None:
    area = charter.create_area(label="new").area_id
    for nobody in (None, []):
        with nothing_written(place.backdoor), refused(RuleError, "participants"):
            charter.start_session(area, problem_statement="Who?", type=kind, participants=nobody)
    session = charter.start_session(area, problem_statement="Who?", type=kind, participants=["ben", "ana"])
    assert session.constraints["authority_rule"] == "UNANIMOUS_PRESENT"
    assert session.constraints["participants"] == ["ana", "ben"]
    assert (session.authority_resolution_id, session.scope_resolution_id) == (None, None)
