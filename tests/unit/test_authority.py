"""The rules of an authority against their plain definition: every verdict follows from what could still be said."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charter_persist.errors import InvalidInputError
from charter_persist.model.authority import (
    Authority,
    AuthorityRule,
    CandidateEvaluation,
    Constraints,
    Evaluation,
    Verdict,
    authority_rule,
    evaluate,
)
from charter_persist.model.resolution import ResolutionType
from charter_persist.model.session import Candidate, Session, SessionState, Stance, StanceKind

ACTORS = ("ana", "ben", "eva")
WHEN = "2026-01-01T00:00:00Z"
Said = dict[tuple[str, str], str]


def session(said: Said, state: SessionState = SessionState.ACTIVE) -> Session:
    """A session with the candidates c and d."""
    return Session(
        "s",
        "a",
        "?",
        WHEN,
        state=state,
        candidates={name: Candidate(name, {}, None, WHEN) for name in ("c", "d")},
        stances={(actor, name): Stance(actor, name, StanceKind(kind), WHEN) for (actor, name), kind in said.items()},
    )


def allows(constraints: Constraints, said: Said) -> bool:
    """The rule as NEIGHBOURS 2.4 words it, for candidate c."""
    present = {actor for actor, _ in said}
    accepts = [actor for actor in ACTORS if said.get((actor, "c")) == "ACCEPT"]
    if any((actor, "c") not in said for actor in constraints.required_participants):
        return False
    if constraints.authority_rule is AuthorityRule.SOLE_ACTOR:
        return accepts == list(constraints.participants)
    if constraints.authority_rule is AuthorityRule.UNANIMOUS_PRESENT:
        return bool(present) and present == set(accepts)
    return len(accepts) > len(present) // 2


def expected(constraints: Constraints, said: Said) -> Verdict:
    """ACCEPTABLE now, or by what somebody says who has said nothing of it, or not at all."""
    if allows(constraints, said):
        return Verdict.ACCEPTABLE
    silent = [actor for actor in constraints.participants if (actor, "c") not in said]
    for further in product([None, *StanceKind], repeat=len(silent)):
        more = {(actor, "c"): str(kind) for actor, kind in zip(silent, further, strict=True) if kind is not None}
        if allows(constraints, {**said, **more}):
            return Verdict.INCOMPLETE
    return Verdict.BLOCKED


def every_case() -> list[tuple[Constraints, Said]]:
    """Every rule, every set of required participants, everything that three actors can say of two candidates."""
    cases = []
    for rule in AuthorityRule:
        participants = ACTORS[:1] if rule is AuthorityRule.SOLE_ACTOR else ACTORS
        for required in ((), participants[:1], participants):
            constraints = Constraints(ResolutionType.GENERAL, rule, participants, required)
            for of_c in product([None, *StanceKind], repeat=len(participants)):
                for of_d in product([None, StanceKind.REJECT], repeat=len(participants)):
                    said = {
                        (actor, name): str(kind)
                        for name, kinds in (("c", of_c), ("d", of_d))
                        for actor, kind in zip(participants, kinds, strict=True)
                        if kind is not None
                    }
                    cases.append((constraints, said))
    return cases


CASES = every_case()


@pytest.mark.spec("GOV-5", "AT-4", "AT-12")
def test_each_verdict_follows_from_what_could_still_be_said() -> None:
    assert len(CASES) > 3_000
    for constraints, said in CASES:
        found = evaluate(session(said), constraints).candidates["c"]
        assert found.verdict is expected(constraints, said), (constraints, said, found)
        assert all(found.reasons), said


@pytest.mark.spec("GOV-5")
@given(st.data())
def test_the_order_in_which_stances_came_does_not_show(data: st.DataObject) -> None:
    constraints, said = data.draw(st.sampled_from(CASES))
    shuffled = dict(data.draw(st.permutations(list(said.items()))))
    assert evaluate(session(shuffled), constraints) == evaluate(session(said), constraints)


@pytest.mark.spec("GOV-5", "GOV-3")
@pytest.mark.parametrize("state", [state for state in SessionState if state is not SessionState.ACTIVE])
@pytest.mark.parametrize("stance", ["ACCEPT", "REJECT"])
def test_nothing_is_acceptable_in_a_session_that_is_not_active(state: SessionState, stance: str) -> None:
    constraints = Constraints(ResolutionType.GENERAL, AuthorityRule.SOLE_ACTOR, ("ana",))
    found = evaluate(session({("ana", "c"): stance}, state), constraints)
    waits = state in (SessionState.CREATED, SessionState.PAUSED)
    assert found.candidates["c"].verdict is (Verdict.INCOMPLETE if waits and stance == "ACCEPT" else Verdict.BLOCKED)
    assert found.acceptable == ()
    assert str(state) in found.candidates["c"].reasons[0]


@pytest.mark.spec("GOV-5")
@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ([], "INCOMPLETE"),
        (["BLOCKED"], "BLOCKED"),
        (["BLOCKED", "INCOMPLETE"], "INCOMPLETE"),
        (["BLOCKED", "ACCEPTABLE", "INCOMPLETE"], "ACCEPTABLE"),
    ],
)
def test_a_session_is_judged_by_its_candidates(verdicts: list[str], whole: str) -> None:
    candidates = {str(n): CandidateEvaluation(Verdict(verdict), ("why",)) for n, verdict in enumerate(verdicts)}
    assert Evaluation("s", candidates).verdict == whole


@pytest.mark.spec("GOV-5")
@pytest.mark.parametrize(
    "content",
    [
        {},
        {"text": "x"},
        {"text": "x", "rule": "SOLE_ACTOR"},
        {"text": "x", "rule": "SOLE_ACTOR", "actors": []},
        {"text": "x", "rule": "SOLE_ACTOR", "actors": ["ana", "ben"]},
        {"text": "x", "rule": "DICTATOR", "actors": ["ana"]},
        {"text": "x", "rule": ["SOLE_ACTOR"], "actors": ["ana"]},
        {"text": "x", "rule": "UNANIMOUS_PRESENT", "actors": []},
        {"text": "x", "rule": "UNANIMOUS_PRESENT", "actors": ["ben", "ana"]},
        {"text": "x", "rule": "UNANIMOUS_PRESENT", "actors": ["ana", "ana"]},
        {"text": "x", "rule": "UNANIMOUS_PRESENT", "actors": "ana"},
        {"text": "x", "rule": "UNANIMOUS_PRESENT", "actors": [7]},
        {"text": "x", "rule": "UNANIMOUS_PRESENT", "actors": [""]},
        {"text": "", "rule": "UNANIMOUS_PRESENT", "actors": ["ana"]},
        ["text"],
        None,
    ],
)
def test_an_authority_that_nobody_could_decide_by_is_refused(content: Any) -> None:
    with pytest.raises(InvalidInputError):
        Authority.from_content(content)


@pytest.mark.spec("GOV-5")
def test_an_authority_may_say_more_than_it_must() -> None:
    said = {"text": "x", "rule": "MAJORITY_PRESENT", "actors": ["ana", "ben"], "until": "2030"}
    assert Authority.from_content(said) == Authority("x", AuthorityRule.MAJORITY_PRESENT, ("ana", "ben"))


@pytest.mark.spec("GOV-5")
@given(
    kind=st.sampled_from(ResolutionType),
    rule=st.sampled_from(AuthorityRule),
    who=st.sets(st.sampled_from(ACTORS)),
    required=st.sets(st.sampled_from(ACTORS)),
)
def test_constraints_are_read_as_they_were_written(
    kind: ResolutionType, rule: AuthorityRule, who: set[str], required: set[str]
) -> None:
    constraints = Constraints(kind, rule, tuple(sorted(who)), tuple(sorted(required)))
    if rule is AuthorityRule.SOLE_ACTOR and len(who) != 1:
        with pytest.raises(InvalidInputError):
            Constraints.from_content(constraints.to_content())
    else:
        assert Constraints.from_content(constraints.to_content()) == constraints


@pytest.mark.spec("GOV-5")
@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("approval_constraints", ["quorum"]),
        ("approval_constraints", None),
        ("authority_rule", "ANYBODY"),
        ("participants", ["ben", "ana"]),
        ("required_participants", "ana"),
        ("resolution_type", "NEWS"),
        ("surprise", 1),
    ],
)
def test_constraints_of_another_form_are_refused(field: str, wrong: Any) -> None:
    content = Constraints(ResolutionType.GENERAL, AuthorityRule.SOLE_ACTOR, ("ana",)).to_content()
    with pytest.raises(InvalidInputError):
        Constraints.from_content({**content, field: wrong})


@pytest.mark.parametrize("wrong", ["sole_actor", "", None, 1, ["SOLE_ACTOR"]])
def test_a_rule_is_one_of_three_words(wrong: Any) -> None:
    with pytest.raises(InvalidInputError):
        authority_rule(wrong)
