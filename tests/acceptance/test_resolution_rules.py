"""Resolutions: their types, their states, what may bring them from one to another, and what never may."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count, product

import pytest

from charter_persist.engine.charter import Charter
from charter_persist.errors import CharterError, InvalidTransitionError, NotInitialisedError, RuleError
from charter_persist.model.lifecycle import LIFECYCLE
from charter_persist.model.resolution import ResolutionState, ResolutionType
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

STATES = ("ACTIVE", "UNDER_REVIEW", "SUPERSEDED", "RETIRED")
TYPES = ("GENERAL", "AUTHORITY", "SCOPE")

LIVES = {
    ("GENERAL", "ACTIVE", "UNDER_REVIEW"),
    ("GENERAL", "ACTIVE", "RETIRED"),
    ("GENERAL", "UNDER_REVIEW", "ACTIVE"),
    ("GENERAL", "UNDER_REVIEW", "RETIRED"),
    ("SCOPE", "ACTIVE", "UNDER_REVIEW"),
    ("SCOPE", "UNDER_REVIEW", "ACTIVE"),
}
"""What a session may bring a resolution from and to (NEIGHBOURS 2.5); SUPERSEDED only ever follows from a successor."""

REACHABLE = {
    "GENERAL": STATES,
    "AUTHORITY": ("ACTIVE", "SUPERSEDED"),
    "SCOPE": ("ACTIVE", "UNDER_REVIEW", "SUPERSEDED"),
}
STEPS = [(kind, before, after) for kind in TYPES for before, after in product(REACHABLE[kind], STATES)]


def content(kind: str, text: str) -> dict[str, object]:
    return authority_content("SOLE_ACTOR", ["ana"], text) if kind == "AUTHORITY" else {"text": text}


def resolution_in(charter: Charter, area: str, kind: str, state: str) -> str:
    """A resolution of this type in this state."""
    (digest,) = decide(charter, area, type=kind, content=content(kind, "first")).resolutions
    if state == "SUPERSEDED":
        decide(charter, area, type=kind, content=content(kind, "second"), supersedes=[digest])
    elif state != "ACTIVE":
        decide(charter, area, type=kind, transitions={digest: state})
    assert charter.resolution(digest).state == state
    return digest


@pytest.mark.spec("GOV-1", "GOV-2")
def test_types_and_states_are_closed_sets() -> None:
    assert set(ResolutionType) == set(TYPES)
    assert set(ResolutionState) == set(STATES) == set(LIFECYCLE)


@pytest.mark.spec("GOV-2", "GOV-7")
@pytest.mark.parametrize(("kind", "before", "after"), STEPS)
def test_a_session_changes_a_state_as_the_lifecycle_says_and_not_otherwise(
    place: Place, charter: Charter, area: str, kind: str, before: str, after: str
) -> None:
    digest = resolution_in(charter, area, kind, before)
    if (kind, before, after) in LIVES:
        accepted = decide(charter, area, type=kind, transitions={digest: after})
        assert charter.resolution(digest).state == after
        (transition,) = accepted.transitions
        made = charter.get(transition).object
        assert (made["from"], made["to"], made["session_id"]) == (before, after, accepted.session_id)
        return
    session_id = charter.start_session(area, problem_statement="What now?", type=kind)
    with nothing_written(place.backdoor), refused(InvalidTransitionError):
        charter.add_candidate(session_id.session_id, transitions={digest: after})


@pytest.mark.spec("GOV-2")
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("verb", ["mark_under_review", "clear_under_review"])
def test_review_is_marked_and_cleared_by_hand_for_general_resolutions_only(
    place: Place, charter: Charter, area: str, kind: str, before: str, verb: str
) -> None:
    if before not in REACHABLE[kind]:
        return
    digest = resolution_in(charter, area, kind, before)
    wanted = {"mark_under_review": "UNDER_REVIEW", "clear_under_review": "ACTIVE"}[verb]
    act = getattr(charter, verb)
    error: type[CharterError] | None = InvalidTransitionError if (kind, before, wanted) not in LIVES else None
    if kind != "GENERAL":
        error = RuleError
    if error is not None:
        with nothing_written(place.backdoor), refused(error):
            act(digest, actor="ana")
        return
    made = charter.get(act(digest, actor="ana")).object
    assert charter.resolution(digest).state == wanted
    assert made["session_id"] is None


@pytest.mark.spec("GOV-2")
def test_each_transition_names_the_one_before_it(charter: Charter, area: str) -> None:
    digest = resolve(charter, area)
    chain = [
        charter.mark_under_review(digest),
        charter.clear_under_review(digest),
        charter.mark_under_review(digest),
        *charter.retire(digest, actor="ana").transitions,
    ]
    assert [charter.get(name).object["previous"] for name in chain] == [None, *chain[:-1]]
    assert charter.findings() == ()


@pytest.mark.spec("GOV-2", "IDX-5")
def test_supersession_is_explicit_permanent_and_one_way(place: Place, charter: Charter, area: str) -> None:
    old = resolve(charter, area, "old")
    other = resolve(charter, area, "old")
    new = resolve(charter, area, "new", supersedes=[old])
    assert charter.resolution(old).state == "SUPERSEDED"
    assert charter.resolution(other).state == "ACTIVE"  # it says the same, and nobody replaced it
    assert (charter.supersedes(new), charter.superseded_by(old)) == ((old,), (new,))
    assert (charter.superseded_by(new), charter.supersedes(old)) == ((), ())
    charter.retire(new, actor="ana")
    assert charter.resolution(old).state == "SUPERSEDED"  # it does not come back
    session_id = charter.start_session(area, problem_statement="Again?").session_id
    with nothing_written(place.backdoor), refused(RuleError, "SUPERSEDED", old):
        charter.add_candidate(session_id, content={"text": "x"}, supersedes=[old])


@pytest.mark.spec("GOV-2", "IDX-5")
def test_one_resolution_may_supersede_several(charter: Charter, area: str) -> None:
    old = sorted(resolve(charter, area, f"old {n}") for n in range(3))
    new = resolve(charter, area, "new", supersedes=old)
    assert list(charter.supersedes(new)) == old
    assert {charter.resolution(name).state for name in old} == {"SUPERSEDED"}
    assert charter.supersessions(area) == {new: tuple(old)}


@pytest.mark.spec("GOV-2", "IDX-5")
def test_order_never_comes_from_time(place: Place) -> None:
    """A clock that runs backwards, so that each successor is older than what it replaces."""
    ticks = count()
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with place.open_store(clock=lambda: start - timedelta(days=next(ticks))) as store:
        charter = Charter(store)
        area = initialise(charter, "works")
        first = resolve(charter, area, "first")
        second = resolve(charter, area, "second", supersedes=[first])
        charter.mark_under_review(second)
        charter.clear_under_review(second)
        views = [charter.resolution(name) for name in (first, second)]
        assert [view.state for view in views] == ["SUPERSEDED", "ACTIVE"]
        assert views[0].resolution.accepted_at > views[1].resolution.accepted_at
        assert charter.findings() == ()


@pytest.mark.spec("GOV-1")
def test_a_stored_resolution_holds_no_state_no_successor_and_not_its_own_digest(charter: Charter, area: str) -> None:
    digest = resolve(charter, area)
    before = charter.get(digest)
    resolve(charter, area, "new", supersedes=[digest])
    assert charter.get(digest) == before
    assert not {"state", "superseded_by", "object_hash", "resolution_id"} & before.object.keys()
    shown = charter.resolution(digest).to_json()
    derived = {"resolution_id", "object_hash", "state", "superseded_by"}
    assert {name: value for name, value in shown.items() if name not in derived} == before.object
    assert (shown["state"], shown["object_hash"]) == ("SUPERSEDED", digest)


@pytest.mark.spec("GOV-1", "IDX-7")
def test_every_resolution_names_the_session_that_accepted_it(charter: Charter, area: str) -> None:
    accepted = decide(charter, area)
    (digest,) = accepted.resolutions
    resolution = charter.resolution(digest).resolution
    assert (resolution.accepted_in_session, resolution.session_digest) == (
        accepted.session_id,
        accepted.session_digest,
    )
    sealed = charter.get(resolution.session_digest)
    assert sealed.object["outcome"]["accepted_candidate_ids"] == [resolution.candidate_id]
    assert charter.outcome(accepted.session_id) == (digest,)


@pytest.mark.spec("GOV-7")
@pytest.mark.parametrize("kind", ["AUTHORITY", "SCOPE"])
def test_authority_and_scope_are_never_retired(place: Place, charter: Charter, area: str, kind: str) -> None:
    governed = charter.area(area)
    digest = governed.authority if kind == "AUTHORITY" else governed.scope
    assert digest is not None
    with nothing_written(place.backdoor), refused(InvalidTransitionError, kind):
        charter.retire(digest, actor="ana")


@pytest.mark.spec("GOV-7")
def test_an_area_that_is_not_initialised_takes_authority_and_scope_sessions_only(
    place: Place, charter: Charter
) -> None:
    area = charter.create_area(label="new", area_id="new").area_id
    with nothing_written(place.backdoor), refused(NotInitialisedError, "AUTHORITY"):
        charter.start_session(area, problem_statement="What?")
    decide(
        charter,
        area,
        type="AUTHORITY",
        content=authority_content("SOLE_ACTOR", ["ana"]),
        participants=["ana"],
    )
    with nothing_written(place.backdoor), refused(NotInitialisedError, "SCOPE"):
        charter.start_session(area, problem_statement="What?")
    decide(charter, area, type="SCOPE", content={"text": "all"}, participants=["ana"])
    assert charter.area(area).initialised
    resolve(charter, area)


@pytest.mark.spec("GOV-7")
def test_a_scope_under_review_does_not_govern(place: Place, charter: Charter, area: str) -> None:
    running = propose(charter, area)
    scope = charter.area(area).scope
    assert scope is not None
    decide(charter, area, type="SCOPE", transitions={scope: "UNDER_REVIEW"})
    assert charter.session(running).state == "BLOCKED"
    with nothing_written(place.backdoor), refused(RuleError, "UNDER_REVIEW"):
        charter.start_session(area, problem_statement="What?")
    decide(charter, area, type="SCOPE", transitions={scope: "ACTIVE"})
    charter.unblock(running)
    charter.resume(running)
    vote(charter, running, "ana")
    charter.accept(running)


@pytest.mark.spec("GOV-2", "GOV-3")
@pytest.mark.parametrize("how", ["refers", "replaces", "retires"])
def test_a_review_blocks_the_sessions_that_depend_on_it(charter: Charter, area: str, how: str) -> None:
    digest = resolve(charter, area)
    depending = {
        "refers": lambda: propose(charter, area, referenced_resolutions=[digest]),
        "replaces": lambda: propose(charter, area, supersedes=[digest]),
        "retires": lambda: propose(charter, area, transitions={digest: "RETIRED"}),
    }[how]()
    unconcerned = propose(charter, area)
    charter.mark_under_review(digest, actor="ana")
    assert [charter.session(name).state for name in (depending, unconcerned)] == ["BLOCKED", "ACTIVE"]
    (told,) = charter.log(area, subject=("session", depending), reverse=True, limit=1).items
    assert (told.event_type, told.details["from"]) == ("SESSION_BLOCKED", "ACTIVE")
    assert digest in told.details["reason"]


@pytest.mark.spec("GOV-3")
@pytest.mark.parametrize("how", ["refers", "replaces"])
def test_a_session_that_builds_on_what_is_under_review_neither_starts_nor_resumes(
    place: Place, charter: Charter, area: str, how: str
) -> None:
    digest = resolve(charter, area)
    options = {"referenced_resolutions": [digest]} if how == "refers" else {}
    created = charter.start_session(area, problem_statement="What?", **options).session_id
    paused = charter.start_session(area, problem_statement="What?", **options).session_id
    for session_id in (created, paused):
        charter.add_candidate(session_id, content={"text": "x"}, supersedes=[digest] if how == "replaces" else [])
    charter.start(paused)
    charter.pause(paused)
    charter.mark_under_review(digest)
    assert charter.session(paused).state == "BLOCKED"
    charter.unblock(paused)
    with nothing_written(place.backdoor), refused(RuleError, digest):
        charter.start(created)
    with nothing_written(place.backdoor), refused(RuleError, digest):
        charter.resume(paused)
    charter.clear_under_review(digest)
    assert [charter.start(created).state, charter.resume(paused).state] == ["ACTIVE", "ACTIVE"]


@pytest.mark.spec("GOV-3")
def test_a_session_about_a_review_can_be_paused_and_resumed(charter: Charter, area: str) -> None:
    digest = resolve(charter, area)
    charter.mark_under_review(digest)
    session_id = propose(charter, area, transitions={digest: "ACTIVE"})
    charter.pause(session_id)
    charter.resume(session_id)
    vote(charter, session_id, "ana")
    charter.accept(session_id)
    assert charter.resolution(digest).state == "ACTIVE"


@pytest.mark.spec("GOV-7")
def test_an_area_is_retired_and_never_deleted(place: Place, store: Store, charter: Charter, area: str) -> None:
    digest = resolve(charter, area)
    charter.retire_area(area, reason="merged", actor="ana")
    assert not [name for name in dir(charter) if name.startswith("delete") and "area" in name]
    view = charter.area(area)
    assert view.retired
    assert charter.resolution(digest).state == "ACTIVE"
    with store.read() as reading:
        assert reading.refs.require(f"area/{area}/authority").digest == view.authority
    with nothing_written(place.backdoor), refused(RuleError, "retired"):
        charter.start_session(area, problem_statement="What?")
    with nothing_written(place.backdoor), refused(RuleError, "retired"):
        charter.retire(digest, actor="ana")
    with nothing_written(place.backdoor), refused(RuleError, "retired"):
        charter.retire_area(area)


@pytest.mark.spec("GOV-5", "GOV-6")
def test_several_candidates_become_several_resolutions_in_their_order(charter: Charter, area: str) -> None:
    session_id = charter.start_session(area, problem_statement="What?").session_id
    names = ["z", "a", "m"]
    for name in names:
        charter.add_candidate(session_id, content={"text": name}, candidate_id=name)
    charter.start(session_id)
    for name in names:
        vote(charter, session_id, "ana", candidate_id=name)
    accepted = charter.accept(session_id, candidate_ids=["m", "z"])
    assert [charter.resolution(name).resolution.candidate_id for name in accepted.resolutions] == ["z", "m"]
    assert charter.session(session_id).accepted == ("z", "m")


@pytest.mark.spec("GOV-2")
def test_two_accepted_candidates_never_change_one_resolution(place: Place, charter: Charter, area: str) -> None:
    old = resolve(charter, area)
    session_id = charter.start_session(area, problem_statement="What?").session_id
    charter.add_candidate(session_id, content={"text": "new"}, supersedes=[old], candidate_id="replace")
    charter.add_candidate(session_id, transitions={old: "RETIRED"}, candidate_id="retire")
    charter.start(session_id)
    for name in ("replace", "retire"):
        vote(charter, session_id, "ana", candidate_id=name)
    with nothing_written(place.backdoor), refused(RuleError, old):
        charter.accept(session_id)
    charter.accept(session_id, candidate_ids=["replace"])
    assert charter.resolution(old).state == "SUPERSEDED"


@pytest.mark.spec("GOV-7")
@pytest.mark.parametrize("kind", ["AUTHORITY", "SCOPE"])
@pytest.mark.parametrize("first", [True, False], ids=["first", "later"])
def test_one_session_gives_one_authority_or_scope(place: Place, charter: Charter, kind: str, first: bool) -> None:
    area = charter.create_area(label="works").area_id if first else initialise(charter, "works")
    session = charter.start_session(
        area, problem_statement="Which?", type=kind, participants=["ana"] if first else None
    )
    for name in ("one", "two"):
        charter.add_candidate(session.session_id, content=content(kind, name), candidate_id=name)
    charter.start(session.session_id)
    for name in ("one", "two"):
        vote(charter, session.session_id, "ana", candidate_id=name)
    with nothing_written(place.backdoor), refused(RuleError, "accept one"):
        charter.accept(session.session_id)
    assert len(charter.accept(session.session_id, candidate_ids=["two"]).resolutions) == 1
    assert len(charter.resolutions(area, type=kind, state="ACTIVE")) == 1


@pytest.mark.spec("GOV-6", "P10")
def test_a_crash_of_acceptance_halfway_leaves_nothing(
    place: Place, charter: Charter, area: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every write of the acceptance fails once, one after the other; none of them leaves a trace."""
    from charter_persist.repositories.audit import AuditRepository

    append, done = AuditRepository.append, count()
    old = resolve(charter, area)
    depending = propose(charter, area, referenced_resolutions=[old])
    session_id = propose(charter, area, supersedes=[old])
    vote(charter, session_id, "ana")
    for fails_at in count():
        calls = count()

        def failing(*args: object, calls: count[int] = calls, fails_at: int = fails_at, **facts: object) -> object:
            if next(calls) == fails_at:
                raise OSError
            return append(*args, **facts)  # type: ignore[arg-type]

        monkeypatch.setattr(AuditRepository, "append", failing)
        try:
            with nothing_written(place.backdoor):
                charter.accept(session_id)
        except OSError:
            next(done)
            continue
        except AssertionError:
            break  # it went through: something was written
    assert next(done) == 4
    assert [charter.session(name).state for name in (session_id, depending)] == ["ACCEPTED", "BLOCKED"]
    assert charter.resolution(old).state == "SUPERSEDED"
    assert charter.session(session_id).candidates[CANDIDATE].content["supersedes"] == [old]


@pytest.mark.spec("GOV-7", "P10")
@pytest.mark.parametrize(("kind", "target"), [(kind, target) for kind in TYPES for target in TYPES if kind != target])
def test_a_session_changes_resolutions_of_its_own_type_only(
    place: Place, charter: Charter, area: str, kind: str, target: str
) -> None:
    digest = resolution_in(charter, area, target, "ACTIVE")
    session_id = charter.start_session(area, problem_statement="What?", type=kind).session_id
    with nothing_written(place.backdoor), refused(RuleError, target):
        charter.add_candidate(session_id, content=content(kind, "x"), supersedes=[digest])
    for state in ("UNDER_REVIEW", "RETIRED"):
        with nothing_written(place.backdoor), refused(RuleError, target):
            charter.add_candidate(session_id, transitions={digest: state})


@pytest.mark.spec("GOV-7", "P10")
@pytest.mark.parametrize("kind", ["AUTHORITY", "SCOPE"])
def test_an_authority_or_scope_supersedes_the_one_in_force_and_nothing_else(
    place: Place, charter: Charter, area: str, kind: str
) -> None:
    old = resolution_in(charter, area, kind, "SUPERSEDED")
    (in_force,) = charter.resolutions(area, type=kind, state="ACTIVE")
    session_id = charter.start_session(area, problem_statement="What?", type=kind).session_id
    for targets in ([old], [old, in_force]):
        with nothing_written(place.backdoor), refused(RuleError):
            charter.add_candidate(session_id, content=content(kind, "x"), supersedes=targets)
    charter.add_candidate(session_id, content=content(kind, "x"), candidate_id=CANDIDATE)
    assert charter.session(session_id).candidates[CANDIDATE].content["supersedes"] == [in_force]


@pytest.mark.spec("GOV-7", "P10")
@pytest.mark.parametrize("kind", ["AUTHORITY", "SCOPE"])
def test_a_session_from_before_the_first_one_cannot_replace_it(place: Place, charter: Charter, kind: str) -> None:
    area = charter.create_area(label="works").area_id
    first = {"type": kind, "participants": ["ana"]}
    early = charter.start_session(area, problem_statement="Who?", **first).session_id
    (in_force,) = decide(charter, area, content=content(kind, "first"), **first).resolutions
    with nothing_written(place.backdoor), refused(RuleError, kind):
        charter.add_candidate(early, content=content(kind, "x"), supersedes=[in_force])
    charter.add_candidate(early, content=content(kind, "x"))
    with nothing_written(place.backdoor), refused(RuleError, kind):
        charter.start(early)
