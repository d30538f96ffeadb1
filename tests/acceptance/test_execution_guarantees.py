"""The guarantees that the specification states for events and states: one class a row, each with a broken control.

A check says what must hold of a store. The control breaks that very thing and shows that the check finds it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from charter_persist.backends.contract import EVENT, STATE_VALUE
from charter_persist.integrity.verify import Level, verify
from charter_persist.model.event import Custom, StoredEvent
from charter_persist.model.state import ExecutionSnapshot
from charter_persist.repositories.events import EventReader, EventRepository
from charter_persist.repositories.states import StateReader, StateRepository
from charter_persist.store import Store
from charter_persist.testing import Place
from charter_persist.testing.races import race

SNAPSHOT = ExecutionSnapshot(
    execution_id="e", tenant_id="t", state="running", sequence_number=1, timestamp=datetime(2026, 1, 1, tzinfo=UTC)
)
Patch = pytest.MonkeyPatch


def append(store: Store, *numbers: int) -> int:
    with store.begin() as uow:
        return uow.events.append_batch("e", [Custom("n", number) for number in numbers], tenant_id="t")


def events(store: Store) -> list[StoredEvent]:
    with store.read() as view:
        return list(view.events.load("e"))


def numbers(found: list[StoredEvent]) -> list[Any]:
    return [event.event.data for event in found if isinstance(event.event, Custom)]


class TestEventDurability:
    """Event is durable before append returns: what was acknowledged is there after the death of the process."""

    PROGRAM = """
import os, signal, sys
from charter_persist import connect
from charter_persist.model.event import Custom
store = connect(sys.argv[1])
unit = store.begin()
uow = unit.__enter__()
sequence = uow.events.append("e", Custom("n", 1), tenant_id="t")
if sys.argv[2] == "sound":
    unit.__exit__(None, None, None)
print(sequence, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""

    def check(self, place: Place, kind: str) -> None:
        if place.url is None:  # it dies with the process; another handle is all that can tell
            with place.open_store() as store:
                unit = store.begin()
                unit.__enter__().events.append("e", Custom("n", 1), tenant_id="t")
                if kind == "sound":
                    unit.__exit__(None, None, None)
                with place.open_store() as other:
                    found = numbers(events(other))
                if kind != "sound":
                    unit.__exit__(KeyboardInterrupt, None, None)
        else:
            done = subprocess.run(
                [sys.executable, "-c", self.PROGRAM, place.url, kind], capture_output=True, text=True, timeout=60
            )
            assert (done.stdout, done.returncode) == ("1\n", -9), done.stderr
            with place.open_store() as store:
                found = numbers(events(store))
        assert found == [1]

    @pytest.mark.spec("ENA-6", "ENA-2")
    def test_it_holds(self, place: Place) -> None:
        self.check(place, "sound")

    def test_an_acknowledgement_before_the_commit_is_caught(self, place: Place) -> None:
        with pytest.raises(AssertionError):
            self.check(place, "acknowledges too early")


class TestEventOrdering:
    """Events are strictly ordered per execution: one order for every reader, numbers without gaps."""

    def check(self, store: Store) -> None:
        race(4, lambda number: [append(store, number * 10 + n) for n in range(5)])
        found = events(store)
        assert [event.sequence for event in found] == list(range(1, 21))
        assert [event.position for event in found] == sorted(event.position for event in found)
        for writer in range(4):  # and of one writer in the order in which it was told
            mine = [number for number in numbers(found) if number // 10 == writer]
            assert mine == sorted(mine)
        assert events(store) == found

    @pytest.mark.spec("ENA-6", "ENA-2")
    def test_it_holds(self, store: Store) -> None:
        self.check(store)

    def test_another_order_is_caught(self, store: Store, monkeypatch: Patch) -> None:
        load = EventReader.load

        def backwards(self: EventReader, execution_id: str, **options: Any) -> Iterator[StoredEvent]:
            return reversed(list(load(self, execution_id, **options)))

        monkeypatch.setattr(EventReader, "load", backwards)
        with pytest.raises(AssertionError):
            self.check(store)


class TestEventImmutability:
    """Events are append-only, never modified: nothing that a caller can do changes one, and damage is found."""

    def check(self, place: Place, harm: Callable[[Place], None] = lambda place: None) -> None:
        with place.open_store() as store:
            append(store, 1, 2)
            before = events(store)
            append(store, 3)
            with store.begin() as uow:
                uow.states.save_snapshot(SNAPSHOT)
                uow.states.drop_all()
                uow.states.delete_execution("e")
                uow.events.erase("e", sequence=3)
            harm(place)
            assert events(store)[:2] == before
            assert verify(store, store_id=store.store_id).level is Level.CHAIN
            writes = {name for name in vars(EventRepository) if not name.startswith("_")}
            assert writes == {"append", "append_batch", "erase", "latest"}

    @pytest.mark.spec("ENA-6", "ENA-2")
    def test_it_holds(self, place: Place) -> None:
        self.check(place)

    @pytest.mark.parametrize("change", [{"data": b'{"data":9,"event_type":"n","type":"custom"}'}, {"recorded_at": 1}])
    def test_a_modified_event_is_caught(self, place: Place, change: dict[str, Any]) -> None:
        def harm(place: Place) -> None:
            row = min(place.backdoor.raw_rows(EVENT))
            place.backdoor.raw_put(EVENT, row._replace(**change))

        with pytest.raises(AssertionError):
            self.check(place, harm)


class TestEventAuthority:
    """EventStore is the source of truth: the state follows from the events alone, whatever was cached."""

    def check(self, store: Store) -> None:
        append(store, 1, 2, 3)
        with store.begin() as uow:
            uow.states.save_snapshot(replace(SNAPSHOT, sequence_number=2, variables={"sum": 999}))
        with store.read() as view:
            assert view.events.latest("e") == 3
            assert sum(numbers(list(view.events.load("e")))) == 6
        with store.begin() as uow:
            uow.states.drop_all()
        with store.read() as view:
            assert (view.events.latest("e"), view.events.execution_exists("e")) == (3, True)
            assert sum(numbers(list(view.events.load("e")))) == 6

    @pytest.mark.spec("ENA-6", "ENA-2")
    def test_it_holds(self, store: Store) -> None:
        self.check(store)

    def test_an_answer_from_the_cache_is_caught(self, store: Store, monkeypatch: Patch) -> None:
        def cached(self: EventReader, execution_id: str) -> int:
            found = StateReader(self._context).load_snapshot(execution_id)
            return 0 if found is None else found.sequence_number

        latest = EventReader.latest
        monkeypatch.setattr(EventReader, "latest", cached)
        monkeypatch.setattr(StateReader, "_snapshot", lambda self, row: replace(SNAPSHOT, sequence_number=2))
        with pytest.raises(AssertionError):
            self.check(store)
        assert latest is not cached


class TestStateDurability:
    """Best-effort: a state may be lost on failure, and its loss is no failure."""

    def check(self, place: Place) -> None:
        with place.open_store() as store:
            append(store, 1)
            with store.read() as view:
                root = view.journal.root()
            with store.begin() as uow:
                uow.states.set("k", b"1")
                uow.states.save_snapshot(SNAPSHOT)
            for relation in (STATE_VALUE,):
                for row in place.backdoor.raw_rows(relation):
                    place.backdoor.raw_delete(relation, relation.key_of(row))
            with store.read() as view:
                assert view.states.get("k") is None
                assert view.journal.root() == root
            assert verify(store, store_id=store.store_id).level is Level.CHAIN

    @pytest.mark.spec("ENA-6", "ENA-3")
    def test_it_holds(self, place: Place) -> None:
        self.check(place)

    def test_a_state_that_the_journal_commits_to_is_caught(self, place: Place, monkeypatch: Patch) -> None:
        put = StateRepository.set

        def journalled(self: StateRepository, key: str, value: bytes, **options: Any) -> None:
            put(self, key, value, **options)
            self._context.record_value("state", key, "set", value)

        monkeypatch.setattr(StateRepository, "set", journalled)
        with pytest.raises(AssertionError):
            self.check(place)


class TestStateFreshness:
    """May be stale: a snapshot says itself whether the events tell more."""

    def check(self, store: Store) -> None:
        append(store, 1)
        with store.begin() as uow:
            uow.states.save_snapshot(SNAPSHOT)
        for is_stale in (False, True, True):
            with store.read() as view:
                found = view.states.load_snapshot("e")
                assert found is not None
                assert found.is_stale is is_stale
                assert (view.states.staleness("e") != 0) is is_stale
            append(store, 2)

    @pytest.mark.spec("ENA-6", "ENA-3")
    def test_it_holds(self, store: Store) -> None:
        self.check(store)

    def test_a_snapshot_that_calls_itself_fresh_is_caught(self, store: Store, monkeypatch: Patch) -> None:
        monkeypatch.setattr(ExecutionSnapshot, "is_stale", property(lambda self: False))
        with pytest.raises(AssertionError):
            self.check(store)


class TestStateAuthority:
    """Cache only: what it says changes no answer of any other store, and a wrong one is no damage."""

    def check(self, place: Place) -> None:
        with place.open_store() as store:
            append(store, 1)
            before = events(store)
            with store.begin() as uow:
                uow.states.set("e/1", b"something else")
                uow.states.save_snapshot(replace(SNAPSHOT, sequence_number=99, state="finished"))
            assert uow.receipt is None
            for row in place.backdoor.raw_rows(STATE_VALUE):
                place.backdoor.raw_put(STATE_VALUE, row._replace(value=b"damaged"))
            assert events(store) == before
            assert append(store, 2) == 2
            assert verify(store, store_id=store.store_id).level is Level.CHAIN

    @pytest.mark.spec("ENA-6", "ENA-3")
    def test_it_holds(self, place: Place) -> None:
        self.check(place)

    def test_a_number_taken_from_the_cache_is_caught(self, place: Place, monkeypatch: Patch) -> None:
        def cached(self: EventRepository, execution_id: str) -> tuple[int, str]:
            found = self._context.reader.get(STATE_VALUE, (f"{execution_id}/1",))
            return (0, "t") if found is None else (99, "t")

        monkeypatch.setattr(EventRepository, "_end", cached)
        with pytest.raises(AssertionError):
            self.check(place)


class Counting:
    """A reader that counts the rows it gave."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.rows = 0

    def get(self, relation: Any, key: Any) -> Any:
        self.rows += 1
        return self._reader.get(relation, key)

    def scan(self, *arguments: Any, **bounds: Any) -> Iterator[Any]:
        for row in self._reader.scan(*arguments, **bounds):
            self.rows += 1
            yield row


class TestStateAvailability:
    """Designed for fast reads: one or two rows a read, however long the history, and no writer in the way."""

    def check(self, store: Store) -> None:
        append(store, *range(300))
        with store.begin() as uow:
            uow.states.save_snapshot(SNAPSHOT)
            for number in range(300):
                uow.states.set(f"e/{number}", b"1")
        writer = store.begin()
        writer.__enter__().states.set("e/7", b"2")
        try:
            reads: list[Callable[[StateReader], Any]] = [
                lambda states: states.get("e/7"),
                lambda states: states.load_snapshot("e"),
                lambda states: states.staleness("e"),
            ]
            for read in reads:
                with store.read() as view:
                    counting = view._context.reader = Counting(view.reader)
                    assert read(view.states) not in (None, b"2")
                    assert counting.rows <= 2
        finally:
            writer.__exit__(KeyboardInterrupt, None, None)

    @pytest.mark.spec("ENA-6", "ENA-3")
    def test_it_holds(self, store: Store) -> None:
        self.check(store)

    def test_a_read_that_goes_through_the_history_is_caught(self, store: Store, monkeypatch: Patch) -> None:
        def counted(self: EventReader, execution_id: str) -> int:
            return sum(1 for _ in self.load(execution_id))

        monkeypatch.setattr(EventReader, "latest", counted)
        with pytest.raises(AssertionError):
            self.check(store)
