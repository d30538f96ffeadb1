"""Conformance of following executions: events as they are appended, threads and messages as they change.

Source: ENA-2, KV-5, DESIGN 3 (watch patterns).
"""

from __future__ import annotations

import threading

import pytest

from charter_persist.errors import InvalidInputError
from charter_persist.model.canonical import load_canonical
from charter_persist.model.event import Custom, event_from_json
from charter_persist.store import Store
from charter_persist.testing.assertions import refused
from charter_persist.testing.events import append
from charter_persist.testing.fixtures import OpenStore, StoreFixtures
from charter_persist.testing.messages import converse
from charter_persist.testing.watch import told, watching


@pytest.mark.spec("ENA-2", "ENA-4", "KV-5")
class WatchExecutionConformance(StoreFixtures):
    """What a watch tells of events, threads and messages."""

    def test_a_watch_catches_up_with_one_execution_and_follows_it(self, open_store: OpenStore, store: Store) -> None:
        """From any bookmark on, each event once and in order, then what another handle appends."""
        for number in range(1, 6):
            append(store, "e", number)
            append(store, "e2", 100)
        for after in range(11):
            with watching(store, "event:e/*", after) as watch, open_store() as other:
                late = threading.Thread(target=append, args=(other, "e", 6))
                found: list[int] = []
                late.start()
                while 6 not in found:
                    for event in next(watch).events:
                        assert isinstance(event.new_value, bytes)
                        value = event_from_json(load_canonical(event.new_value))
                        assert isinstance(value, Custom)
                        assert (event.type, event.old_value) == ("created", None)
                        found.append(value.data)
                late.join()
            expected = list(range(after // 2 + after % 2 + 1, 6))
            assert found[: len(expected) + 1] == [*expected, 6]
            assert [event[1] for event in told(store, "event:e/3", 1)] == ["e/3"]

    def test_an_erased_event_is_told_as_its_erasure_alone(self, store: Store) -> None:
        """Also to whoever comes late; the number of an event is its version."""
        append(store, "e", 1, 2)
        with store.begin() as uow:
            uow.events.erase("e", sequence=1)
        append(store, "e", 3)
        batches = told(store, "event:*", 3)
        assert [(kind, key, version) for kind, key, _, _, version in batches] == [
            ("created", "e/2", 2),
            ("deleted", "e/1", 0),
            ("created", "e/3", 3),
        ]

    def test_messages_are_told_with_what_they_said_before(self, store: Store) -> None:
        """By thread, by message and all of them; threads are a store of their own."""
        converse(store, count=1)
        converse(store, "u", count=1)
        with store.begin() as uow:
            uow.messages.update_message("t-1", expected=1, content="new")
            uow.messages.update_thread("t", title="new")
        with store.begin() as uow:
            uow.messages.delete_message("t-1")
        created, updated, deleted = told(store, "message:t/*", 3)
        assert [(one[0], one[1], one[4]) for one in (created, updated, deleted)] == [
            ("created", "t/t-1", 1),
            ("updated", "t/t-1", 2),
            ("updated", "t/t-1", 3),
        ]
        assert (created[2], updated[2], deleted[2]) == (None, created[3], updated[3])
        assert load_canonical(updated[3])["content"] == "new"
        assert load_canonical(deleted[3])["deleted_at"]
        assert [one[:2] for one in told(store, "thread:*", 3)] == [
            ("created", "t"),
            ("created", "u"),
            ("updated", "t"),
        ]
        with store.begin() as uow:
            uow.messages.erase_thread("t")
        assert [one[:2] for one in told(store, "message:*", 2)] == [("created", "u/u-1"), ("deleted", "t/t-1")]
        assert [one[:2] for one in told(store, "thread:t", 1)] == [("deleted", "t")]

    def test_cached_states_cannot_be_watched(self, store: Store) -> None:
        """No journal entry tells of them."""
        with refused(InvalidInputError, "state"):
            store.watch("state:*")
