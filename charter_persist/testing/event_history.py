"""Conformance of what becomes of events: old forms are read as new ones, and what they say can be erased.

Source: ENA-2, REQUIREMENTS 8 (erasure), RELIABILITY P28.
"""

from __future__ import annotations

from typing import Any

import pytest

from charter_persist.backends.contract import EVENT, EXECUTION
from charter_persist.errors import InvalidInputError, NotFoundError
from charter_persist.integrity.verify import verify
from charter_persist.model.event import Custom, ExecutionPaused, ExecutionStarted
from charter_persist.model.upcasting import Upcasters
from charter_persist.proofs import verify_inclusion
from charter_persist.store import Store
from charter_persist.testing.assertions import nothing_written, refused
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.events import append, told
from charter_persist.testing.fixtures import StoreFixtures
from charter_persist.testing.kv_history import sound


@pytest.mark.spec("ENA-2")
class EventUpcastingConformance(StoreFixtures):
    """Old forms are read as new ones; what is stored never changes."""

    def test_old_forms_are_read_as_new_ones(self, store: Store, backdoor: BackDoor) -> None:
        """Step by step, through every read; without steps an event is what it was."""
        upcasters = Upcasters()
        upcasters.register("order", 1, lambda event: {**event, "data": {"items": [event["data"]]}})
        upcasters.register("order", 2, lambda event: {**event, "data": {**event["data"], "currency": "EUR"}})
        upcasters.register("begun", 1, lambda event: {"type": "execution_started", "metadata": event["data"]})
        with store.begin() as uow:
            uow.events.append("e", Custom("order", "tea"), tenant_id="t")
            uow.events.append("e", Custom("order", {"items": []}, v=2), tenant_id="t")
            uow.events.append("e", Custom("order", {}, v=3), tenant_id="t")
            uow.events.append("e", Custom("begun", 7), tenant_id="t")
        before = sorted(backdoor.raw_rows(EVENT))
        new = [
            Custom("order", {"items": ["tea"], "currency": "EUR"}, v=3),
            Custom("order", {"items": [], "currency": "EUR"}, v=3),
            Custom("order", {}, v=3),
            ExecutionStarted(metadata=7),
        ]
        with store.read() as view:
            reads = (
                list(view.events.load("e", upcasters=upcasters)),
                list(view.events.iter_all(upcasters=upcasters)),
                list(view.events.list("e", upcasters=upcasters).items),
                [view.events.get("e", number, upcasters=upcasters) for number in range(1, 5)],
            )
            assert all([event and event.event for event in events] == new for events in reads)
            assert told(view.events.load("e", limit=1)) == ["tea"]
        assert sorted(backdoor.raw_rows(EVENT)) == before
        sound(store)

    def test_a_step_may_mend_an_event_of_the_sixteen(self, store: Store) -> None:
        """It keeps its type, and has no version afterwards, whatever it had on the way there."""
        upcasters = Upcasters()
        upcasters.register("execution_paused", 1, lambda event: {**event, "reason": event["reason"].upper()})
        upcasters.register("execution_paused", 2, lambda event: {**event, "reason": event["reason"] + "!"})
        upcasters.register("waits", 2, lambda event: {**event, "type": "execution_cancelled", "reason": "late"})
        upcasters.register("execution_cancelled", 2, lambda event: {"type": "execution_paused", "reason": "late"})
        with store.begin() as uow:
            uow.events.append("e", ExecutionPaused("tea"), tenant_id="t")
            uow.events.append("e", Custom("waits", None, v=2), tenant_id="t")
        with store.read() as view:
            events = [event.event for event in view.events.load("e", upcasters=upcasters)]
        assert events == [ExecutionPaused("TEA!"), ExecutionPaused("LATE!")]

    def test_a_step_that_leads_nowhere_is_an_error(self, store: Store) -> None:
        """What is no event, a circle, and what the step itself raises."""

        def broken(event: dict[str, Any]) -> dict[str, Any]:
            raise ZeroDivisionError

        steps: dict[str, tuple[Any, type[Exception]]] = {
            "nothing": (lambda event: None, InvalidInputError),
            "misspelt": (lambda event: {"type": "execution_pause"}, InvalidInputError),
            "circle": (lambda event: {**event, "event_type": "elcric"}, InvalidInputError),
            "elcric": (lambda event: {**event, "event_type": "circle"}, InvalidInputError),
            "versions": (lambda event: {**event, "v": []}, InvalidInputError),
            "older": (lambda event: {**event, "v": 0}, InvalidInputError),
            "typed": (lambda event: {"type": []}, InvalidInputError),
            "raises": (broken, ZeroDivisionError),
        }
        upcasters = Upcasters()
        for name, (step, _) in steps.items():
            upcasters.register(name, 1, step)
            with store.begin() as uow:
                uow.events.append(name, Custom(name, {}), tenant_id="t")
        with store.read() as view:
            for name, (_, error) in steps.items():
                if name == "misspelt":  # another name for something that is kept in its own words
                    assert next(view.events.load(name, upcasters=upcasters)).event == Custom("execution_pause", {})
                    continue
                with pytest.raises(error):
                    list(view.events.load(name, upcasters=upcasters))


@pytest.mark.spec("ENA-2", "P28")
class EventErasureConformance(StoreFixtures):
    """Erasure takes what an event says; its number, its entry and every proof stay."""

    def test_an_erased_event_keeps_its_number_and_every_proof(self, store: Store, backdoor: BackDoor) -> None:
        """One of them, then all of the execution, the newest included; others stay."""
        append(store, "e", 1, 2, 3)
        append(store, "f", 4)
        with store.read() as view:
            size, root = view.journal.size(), view.journal.root()
            proofs = [(entry, view.journal.inclusion_proof(entry.position)) for entry in view.journal.entries()]
        with store.begin() as uow:
            assert uow.events.erase("e", sequence=2) == 1
            assert told(uow.events.load("e")) == [1, None, 3]
        with store.begin() as uow:
            assert uow.events.erase("e") == 2
        with store.read() as view:
            events = list(view.events.load("e"))
            assert told(events) == [None] * 3
            assert [(event.sequence, event.type, event.erased) for event in events] == [
                (number, "custom", True) for number in (1, 2, 3)
            ]
            assert told(view.events.load("f")) == [4]
            assert view.journal.root(size) == root
            for entry, proof in proofs:
                verify_inclusion(entry.leaf, entry.position - 1, size, proof, root)
                assert view.journal.entry(entry.position) == entry
            assert [e.subject for e in view.journal.entries(after=size)] == ["e/2", "e/1", "e/3"]
        rows = [row for row in backdoor.raw_rows(EVENT) if row.execution_id == "e"]
        assert [(row.data, row.nonce) for row in rows] == [(None, b"")] * 3
        assert append(store, "e", 5) == 4
        sound(store)

    def test_the_past_shows_no_erased_event(self, store: Store) -> None:
        """It is there, and says nothing."""
        append(store, "e", 1, 2)
        with store.begin() as uow:
            uow.events.erase("e", sequence=1)
        with store.read(as_of=1) as view:
            assert told(view.events.load("e")) == [None, 2]

    def test_what_this_unit_appended_can_be_erased_in_it(self, store: Store, backdoor: BackDoor) -> None:
        """Nothing of it reaches the table."""
        with store.begin() as uow:
            uow.events.append("e", Custom("n", 1), tenant_id="t")
            assert uow.events.erase("e") == 1
            uow.events.append("e", Custom("n", 2), tenant_id="t")
        with store.read() as view:
            assert told(view.events.load("e")) == [None, 2]
        assert sorted(backdoor.raw_rows(EVENT))[0].nonce == b""
        sound(store)

    def test_erasing_twice_records_nothing_and_erasing_nothing_is_an_error(
        self, store: Store, backdoor: BackDoor
    ) -> None:
        """An execution without events, a sequence that is not there."""
        append(store, "e", 1)
        with store.begin() as uow:
            uow.events.erase("e")
        with nothing_written(backdoor), store.begin() as uow:
            assert uow.events.erase("e") == uow.events.erase("e", sequence=1) == 0
            for name, sequence in (("none", None), ("none", 1), ("e", 0), ("e", 2)):
                with refused(NotFoundError, name):
                    uow.events.erase(name, sequence=sequence)

    def test_an_erasure_that_is_rolled_back_takes_nothing(self, store: Store, backdoor: BackDoor) -> None:
        """Like every change it is undone with its unit."""
        append(store, "e", 1)
        with nothing_written(backdoor), pytest.raises(KeyboardInterrupt), store.begin() as uow:
            uow.events.erase("e")
            uow.flush()
            raise KeyboardInterrupt

    def test_what_nobody_erased_and_what_was_changed_is_found(self, store: Store, backdoor: BackDoor) -> None:
        """Every column, a payload that is missing without an erasure after it, rows that are gone or too many."""
        append(store, "e", 1, 2)
        with store.begin() as uow:
            uow.events.erase("e", sequence=1)
        append(store, "e", 3)
        sound(store)
        rows: list[Any] = sorted(backdoor.raw_rows(EVENT))

        def codes() -> set[str]:
            return {finding.code for finding in verify(store, store_id=store.store_id).findings}

        # The erasure stands before the third event, so it accounts for the first one only.
        for row in rows[1:]:
            backdoor.raw_put(EVENT, EVENT.erased(row))
            assert codes() == {"VALUE_MISSING"}
            backdoor.raw_put(EVENT, row)
        others: dict[str, Any] = {
            "data": b'{"type":"execution_resumed"}',
            "tenant_id": "u",
            "sequence": 7,
            "execution_id": "g",
        }
        others |= {"type": "execution_resumed", "recorded_at": 1, "revision": 9, "nonce": bytes(16)}
        for column, value in others.items():
            backdoor.raw_put(EVENT, rows[-1]._replace(**{column: value}))
            assert codes() & {"COMMITMENT_MISMATCH", "SEQUENCE_GAP"}, column
            backdoor.raw_put(EVENT, rows[-1])
        for column in ("sequence", "execution_id", "revision", "recorded_at", "nonce", "tenant_id", "type"):
            value = others[column] if type(others[column]) is not int else 9
            backdoor.raw_put(EVENT, rows[0]._replace(**{column: value}))
            assert "COMMITMENT_MISMATCH" in codes(), column
            backdoor.raw_put(EVENT, rows[0])
        backdoor.raw_delete(EVENT, (rows[1].position,))
        assert codes() == {"VALUE_MISSING", "SEQUENCE_GAP"}
        backdoor.raw_put(EVENT, rows[1])
        (execution,) = backdoor.raw_rows(EXECUTION)
        backdoor.raw_put(EXECUTION, execution._replace(tenant_id="u"))
        assert codes() == {"PROJECTION_MISMATCH"}
        backdoor.raw_delete(EXECUTION, ("e",))
        assert codes() == {"PROJECTION_MISMATCH"}
        backdoor.raw_put(EXECUTION, execution)
        sound(store)
