"""What each verb leaves in the audit log: every fact once, in the scope it belongs to, with its context."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from charter_persist.engine.charter import Charter
from charter_persist.model.records import AuditEvent
from charter_persist.testing.deciding import CANDIDATE, authority_content, decide, propose, resolve, vote


def appended(charter: Charter, act: Callable[[], Any]) -> list[AuditEvent]:
    """The events that something left."""
    before = charter.log(reverse=True, limit=1).items
    act()
    events = charter.log(limit=10_000).items
    return [event for event in events if not before or event.position > before[0].position]


def words(events: list[AuditEvent]) -> list[tuple[str, str, str]]:
    return [(event.event_type, event.scope, event.subject[0]) for event in events]


@pytest.mark.spec("GOV-9", "AT-AUD-01", "AT-AUD-02")
def test_the_life_of_an_area_is_recorded_in_the_scope_that_outlives_it(charter: Charter) -> None:
    made = appended(charter, lambda: charter.create_area(label="a", area_id="a-1", actor="ana"))
    retired = appended(charter, lambda: charter.retire_area("a-1", reason="merged", actor="ben"))
    assert words(made) == [("AREA_CREATED", "GLOBAL", "area")]
    assert words(retired) == [("AREA_RETIRED", "GLOBAL", "area")]
    assert [event.subject[1] for event in (*made, *retired)] == ["a-1", "a-1"]
    assert [event.actor for event in (*made, *retired)] == ["ana", "ben"]
    assert (made[0].details, retired[0].details) == ({"label": "a"}, {"reason": "merged"})
    assert made[0].context == {
        "authority_resolution_id": None,
        "scope_resolution_id": None,
        "session_id": None,
    }


@pytest.mark.spec("GOV-9", "GOV-4")
def test_each_step_of_a_session_is_one_event_in_the_scope_of_its_area(charter: Charter, council: str) -> None:
    session_id = "s-1"

    def act() -> None:
        charter.start_session(council, problem_statement="Why?", session_id=session_id, actor="ana")
        charter.add_candidate(session_id, content={"text": "x"}, candidate_id=CANDIDATE, actor="ana")
        charter.start(session_id, actor="ana")
        vote(charter, session_id, "ana", "ben")
        vote(charter, session_id, "ben", stance="REJECT")
        charter.pause(session_id, actor="ana")
        charter.resume(session_id, actor="ana")
        charter.block(session_id, reason="wait", actor="ana")
        charter.unblock(session_id, actor="ana")
        charter.close(session_id, reason="no use", actor="ana")

    events = appended(charter, act)
    assert words(events) == [
        (name, f"AREA:{council}", "session")
        for name in (
            "SESSION_CREATED",
            "CANDIDATE_ADDED",
            "SESSION_STARTED",
            "FIRST_STANCE_RECORDED",
            "STANCE_RECORDED",
            "STANCE_CHANGED",
            "SESSION_PAUSED",
            "SESSION_RESUMED",
            "SESSION_BLOCKED",
            "SESSION_UNBLOCKED",
            "SESSION_CLOSED",
        )
    ]
    governed = charter.area(council)
    assert [event.context for event in events] == [
        {
            "authority_resolution_id": governed.authority,
            "scope_resolution_id": governed.scope,
            "session_id": session_id,
        }
    ] * len(events)
    assert {event.subject for event in events} == {("session", session_id)}
    assert [event.actor for event in events if "STANCE" in event.event_type] == ["ana", "ben", "ben"]
    assert events[8].details == {"from": "ACTIVE", "to": "BLOCKED", "reason": "wait"}
    assert events[10].details == {"from": "PAUSED", "to": "CLOSED", "reason": "no use"}


@pytest.mark.spec("GOV-6", "GOV-8", "GOV-9")
def test_an_acceptance_records_session_resolutions_refs_and_what_they_ended(charter: Charter, area: str) -> None:
    old = charter.area(area).authority
    running = propose(charter, area)
    session_id = propose(charter, area, type="AUTHORITY", content=authority_content("SOLE_ACTOR", ["ana"]))
    vote(charter, session_id, "ana")
    accepted: list[Any] = []
    events = appended(charter, lambda: accepted.append(charter.accept(session_id, actor="ana")))
    (new,) = accepted[0].resolutions
    scope = f"AREA:{area}"
    assert words(events) == [
        ("SESSION_ACCEPTED", scope, "session"),
        ("RESOLUTION_ACCEPTED", scope, "resolution"),
        ("RESOLUTION_SUPERSEDED", scope, "resolution"),
        ("REF_UPDATED", scope, "ref"),
        ("AUTHORITY_CHANGED", scope, "area"),
        ("SESSION_BLOCKED", scope, "session"),
    ]
    assert [event.subject[1] for event in events] == [session_id, new, old, f"area/{area}/authority", area, running]
    assert events[2].details == {"superseded_by": new}
    assert events[3].details == {"from": old, "to": new, "version": 2}
    assert events[4].details == {"from": old, "to": new}
    assert {event.occurred_at for event in events} == {events[0].occurred_at}
    assert accepted[0].receipt.size >= events[-1].position >= events[0].position >= accepted[0].receipt.first_position


@pytest.mark.spec("GOV-2", "GOV-9")
def test_each_change_of_a_resolution_is_recorded_on_it(charter: Charter, area: str) -> None:
    digest = resolve(charter, area)
    charter.mark_under_review(digest, actor="ana")
    charter.clear_under_review(digest, actor="ana")
    charter.retire(digest, actor="ana")
    events = charter.log(area, subject=("resolution", digest)).items
    assert [(event.event_type, event.details.get("from"), event.details.get("to")) for event in events] == [
        ("RESOLUTION_ACCEPTED", None, None),
        ("RESOLUTION_UNDER_REVIEW", "ACTIVE", "UNDER_REVIEW"),
        ("RESOLUTION_REVIEW_CLEARED", "UNDER_REVIEW", "ACTIVE"),
        ("RESOLUTION_RETIRED", "ACTIVE", "RETIRED"),
    ]
    assert [event.context["session_id"] is None for event in events] == [False, True, True, False]


@pytest.mark.spec("GOV-8", "GOV-9")
def test_labels_are_recorded_as_refs_of_their_area(charter: Charter, area: str) -> None:
    one, two = resolve(charter, area), resolve(charter, area)

    def act() -> None:
        charter.set_label(area, "best", one, actor="ana")
        charter.set_label(area, "best", two, actor="ana")
        charter.delete_label(area, "best", actor="ana")
        charter.set_label(area, "best", one, actor="ana")

    events = appended(charter, act)
    assert words(events) == [
        (name, f"AREA:{area}", "ref") for name in ("REF_CREATED", "REF_UPDATED", "REF_DELETED", "REF_CREATED")
    ]
    assert [(event.details["from"], event.details["to"], event.details["version"]) for event in events] == [
        (None, one, 1),
        (one, two, 2),
        (two, None, 3),
        (None, one, 4),
    ]


@pytest.mark.spec("GOV-8", "GOV-9")
def test_the_refs_of_an_area_can_be_rebuilt_from_its_audit_log_and_from_its_objects(
    charter: Charter, area: str
) -> None:
    for text in ("one", "two"):
        decide(charter, area, type="AUTHORITY", content=authority_content("SOLE_ACTOR", ["ana"], text))
        decide(charter, area, type="SCOPE", content={"text": text})
    refs: dict[str, str] = {}
    for event in charter.log(area, limit=10_000).items:
        if event.event_type in ("REF_CREATED", "REF_UPDATED"):
            refs[event.subject[1]] = event.details["to"]
    view = charter.area(area)
    assert refs == {f"area/{area}/authority": view.authority, f"area/{area}/scope": view.scope}
    for kind in ("AUTHORITY", "SCOPE"):
        assert charter.resolutions(area, state="ACTIVE", type=kind) == (refs[f"area/{area}/{kind.lower()}"],)


@pytest.mark.spec("GOV-9")
def test_every_event_has_all_its_fields_with_explicit_nulls(charter: Charter, area: str) -> None:
    resolve(charter, area)
    charter.set_label(area, "x", resolve(charter, area))
    for event in charter.log(limit=10_000).items:
        shown = event.to_json()
        assert sorted(shown) == sorted(
            ["actor", "context", "details", "event_id", "event_type", "occurred_at", "scope", "subject"]
        )
        assert sorted(shown["context"]) == ["authority_resolution_id", "scope_resolution_id", "session_id"]
        assert event.scope in ("GLOBAL", f"AREA:{area}")


@pytest.mark.spec("AT-AUD-01", "STO-3.3")
def test_the_events_of_an_area_outlive_it(charter: Charter, area: str) -> None:
    before = charter.log(area, limit=10_000).items
    charter.retire_area(area)
    assert charter.log(area, limit=10_000).items == before
    assert not [name for name in dir(charter) if "audit" in name or "delete_event" in name]
