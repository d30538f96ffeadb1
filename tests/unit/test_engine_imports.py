"""Resolutions that came by an import: they have no force, and a review only records what became of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from charter_persist import connect
from charter_persist.engine.charter import Charter
from charter_persist.errors import CharterError, InvalidInputError, InvalidTransitionError, NotFoundError, RuleError
from charter_persist.integrity.fsck import fsck
from charter_persist.model.adoption import ImportRecord
from charter_persist.model.resolution import Resolution
from charter_persist.store import Store
from charter_persist.testing.deciding import decide, initialise, propose, resolve, vote

BUNDLE = "b" * 64


@pytest.fixture
def store() -> Iterator[Store]:
    with connect("memory://") as store:
        yield store


@pytest.fixture
def charter(store: Store) -> Charter:
    charter = Charter(store)
    initialise(charter, "works")
    return charter


@pytest.fixture
def imported(store: Store, charter: Charter) -> list[str]:
    """Two resolutions that an import brought into the area: copies of ours from another history."""
    accepted = decide(charter, "works")
    ours = charter.get(accepted.resolutions[0]).object
    with store.begin() as uow:
        digests = []
        for number in range(2):
            sealed = {**charter.get(accepted.session_digest).object, "session_id": f"theirs {number}"}
            session = uow.objects.put("session", sealed)
            theirs = {**ours, "accepted_in_session": f"theirs {number}", "session_digest": session}
            digests.append(uow.objects.put(Resolution.object_type, theirs))
        record = ImportRecord("i-1", BUNDLE, ("works",), tuple(sorted(digests)), 1, 1, "2026-01-01T00:00:00Z")  # type: ignore[arg-type]
        uow.objects.put(ImportRecord.object_type, record.to_content())
    return sorted(digests)


@pytest.mark.spec("GOV-14", "AT-IR-02")
def test_what_was_imported_waits_and_governs_nothing(store: Store, charter: Charter, imported: list[str]) -> None:
    assert list(charter.imported("i-1")) == imported
    views = [charter.resolution(name) for name in imported]
    assert [(view.state, view.imported) for view in views] == [("UNDER_REVIEW", True)] * 2
    assert not set(imported) & set(charter.resolutions("works", state="ACTIVE"))
    assert fsck(store).counts == {}


@pytest.mark.spec("GOV-14", "AT-IMP-LEG-01")
@pytest.mark.parametrize("verb", ["supersede", "transition", "retire", "mark", "clear"])
def test_nothing_is_done_to_an_imported_resolution_but_its_review(
    charter: Charter, imported: list[str], verb: str
) -> None:
    name = imported[0]
    with pytest.raises(RuleError, match="imported"):
        if verb == "supersede":
            propose(charter, "works", supersedes=[name])
        elif verb == "transition":
            propose(charter, "works", transitions={name: "ACTIVE"})
        elif verb == "retire":
            charter.retire(name, actor="ana")
        elif verb == "mark":
            charter.mark_under_review(name)
        else:
            charter.clear_under_review(name)
    assert charter.resolution(name).state == "UNDER_REVIEW"


@pytest.mark.spec("GOV-14", "GOV-3")
def test_a_session_may_look_at_what_waits_for_review(charter: Charter, imported: list[str]) -> None:
    session_id = propose(charter, "works", referenced_resolutions=imported)
    charter.pause(session_id)
    charter.resume(session_id)
    vote(charter, session_id, "ana")
    assert len(charter.accept(session_id).resolutions) == 1


@pytest.mark.spec("GOV-14", "GOV-9", "AT-IR-06")
def test_a_consolidation_names_the_local_resolution_that_took_its_place(charter: Charter, imported: list[str]) -> None:
    one, other = imported
    local = resolve(charter, "works", referenced_resolutions=[one])
    review = charter.review_import("i-1", one, outcome="CONSOLIDATED", local_resolution_id=local, actor="ana")
    assert charter.get(review).object["local_resolution_id"] == local
    assert charter.imported("i-1") == (other,)
    assert [charter.resolution(name).state for name in (one, other, local)] == ["RETIRED", "UNDER_REVIEW", "ACTIVE"]
    told = [
        (event.event_type, event.scope, event.subject[1]) for event in charter.log(subject=("resolution", one)).items
    ]
    assert told == [
        ("IMPORT_REVIEW_COMPLETED", "AREA:works", one),
        ("IMPORT_RESOLUTION_CONSOLIDATED", "GLOBAL", one),
    ]


@pytest.mark.spec("GOV-14", "AT-IR-03")
def test_a_rejection_leaves_the_others_as_they_were(charter: Charter, imported: list[str]) -> None:
    charter.review_import("i-1", imported[0], outcome="REJECTED")
    assert charter.imported("i-1") == (imported[1],)
    assert charter.resolution(imported[1]).state == "UNDER_REVIEW"
    with pytest.raises(InvalidTransitionError):
        charter.review_import("i-1", imported[0], outcome="HISTORICAL")


@pytest.mark.spec("GOV-14", "GOV-9")
def test_closing_an_import_makes_history_of_what_waits(charter: Charter, imported: list[str]) -> None:
    charter.review_import("i-1", imported[0], outcome="REJECTED")
    reviews = charter.close_import("i-1", actor="ana")
    assert [charter.get(name).object["outcome"] for name in reviews] == ["HISTORICAL"]
    assert charter.imported("i-1") == ()
    (closed,) = charter.log(event_type="REVIEW_CLOSED").items
    assert (closed.scope, closed.subject, closed.details) == ("GLOBAL", ("import", "i-1"), {"historical": 1})
    with pytest.raises(NotFoundError):
        charter.close_import("i-1")


@pytest.mark.spec("GOV-13")
def test_an_unknown_import_is_an_error_and_not_an_empty_answer(charter: Charter, imported: list[str]) -> None:
    with pytest.raises(NotFoundError):
        charter.imported("i-2")


@pytest.mark.spec("GOV-14", "P10")
def test_a_wrong_review_is_refused_and_changes_nothing(store: Store, charter: Charter, imported: list[str]) -> None:
    parks = initialise(charter, "parks")
    local, elsewhere, gone = resolve(charter, "works"), resolve(charter, parks), resolve(charter, "works")
    charter.retire(gone, actor="ana")
    cases: list[tuple[str, str, str, str | None, type[CharterError]]] = [
        ("i-2", imported[0], "REJECTED", None, InvalidTransitionError),
        ("i-1", local, "REJECTED", None, InvalidTransitionError),
        ("i-1", "0" * 64, "REJECTED", None, NotFoundError),
        ("i-1", imported[0], "ACCEPTED", None, InvalidInputError),
        ("i-1", imported[0], "CONSOLIDATED", None, InvalidInputError),
        ("i-1", imported[0], "REJECTED", local, InvalidInputError),
        ("i-1", imported[0], "CONSOLIDATED", "0" * 64, NotFoundError),
        ("i-1", imported[0], "CONSOLIDATED", elsewhere, RuleError),
        ("i-1", imported[0], "CONSOLIDATED", gone, RuleError),
        ("i-1", imported[0], "CONSOLIDATED", imported[1], RuleError),
    ]
    with store.read() as view:
        size = view.journal.size()
    for import_id, name, outcome, local_id, error in cases:
        with pytest.raises(error):
            charter.review_import(import_id, name, outcome=outcome, local_resolution_id=local_id)
    with store.read() as view:
        assert view.journal.size() == size
