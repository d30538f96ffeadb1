"""Questions to the engine: with or without an index, now or as of the past, from one thread or from many."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from charter_persist import connect
from charter_persist.engine.charter import Charter
from charter_persist.errors import InvalidInputError, NotFoundError
from charter_persist.integrity.fsck import fsck
from charter_persist.store import Store
from charter_persist.testing.charter_machine import answers
from charter_persist.testing.deciding import authority_content, decide, initialise, propose, resolve, vote


@pytest.fixture
def store() -> Iterator[Store]:
    with connect("memory://") as store:
        yield store


@pytest.fixture
def charter(store: Store) -> Charter:
    return Charter(store)


def history(store: Store) -> dict[int, Any]:
    """Make a history in two areas; gives everything that was answered after each of its steps, by revision."""
    charter = Charter(store)
    told = {}

    def step(done: Any) -> Any:
        with store.read() as view:
            told[view.revision] = answers(charter)
        return done

    step(initialise(charter, "works"))
    old = step(resolve(charter, "works", "old"))
    step(propose(charter, "works", referenced_resolutions=[old]))
    step(resolve(charter, "works", "new", supersedes=[old]))
    step(decide(charter, "works", type="AUTHORITY", content=authority_content("SOLE_ACTOR", ["ben"])))
    step(charter.set_label("works", "best", old))
    step(initialise(charter, "parks", actors=["eva"]))
    general = step(resolve(charter, "parks", actors=["eva"]))
    step(charter.mark_under_review(general))
    step(charter.retire(general, actor="eva"))
    step(charter.retire_area("parks"))
    return told


@pytest.mark.spec("GOV-15", "IDX-2", "GOV-13")
@pytest.mark.parametrize("indexed", [True, False], ids=["indexed", "scanned"])
def test_everything_is_answered_as_it_was_then(store: Store, indexed: bool) -> None:
    told = history(store)
    charter = Charter(store, indexed=indexed)
    assert {revision: answers(charter.as_of(revision)) for revision in told} == told
    assert answers(charter) == told[max(told)]
    assert answers(charter.as_of(0)) == {"areas": (), "findings": ()}


@pytest.mark.spec("GOV-15")
def test_the_past_does_not_move_and_does_not_act(store: Store, charter: Charter) -> None:
    initialise(charter, "works")
    with store.read() as view:
        past = charter.as_of(view.revision)
    before = answers(past)
    new = resolve(charter, "works")
    assert answers(past) == before
    with pytest.raises(NotFoundError):
        past.resolution(new)
    assert charter.resolution(new).state == "ACTIVE"
    assert not hasattr(past, "accept")
    for wrong in (10_000, -1, "1", 1.5):
        with pytest.raises((NotFoundError, InvalidInputError)):
            charter.as_of(wrong)  # type: ignore[arg-type]


@pytest.mark.spec("GOV-13", "GOV-9")
def test_the_log_comes_in_pages_and_can_be_filtered(charter: Charter) -> None:
    initialise(charter, "works")
    initialise(charter, "parks")
    everything = charter.log(limit=1_000).items
    pages, cursor = [], None
    while True:
        page = charter.log(limit=7, cursor=cursor)
        pages += page.items
        cursor = page.cursor
        if cursor is None:
            break
    assert tuple(pages) == everything
    assert {event.scope for event in charter.log("works").items} == {"AREA:works"}
    assert [event.subject[1] for event in charter.log(event_type="AREA_CREATED").items] == ["works", "parks"]
    for wrong in ({"limit": 0}, {"cursor": "x"}, {"event_type": "no word"}):
        with pytest.raises(InvalidInputError):
            charter.log(**wrong)  # type: ignore[arg-type]


@pytest.mark.spec("IDX-13", "GOV-13")
def test_authority_scope_get_and_log_need_no_index(store: Store, charter: Charter, monkeypatch: Any) -> None:
    initialise(charter, "works")
    digest = resolve(charter, "works")
    charter.set_label("works", "best", digest)

    def built(*_args: Any) -> Any:
        raise AssertionError("an index was built")

    fresh = Charter(store)
    monkeypatch.setattr("charter_persist.index.live.rebuild", built)
    assert fresh.authority("works") is not None
    assert fresh.scope("works") is not None
    assert fresh.get(digest).object_hash == digest
    assert fresh.log("works").items
    assert fresh.label("works", "best") == digest
    with pytest.raises(AssertionError):
        fresh.resolution(digest)


@pytest.mark.spec("GOV-13")
def test_evaluate_needs_a_session_of_the_engine(store: Store, charter: Charter) -> None:
    with store.begin() as uow:
        uow.sessions.create(session_id="own", area_id="anywhere", problem_statement="ours")
    with pytest.raises(InvalidInputError):
        charter.evaluate("own")
    initialise(charter, "works")
    resolve(charter, "works")  # it is in nobody's way


@pytest.mark.spec("GOV-7")
def test_a_session_of_the_application_in_an_area_is_left_alone(store: Store, charter: Charter) -> None:
    initialise(charter, "works")
    with store.begin() as uow:
        uow.sessions.create(session_id="own", area_id="works", problem_statement="ours")
        uow.sessions.add_candidate("own", ["anything"], candidate_id="c")
        uow.sessions.set_state("own", "ACTIVE")
    old = resolve(charter, "works")
    resolve(charter, "works", "new", supersedes=[old])
    assert charter.session("own").state == "ACTIVE"


@pytest.mark.spec("IDX-10", "GOV-6")
def test_one_engine_serves_many_threads(store: Store, charter: Charter) -> None:
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            area = initialise(charter, f"area {number}")
            old = resolve(charter, area)
            for _ in range(3):
                new = resolve(charter, area, supersedes=[old])
                assert charter.resolution(old).state == "SUPERSEDED"
                assert charter.resolutions(area, state="ACTIVE", type="GENERAL") == (new,)
                old = new
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    assert len(charter.areas()) == 6
    assert fsck(store).findings == ()


@pytest.mark.spec("GOV-6")
def test_an_acceptance_is_one_revision_and_its_receipt_says_so(store: Store, charter: Charter) -> None:
    initialise(charter, "works")
    session_id = propose(charter, "works")
    vote(charter, session_id, "ana")
    with store.read() as view:
        before = view.revision
    receipt = charter.accept(session_id).receipt
    with store.read() as view:
        assert (receipt.revision, receipt.size) == (before + 1, view.journal.size())
        assert receipt.root == view.journal.root()
        entries = list(view.journal.entries(after=receipt.first_position - 1))
    assert {entry.revision for entry in entries} == {receipt.revision}
