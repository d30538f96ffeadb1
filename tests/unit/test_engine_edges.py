"""The engine beside what applications do with the same stores, and areas that are retired."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from charter_persist import Charter, Store, connect
from charter_persist.errors import InvalidInputError, RuleError
from charter_persist.testing.deciding import decide, initialise, propose


@pytest.fixture
def store() -> Iterator[Store]:
    with connect("memory://") as store:
        yield store


def test_a_candidate_that_was_added_past_the_engine_hinders_nobody_and_is_never_accepted(store: Store) -> None:
    charter = Charter(store)
    area_id = initialise(charter, "a")
    session_id = propose(charter, area_id)
    with store.begin() as uow:
        uow.sessions.add_candidate(session_id, {"no": "proposal"}, candidate_id="raw")
    govern_again = {"text": "Ben decides.", "rule": "SOLE_ACTOR", "actors": ["ben"]}
    other = propose(charter, area_id)
    charter.record_stance(other, candidate_id="c", stance="ACCEPT", actor="ana")
    charter.record_stance(session_id, candidate_id="raw", stance="ACCEPT", actor="ana")
    with pytest.raises(InvalidInputError):
        charter.accept(session_id, candidate_ids=["raw"])
    decide(charter, area_id, type="AUTHORITY", content=govern_again)
    assert charter.session(session_id).state == charter.session(other).state == "BLOCKED"


@pytest.mark.spec("GOV-8")
def test_labels_and_marks_of_a_retired_area_stay_as_they_are(store: Store) -> None:
    charter = Charter(store)
    area_id = initialise(charter, "a")
    (digest,) = decide(charter, area_id).resolutions
    charter.set_label(area_id, "best", digest)
    charter.retire_area(area_id, reason="merged")
    for refused in (
        lambda: charter.set_label(area_id, "other", digest),
        lambda: charter.delete_label(area_id, "best"),
        lambda: charter.mark_under_review(digest),
        lambda: charter.clear_under_review(digest),
    ):
        with pytest.raises(RuleError):
            refused()
    assert charter.label(area_id, "best") == digest
