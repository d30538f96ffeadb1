"""Conformance of the audit log: append-only, one total order, replayable against the journal.

Source: STO-3.3, STO-5.3, GOV-9.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any, Final

import pytest

from charter_persist.backends.contract import AUDIT, JOURNAL
from charter_persist.errors import AlreadyExistsError, IntegrityError, InvalidInputError
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.records import AuditEvent
from charter_persist.store import Store
from charter_persist.testing.assertions import nothing_written, refused
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.fixtures import OpenStore, StoreFixtures
from charter_persist.testing.objects import all_pages
from charter_persist.testing.sources import CountingSources

SUBJECT: Final = ("area", "x")
NO_CONTEXT: Final = {"authority_resolution_id": None, "scope_resolution_id": None, "session_id": None}
BAD_FIELDS: Final[list[tuple[dict[str, Any], str]]] = [
    ({"event_type": ""}, "event type"),
    ({"event_type": "A B"}, "event type"),
    ({"event_type": "A" * 129}, "event type"),
    ({"event_type": None}, "event type"),
    ({"scope": ""}, "scope"),
    ({"scope": "global"}, "scope"),
    ({"scope": "AREA:"}, "scope"),
    ({"scope": "AREA"}, "scope"),
    ({"scope": None}, "scope"),
    ({"subject": ("area", "")}, "subject id"),
    ({"subject": ("", "x")}, "subject type"),
    ({"subject": ("area",)}, "subject"),
    ({"subject": ["area", "x"]}, "subject"),
    ({"subject": "area"}, "subject"),
    ({"actor": ""}, "actor"),
    ({"actor": 7}, "actor"),
    ({"event_id": ""}, "event_id"),
    ({"event_id": 7}, "event_id"),
    ({"context": {"who": "x"}}, "who"),
    ({"context": {"session_id": ""}}, "session_id"),
    ({"occurred_at": datetime(2026, 1, 1)}, "aware"),  # that is what is tested
    ({"occurred_at": "2026-01-01T00:00:00Z"}, "aware"),
]


def append(store: Store, *events: dict[str, Any]) -> list[AuditEvent]:
    """Append events in one unit; what they do not say is filled in."""
    with store.begin() as uow:
        return [uow.audit.append(**{"event_type": "NOTED", "scope": "GLOBAL", "subject": SUBJECT, **e}) for e in events]


@pytest.mark.spec("STO-3.3")
class AuditStoreConformance(StoreFixtures):
    """What an audit store must do."""

    def test_an_event_is_stored_whole(self, open_store: OpenStore, backdoor: BackDoor) -> None:
        """All fields come back; what was not given is an explicit null; id and time are those of the unit."""
        with open_store(**CountingSources().arguments()) as store:
            given = {
                "actor": "ana",
                "details": {"n": 1.0},
                "context": {"session_id": "s"},
                "event_id": "e",
                "occurred_at": datetime(2020, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))),
            }
            full, bare = append(store, given, {})
            with store.read() as view:
                assert list(view.audit.iter()) == [full, bare]
                assert view.audit.get("e") == full
                assert view.audit.get("f") is None
        assert full.to_json() == {
            "event_id": "e",
            "event_type": "NOTED",
            "occurred_at": "2020-01-01T00:00:00Z",
            "actor": "ana",
            "scope": "GLOBAL",
            "subject": {"object_type": "area", "object_id": "x"},
            "context": {**NO_CONTEXT, "session_id": "s"},
            "details": {"n": 1},
        }
        assert (bare.position, bare.event_id, bare.actor, bare.details) == (2, "id-00000002", None, None)
        assert bare.context == NO_CONTEXT
        assert bare.occurred_at == datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
        row = backdoor.raw_get(AUDIT, ("e",))
        # Catches an event that is put together from columns: what is hashed is one text.
        assert row is not None
        assert row.data == canonical_bytes(full.to_json())

    def test_events_come_in_the_order_of_appending(self, store: Store) -> None:
        """Neither ids nor times decide the order."""
        moments = [datetime(2026, 1, day, tzinfo=UTC) for day in (3, 1, 2)]
        append(store, *[{"event_id": f"z{9 - n}", "occurred_at": moment} for n, moment in enumerate(moments)])
        append(store, {"event_id": "a", "occurred_at": datetime(1970, 1, 1, tzinfo=UTC)})
        with store.read() as view:
            assert [event.event_id for event in view.audit.iter()] == ["z9", "z8", "z7", "a"]
            assert [event.position for event in view.audit.iter()] == [1, 2, 3, 4]
            assert [event.event_id for event in view.audit.iter(reverse=True)] == ["a", "z7", "z8", "z9"]

    def test_an_event_id_is_used_once(self, store: Store, backdoor: BackDoor) -> None:
        """An event is never replaced, in the same unit or in a later one."""
        append(store, {"event_id": "e"})
        with nothing_written(backdoor), refused(AlreadyExistsError, "e"):
            append(store, {"event_id": "e", "details": "other"})
        with nothing_written(backdoor), refused(AlreadyExistsError, "f"):
            append(store, {"event_id": "f"}, {"event_id": "f"})

    @pytest.mark.parametrize(("field", "word"), BAD_FIELDS, ids=ascii)
    def test_a_field_of_an_event_outside_its_grammar_is_refused(
        self, store: Store, backdoor: BackDoor, field: dict[str, Any], word: str
    ) -> None:
        """The error is an InvalidInputError whose message names the field."""
        with nothing_written(backdoor), pytest.raises(InvalidInputError, match=word):
            append(store, field)

    def test_filters_of_events_choose_and_keep_the_order(self, store: Store) -> None:
        """Every filter that is given must fit; any combination gives what a loop over all events gives."""
        scopes, kinds, subjects = ("GLOBAL", "AREA:x", "AREA:xy"), ("NOTED", "SEEN"), (SUBJECT, ("area", "xy"))
        append(
            store,
            *[
                {"scope": scopes[n % 3], "event_type": kinds[n // 3 % 2], "subject": subjects[n // 7 % 2]}
                for n in range(90)
            ],
        )
        with store.read() as view:
            everything = list(view.audit.iter())
            for scope in (None, *scopes):
                for kind in (None, *kinds):
                    for subject in (None, *subjects):
                        fitting = [
                            event
                            for event in everything
                            if scope in (None, event.scope)
                            and kind in (None, event.event_type)
                            and subject in (None, event.subject)
                        ]
                        found = view.audit.iter(scope=scope, event_type=kind, subject=subject)
                        assert list(found) == fitting
                        back = view.audit.iter(scope=scope, event_type=kind, subject=subject, reverse=True)
                        assert list(back) == fitting[::-1]

    def test_reading_events_goes_on_at_every_position(self, store: Store) -> None:
        """`after` is exclusive in both directions, at each position and beyond the last."""
        append(store, *[{"scope": "AREA:x" if n % 2 else "GLOBAL"} for n in range(6)])
        with store.read() as view:
            for scope, positions in (("AREA:x", [2, 4, 6]), (None, [1, 2, 3, 4, 5, 6])):
                for after in range(9):
                    onwards = [event.position for event in view.audit.iter(scope=scope, after=after)]
                    assert onwards == [position for position in positions if position > after]
                    back = [event.position for event in view.audit.iter(scope=scope, after=after, reverse=True)]
                    assert back == [position for position in reversed(positions) if after == 0 or position < after]
            with refused(InvalidInputError, "after"):
                list(view.audit.iter(after=-1))

    @pytest.mark.parametrize("reverse", [False, True])
    @pytest.mark.parametrize("limit", [1, 3, 6, 7])
    def test_pages_give_each_event_once(self, store: Store, limit: int, reverse: bool) -> None:
        """Pages neither repeat nor skip in either direction, with a filter."""
        append(store, *[{"scope": "AREA:x" if n % 2 else "GLOBAL"} for n in range(12)])
        with store.read() as view:
            list_page = partial(view.audit.list, scope="AREA:x", reverse=reverse)
            found = list(view.audit.iter(scope="AREA:x", reverse=reverse))
            assert all_pages(list_page, limit, 6, revision=1) == found

    @pytest.mark.parametrize(
        "filters",
        [
            {"scope": "x"},
            {"scope": "AREA:"},
            {"event_type": "A B"},
            {"subject": ("area", "")},
            {"subject": ("\0", "x")},
        ],
        ids=ascii,
    )
    def test_a_filter_of_events_outside_its_grammar_is_refused(self, store: Store, filters: dict[str, Any]) -> None:
        """A mistyped filter is an error, not an empty answer."""
        with store.read() as view:
            with pytest.raises(InvalidInputError):
                list(view.audit.iter(**filters))
            with pytest.raises(InvalidInputError):
                view.audit.list(**filters)

    def test_a_unit_sees_what_it_appended(self, store: Store) -> None:
        """Reads of a unit see its own events, and no other view does."""
        with store.begin() as uow:
            event = uow.audit.append("NOTED", scope="GLOBAL", subject=SUBJECT)
            assert list(uow.audit.iter()) == [event]
            assert uow.audit.get(event.event_id) == event
            with store.read() as view:
                assert list(view.audit.iter()) == []

    @pytest.mark.spec("STO-5.3")
    def test_a_replay_of_the_audit_log_gives_every_event(self, store: Store) -> None:
        """A sound log is replayed in order, between entries of other stores, from any position on."""
        with store.begin() as uow:
            for n in range(150):
                uow.objects.put("doc", n)
                uow.audit.append("NOTED", scope="GLOBAL", subject=SUBJECT, details=n)
        with store.read() as view:
            assert list(view.audit.replay()) == list(view.audit.iter())
            assert [event.details for event in view.audit.replay(after=100)] == list(range(50, 150))

    @pytest.mark.spec("STO-5.3")
    @pytest.mark.parametrize("damage", ["changed", "removed", "removed the last", "added"])
    def test_a_replay_of_the_audit_log_finds_damage(self, store: Store, backdoor: BackDoor, damage: str) -> None:
        """An event that was changed, removed or added outside the journal is an error."""
        append(store, {"event_id": "a"}, {"event_id": "b"}, {"event_id": "c"})
        row = backdoor.raw_get(AUDIT, ("c" if damage == "removed the last" else "b",))
        assert row is not None
        if damage == "changed":
            backdoor.raw_put(AUDIT, row._replace(data=row.data.replace(b"NOTED", b"NOTES")))
        elif damage == "added":
            backdoor.raw_put(AUDIT, row._replace(event_id="d", position=4))
        else:
            backdoor.raw_delete(AUDIT, (row.event_id,))
        with store.read() as view, refused(IntegrityError, "position"):
            list(view.audit.replay())

    def test_repositories_never_append_events_themselves(self, store: Store, backdoor: BackDoor) -> None:
        """The journal is what records every change; events are the application's."""
        with store.begin() as uow:
            digest = uow.objects.put("doc", 1)
            uow.refs.set("a", digest, expected=0)
            uow.metadata.set("k", 1)
            uow.sessions.create(area_id="x", problem_statement="why")
        assert backdoor.raw_rows(AUDIT) == []
        assert len(backdoor.raw_rows(JOURNAL)) == 4
