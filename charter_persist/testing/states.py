"""Conformance of cached states: what is kept, how long, how stale it is, and that all of it may go.

Source: ENA-3, NEIGHBOURS 4, 5.3 and 6 (row 7).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from charter_persist.backends.contract import STATE_SNAPSHOT, STATE_VALUE
from charter_persist.errors import (
    InvalidInputError,
    InvalidKeyError,
    LimitExceededError,
    NotCanonicalError,
    NotSupportedError,
    StoreClosedError,
)
from charter_persist.model.event import ExecutionResumed
from charter_persist.model.limits import Options
from charter_persist.model.state import ExecutionSnapshot
from charter_persist.store import Store
from charter_persist.testing.assertions import nothing_written, refused
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.fixtures import OpenStore, StoreFixtures
from charter_persist.testing.kv_history import sound
from charter_persist.testing.names import LITERAL, NOT_TEXTS, REFUSED
from charter_persist.unit_of_work import UnitOfWork

MOMENT: Final = datetime(2026, 1, 1, tzinfo=UTC)
SNAPSHOT: Final = ExecutionSnapshot(
    execution_id="e",
    tenant_id="t",
    state="running",
    sequence_number=1,
    timestamp=MOMENT,
    user_id="ana",
    current_step_id="s-1",
    step_outputs={"s-0": {"text": "\u20ac"}},
    variables={"n": 1.5, "none": None},
)
KEYED: Final[dict[str, Callable[[UnitOfWork, Any], Any]]] = {
    "set": lambda uow, key: uow.states.set(key, b"1"),
    "set_json": lambda uow, key: uow.states.set_json(key, 1),
    "get": lambda uow, key: uow.states.get(key),
    "get_json": lambda uow, key: uow.states.get_json(key),
    "exists": lambda uow, key: uow.states.exists(key),
    "delete": lambda uow, key: uow.states.delete(key),
}


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = MOMENT

    def __call__(self) -> datetime:
        """The time now."""
        return self.now

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


def append(store: Store, count: int = 1) -> None:
    """Append events to the execution of `SNAPSHOT`."""
    with store.begin() as uow:
        uow.events.append_batch("e", [ExecutionResumed()] * count, tenant_id="t")


@pytest.mark.spec("ENA-3")
class StateStoreConformance(StoreFixtures):
    """Snapshots and values by key."""

    def test_a_snapshot_comes_back_as_it_was_saved(self, store: Store) -> None:
        """The newest one of its execution, in another handle's view as well; with the least it may have too."""
        least = ExecutionSnapshot(
            execution_id="e", tenant_id="t", state="", sequence_number=0, timestamp=MOMENT + timedelta(microseconds=1)
        )
        for snapshot in (SNAPSHOT, least, SNAPSHOT):
            with store.begin() as uow:
                uow.states.save_snapshot(snapshot)
                assert uow.states.load_snapshot("e") == snapshot
            with store.read() as view:
                assert view.states.load_snapshot("e") == snapshot
                assert view.states.load_snapshot("other") is None

    def test_a_snapshot_says_itself_whether_it_is_stale(self, store: Store) -> None:
        """It is fresh when it reflects the newest event; stale behind it, and where events are missing."""
        with store.begin() as uow:
            uow.states.save_snapshot(SNAPSHOT)
        assert SNAPSHOT.is_stale
        expected = {0: -1, 1: 0, 2: 1, 5: 4}
        count = 0
        for events, behind in expected.items():
            append(store, events - count)
            count = events
            with store.read() as view:
                found = view.states.load_snapshot("e")
                assert found is not None
                assert found.is_stale is (behind != 0)
                assert found.latest == events
                assert view.states.staleness("e") == behind
                assert view.states.list_snapshots("t").items[0].is_stale is (behind != 0)
                assert view.states.staleness("other") is None
        with store.begin() as uow:
            uow.states.save_snapshot(replace(SNAPSHOT, sequence_number=5))
            assert uow.states.staleness("e") == 0
            uow.events.append("e", ExecutionResumed(), tenant_id="t")
            assert uow.states.staleness("e") == 1

    def test_snapshots_are_listed_by_tenant(self, store: Store) -> None:
        """Each once, by the bytes of the execution's id; one that changed its tenant is listed there alone."""
        with store.begin() as uow:
            for name in ("b", "a", "\u00e9", "Z"):
                uow.states.save_snapshot(replace(SNAPSHOT, execution_id=name))
            uow.states.save_snapshot(replace(SNAPSHOT, execution_id="b", tenant_id="u"))
        with store.read() as view:
            first = view.states.list_snapshots("t", limit=2)
            second = view.states.list_snapshots("t", limit=2, cursor=first.cursor)
            assert [one.execution_id for one in (*first.items, *second.items)] == ["Z", "a", "\u00e9"]
            assert second.cursor is None
            assert [one.execution_id for one in view.states.list_snapshots("u").items] == ["b"]
            assert view.states.list_snapshots("v").items == ()

    def test_values_are_kept_by_exactly_their_keys(self, store: Store) -> None:
        """Catches a key that is made into a file name: ``a/b``, ``a_b`` and ``a:b`` are three."""
        keys = ["a/b", "a_b", "a:b", "a\\b", "a b", "A/B", "a/b/", *LITERAL]
        with store.begin() as uow:
            for key in keys:
                uow.states.set(key, key.encode())
        with store.read() as view:
            assert [view.states.get(key) for key in keys] == [key.encode() for key in keys]
            assert view.states.get("a") is None
            assert not view.states.exists("a")
            assert view.states.exists("a/b")

    def test_a_value_is_absent_once_its_time_is_over(self, open_store: OpenStore, backdoor: BackDoor) -> None:
        """By the store's clock, in views and units; setting it again begins anew."""
        clock = Clock()
        with open_store(clock=clock) as store:
            with store.begin() as uow:
                uow.states.set("short", b"1", ttl_s=10)
                uow.states.set("shorter", b"1", ttl_s=0.5)
                uow.states.set("ever", b"1")
            clock.move(0.499_999)
            with store.read() as view:
                assert view.states.exists("shorter")
            clock.move(0.000_001)
            with store.read() as view:
                assert view.states.get("shorter") is None
                assert not view.states.exists("shorter")
                assert view.states.get("short") == view.states.get("ever") == b"1"
            clock.move(10)
            with store.begin() as uow:
                assert uow.states.get("short") is None
                assert not uow.states.delete("short")
                assert not uow.states.delete("short")
                uow.states.set("shorter", b"2")
            clock.move(10**9)
            with store.read() as view:
                assert view.states.get("shorter") == b"2"
                assert view.states.get("ever") == b"1"
            assert {row.key for row in backdoor.raw_rows(STATE_VALUE)} == {"shorter", "ever"}

    def test_what_expired_goes_with_a_later_write_or_when_it_is_asked_for(
        self, open_store: OpenStore, backdoor: BackDoor
    ) -> None:
        """Reading changes nothing; a write takes a bounded number along."""
        clock = Clock()
        with open_store(clock=clock) as store:
            with store.begin() as uow:
                for number in range(250):
                    uow.states.set(f"{number}", b"1", ttl_s=1)
                uow.states.set("kept", b"1", ttl_s=100)
            clock.move(1)  # the very moment
            with nothing_written(backdoor), store.read() as view:
                assert view.states.get("7") is None
            with store.begin() as uow:
                uow.states.set("new", b"1")
                uow.states.set("newer", b"1")
            assert len(backdoor.raw_rows(STATE_VALUE)) == 153
            with store.begin() as uow:
                assert uow.states.purge_expired() == 150
                assert uow.states.purge_expired() == 0
            assert {row.key for row in backdoor.raw_rows(STATE_VALUE)} == {"kept", "new", "newer"}

    def test_json_values_come_back_as_they_were(self, store: Store) -> None:
        """And what is no JSON is said to be none."""
        values: list[Any] = [None, True, 7, 1.5, "\u20ac", [1, {"a": None}], {}]
        with store.begin() as uow:
            for number, value in enumerate(values):
                uow.states.set_json(f"{number}", value)
            uow.states.set("bytes", b"\xff")
        with store.read() as view:
            assert [view.states.get_json(f"{number}") for number in range(len(values))] == values
            assert view.states.get_json("absent") is None
            with refused(NotCanonicalError):
                view.states.get_json("bytes")

    def test_deleting_says_whether_there_was_anything(self, store: Store) -> None:
        """Of a value and of a snapshot."""
        with store.begin() as uow:
            uow.states.save_snapshot(SNAPSHOT)
            uow.states.set("k", b"1")
        with store.begin() as uow:
            assert uow.states.delete("k")
            assert not uow.states.delete("k")
            assert uow.states.delete_snapshot("e")
            assert not uow.states.delete_snapshot("e")
        with store.read() as view:
            assert (view.states.get("k"), view.states.load_snapshot("e")) == (None, None)

    def test_what_an_execution_cached_goes_together(self, store: Store) -> None:
        """Its snapshot and the keys below its id, and nothing of another one."""
        with store.begin() as uow:
            for name in ("e", "e2"):
                uow.states.save_snapshot(replace(SNAPSHOT, execution_id=name))
                for key in (name, f"{name}/a", f"{name}/b/c", f"{name}:a"):
                    uow.states.set(key, b"1")
        with store.begin() as uow:
            assert uow.states.delete_execution("e") == 3
            assert uow.states.delete_execution("e") == 0
        with store.read() as view:
            assert [view.states.exists(key) for key in ("e", "e/a", "e/b/c", "e:a", "e2/a")] == [
                True,
                False,
                False,
                True,
                True,
            ]
            assert view.states.load_snapshot("e2") is not None


@pytest.mark.spec("ENA-3")
class StateCacheConformance(StoreFixtures):
    """It is a cache: nothing authoritative knows of it, and dropping it loses nothing."""

    def test_a_unit_of_states_alone_has_no_entry_and_no_receipt(self, store: Store) -> None:
        """Through `begin` and through `run`; what it wrote is there all the same."""
        with store.begin() as uow:
            uow.states.set("a", b"1")
            assert uow.flush() is None
        assert uow.receipt is None
        outcome = store.run(lambda unit: unit.states.set("b", b"2"))
        assert outcome.receipt is None
        again = store.run(lambda unit: unit.states.set("c", b"3"), operation_id="op")
        assert again.receipt is None
        with store.read() as view:
            assert [view.states.get(key) for key in "abc"] == [b"1", b"2", b"3"]
            assert (view.revision, view.journal.size()) == (0, 0)

    def test_states_go_with_their_unit(self, store: Store, backdoor: BackDoor) -> None:
        """What is undone leaves none, and beside authoritative changes they share the commit."""
        with nothing_written(backdoor), pytest.raises(KeyboardInterrupt), store.begin() as uow:
            uow.states.set("a", b"1")
            uow.flush()
            raise KeyboardInterrupt
        with store.begin() as uow:
            uow.states.set("a", b"1")
            uow.events.append("e", ExecutionResumed(), tenant_id="t")
        assert uow.receipt is not None
        assert (uow.receipt.first_position, uow.receipt.size) == (1, 1)

    def test_all_of_it_may_be_dropped(self, store: Store, backdoor: BackDoor) -> None:
        """Events stay, the store is sound, and a snapshot can be saved again."""
        append(store, 2)
        with store.begin() as uow:
            uow.states.save_snapshot(SNAPSHOT)
            for number in range(1_500):
                uow.states.set(f"{number}", b"1")
        with store.begin() as uow:
            assert uow.states.drop_all() == 1_501
            assert uow.states.drop_all() == 0
        assert [*backdoor.raw_rows(STATE_SNAPSHOT), *backdoor.raw_rows(STATE_VALUE)] == []
        with store.read() as view:
            assert view.events.latest("e") == 2
        sound(store)

    def test_no_view_of_the_past_shows_it(self, store: Store) -> None:
        """It is not known what it was, and that is said."""
        append(store)
        with store.begin() as uow:
            uow.states.save_snapshot(SNAPSHOT)
            uow.states.set("k", b"1")
        with store.read(as_of=1) as view:
            with refused(NotSupportedError, "state_snapshot"):
                view.states.load_snapshot("e")
            with refused(NotSupportedError, "state_value"):
                view.states.get("k")
            with refused(NotSupportedError):
                view.states.list_snapshots("t")

    def test_damage_of_a_cache_is_no_finding(self, store: Store, backdoor: BackDoor) -> None:
        """Nothing commits to it."""
        append(store)
        with store.begin() as uow:
            uow.states.set("k", b"1")
        (row,) = backdoor.raw_rows(STATE_VALUE)
        backdoor.raw_put(STATE_VALUE, row._replace(value=b"2"))
        sound(store)


@pytest.mark.spec("ENA-3")
class StateInputConformance(StoreFixtures):
    """Bad input leaves nothing behind, and says what was wrong."""

    @pytest.mark.parametrize("operation", KEYED)
    def test_what_is_no_key_of_a_state_is_refused(self, store: Store, backdoor: BackDoor, operation: str) -> None:
        """Texts that no backend could keep alike, and what is no text."""
        with nothing_written(backdoor), store.begin() as uow:
            for key in (*REFUSED, *NOT_TEXTS):
                with refused(InvalidKeyError):
                    KEYED[operation](uow, key)
            with refused(LimitExceededError, "key_bytes_max"):
                KEYED[operation](uow, "x" * 1_025)

    def test_what_is_no_snapshot_is_refused(self, store: Store, backdoor: BackDoor) -> None:
        """Another type, a field of another type, a value without a canonical form."""
        bad: dict[str, Any] = {"state": None, "timestamp": "now", "step_outputs": [], "user_id": 7}
        with nothing_written(backdoor), store.begin() as uow:
            for name, value in bad.items():
                with refused(InvalidInputError):
                    uow.states.save_snapshot(replace(SNAPSHOT, **{name: value}))
            for number in (-1, "1", 1.0, None):
                with refused(InvalidInputError):
                    uow.states.save_snapshot(replace(SNAPSHOT, sequence_number=number))  # type: ignore[arg-type]
            with refused(InvalidInputError):
                uow.states.save_snapshot({"execution_id": "e"})  # type: ignore[arg-type]
            with refused(InvalidKeyError):
                uow.states.save_snapshot(replace(SNAPSHOT, execution_id=""))
            with refused(NotCanonicalError):
                uow.states.save_snapshot(replace(SNAPSHOT, variables={"x": b"1"}))
            with refused(InvalidInputError):
                uow.states.save_snapshot(replace(SNAPSHOT, timestamp=datetime(2026, 1, 1)))

    def test_values_and_times_to_live_are_checked(self, open_store: OpenStore, backdoor: BackDoor) -> None:
        """What is no bytes, too large, or no time."""
        with open_store(options=Options(kv_value_bytes_max=10)) as store:
            with nothing_written(backdoor), store.begin() as uow:
                for value in ("1", None, bytearray(b"1")):
                    with refused(InvalidInputError):
                        uow.states.set("k", value)  # type: ignore[arg-type]
                for ttl_s in (0, -1, float("nan"), float("inf"), -(10**400), "1", True):
                    with refused(InvalidInputError, "ttl_s"):
                        uow.states.set("k", b"1", ttl_s=ttl_s)  # type: ignore[arg-type]
                with refused(LimitExceededError, "kv_value_bytes_max"):
                    uow.states.set("k", b"x" * 11)
                with refused(LimitExceededError, "kv_value_bytes_max"):
                    uow.states.set_json("k", "x" * 11)
            with store.begin() as uow:
                for ttl_s in (1e300, 10**400):
                    uow.states.set("k", b"x" * 10, ttl_s=ttl_s)
                    assert uow.states.exists("k")
            with refused(StoreClosedError):
                uow.states.set("k", b"1")
            with refused(StoreClosedError):
                uow.states.drop_all()
