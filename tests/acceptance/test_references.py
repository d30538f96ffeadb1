"""References of a session: kept for ever, and without any say in what is decided (AT-REF-01 to AT-REF-07)."""

from __future__ import annotations

import pytest

from charter_persist.engine.charter import Charter
from charter_persist.errors import InvalidInputError, NotFoundError
from charter_persist.testing import Place, nothing_written, refused
from charter_persist.testing.deciding import initialise, propose, resolve, vote


@pytest.fixture
def finance(charter: Charter) -> str:
    """Another initialised area, which ben decides in."""
    return initialise(charter, "finance", actors=["ben"])


@pytest.mark.spec("AT-REF-01", "AT-REF-02", "AT-6", "GOV-3")
def test_a_session_may_refer_to_other_areas_and_their_resolutions(charter: Charter, area: str, finance: str) -> None:
    budget = resolve(charter, finance, "budget", actors=["ben"])
    session_id = propose(charter, area, referenced_areas=[finance], referenced_resolutions=[budget])
    session = charter.session(session_id)
    assert session.references == {"area_ids": [finance], "resolution_ids": [budget]}
    ours = charter.area(area)
    assert (session.authority_resolution_id, session.scope_resolution_id) == (ours.authority, ours.scope)
    assert session.constraints["participants"] == ["ana"]
    vote(charter, session_id, "ana")
    (digest,) = charter.accept(session_id).resolutions
    context = charter.resolution(digest).resolution.context
    assert (context.referenced_area_ids, context.referenced_resolution_ids) == ((finance,), (budget,))
    assert charter.resolution(budget).state == "ACTIVE"
    assert charter.superseded_by(budget) == ()


@pytest.mark.spec("AT-REF-03", "AT-16")
def test_a_session_whose_reference_was_superseded_is_blocked_and_keeps_it(charter: Charter, area: str) -> None:
    old = resolve(charter, area, "infra 2")
    session_id = propose(charter, area, referenced_resolutions=[old])
    vote(charter, session_id, "ana")
    before = charter.session(session_id)
    resolve(charter, area, "infra 3", supersedes=[old])
    blocked = charter.session(session_id)
    assert (blocked.state, blocked.references, blocked.stances) == ("BLOCKED", before.references, before.stances)
    charter.unblock(session_id)
    charter.resume(session_id)  # somebody looked at it and says so
    charter.accept(session_id)


@pytest.mark.spec("AT-6", "AT-REF-02")
def test_what_happens_to_a_resolution_of_another_area_does_not_reach_the_session(
    charter: Charter, area: str, finance: str
) -> None:
    budget = resolve(charter, finance, "budget", actors=["ben"])
    session_id = propose(charter, area, referenced_resolutions=[budget])
    resolve(charter, finance, "less", supersedes=[budget], actors=["ben"])
    assert charter.session(session_id).state == "ACTIVE"
    vote(charter, session_id, "ana")
    charter.accept(session_id)


@pytest.mark.spec("AT-REF-04")
def test_many_references_are_one_set_without_order_or_rank(charter: Charter, area: str, finance: str) -> None:
    legal = initialise(charter, "legal")
    wanted = [resolve(charter, legal, f"r{n}") for n in range(4)]
    for areas, resolutions in (([legal, finance], wanted), ([finance, legal, legal], [*reversed(wanted), *wanted])):
        session = charter.start_session(
            area, problem_statement="What?", referenced_areas=areas, referenced_resolutions=resolutions
        )
        assert session.references == {"area_ids": [finance, legal], "resolution_ids": sorted(wanted)}


@pytest.mark.spec("AT-REF-05", "AT-5")
def test_a_candidate_may_contradict_what_is_referred_to(charter: Charter, area: str, finance: str) -> None:
    budget = resolve(charter, finance, "spend nothing", actors=["ben"])
    session_id = propose(charter, area, content={"text": "spend all"}, referenced_resolutions=[budget])
    vote(charter, session_id, "ana")
    assert len(charter.accept(session_id).resolutions) == 1


@pytest.mark.spec("AT-REF-06")
def test_an_area_that_is_referred_to_need_not_be_initialised(charter: Charter, area: str) -> None:
    future = charter.create_area(label="future").area_id
    session_id = propose(charter, area, referenced_areas=[future])
    vote(charter, session_id, "ana")
    assert len(charter.accept(session_id).resolutions) == 1
    assert not charter.area(future).initialised


@pytest.mark.spec("AT-REF-07")
def test_references_never_change(charter: Charter, area: str, finance: str) -> None:
    session_id = propose(charter, area, referenced_areas=[finance])
    references = charter.session(session_id).references
    assert not [name for name in dir(charter) if "reference" in name]
    charter.pause(session_id)
    charter.resume(session_id)
    vote(charter, session_id, "ana")
    accepted = charter.accept(session_id)
    assert charter.get(accepted.session_digest).object["references"] == references


@pytest.mark.spec("GOV-13", "P10")
def test_a_reference_to_nothing_is_refused(place: Place, charter: Charter, area: str) -> None:
    for options, error in (
        ({"referenced_areas": ["nowhere"]}, NotFoundError),
        ({"referenced_resolutions": ["0" * 64]}, NotFoundError),
        ({"referenced_resolutions": ["not a digest"]}, NotFoundError),
        ({"referenced_areas": "works"}, InvalidInputError),
    ):
        with nothing_written(place.backdoor), refused(error):
            charter.start_session(area, problem_statement="What?", **options)  # type: ignore[arg-type]
