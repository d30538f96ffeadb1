"""Conformance of events: numbers without gaps, expectations, tenants, both orders, upcasting, erasure, and bad input.

Source: ENA-2, REQUIREMENTS 8 (erasure, ordering), NEIGHBOURS 4.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import pytest

from charter_persist.backends.contract import EVENT, EXECUTION
from charter_persist.errors import (
    CharterError,
    ConflictError,
    InvalidInputError,
    InvalidKeyError,
    LimitExceededError,
    NotCanonicalError,
    StoreClosedError,
    VersionConflictError,
)
from charter_persist.model.canonical import load_canonical
from charter_persist.model.event import (
    VARIANTS,
    ArtifactStored,
    CheckpointSaved,
    Custom,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionEvent,
    ExecutionFailed,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionStarted,
    GoalEvaluated,
    StepCompleted,
    StepDiscovered,
    StepFailed,
    StepStarted,
    StoredEvent,
    ToolCallCompleted,
    ToolCallStarted,
)
from charter_persist.model.limits import Options
from charter_persist.store import Store
from charter_persist.testing.assertions import nothing_written, refused
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.fixtures import OpenStore, StoreFixtures
from charter_persist.testing.kv_history import sound
from charter_persist.testing.names import LITERAL, NOT_TEXTS, REFUSED
from charter_persist.testing.races import race, several_handles
from charter_persist.unit_of_work import UnitOfWork

EVERY_VARIANT: Final[tuple[ExecutionEvent, ...]] = (
    ExecutionStarted(parent={"execution_id": "e-0"}, metadata=["any", 1.5, None]),
    ExecutionStarted(),
    StepStarted("s-1", "llm", "ask", parent_step_id="s-0"),
    StepCompleted("s-1", 12, output={"text": "\u20ac"}),
    StepFailed("s-1", "it broke\nin two lines"),
    ExecutionPaused("waits"),
    ExecutionResumed(),
    ExecutionCompleted(0),
    ExecutionFailed({"code": 7}),
    ExecutionCancelled(""),
    ArtifactStored("a-1", "s-1", "ab" * 32, 2**53 - 1),
    StepDiscovered("s-2", "plan", "needed", 3, discovered_by="s-1"),
    ToolCallStarted("c-1", "search", None, step_id="s-1"),
    ToolCallCompleted("c-1", [1, 2]),
    CheckpointSaved("k-1", "cd" * 32),
    GoalEvaluated("g-1", "met", score=0.5, reason="enough"),
    GoalEvaluated("g-1", "met", score=1),
    Custom("order_placed", {"type": "anything"}, v=3),
    Custom("noted", None),
)
BAD_EVENTS: Final[dict[str, tuple[Any, type[CharterError]]]] = {
    "nothing": (None, InvalidInputError),
    "a text": ("execution_resumed", InvalidInputError),
    "a list": ([], InvalidInputError),
    "no type": ({}, InvalidInputError),
    "a type that is no text": ({"type": 7}, InvalidInputError),
    "an unknown type": ({"type": "step_exploded"}, InvalidInputError),
    "a field too many": ({"type": "execution_paused", "reason": "x", "why": "x"}, InvalidInputError),
    "a field too few": ({"type": "execution_paused"}, InvalidInputError),
    "a null where a text must be": ({"type": "execution_paused", "reason": None}, InvalidInputError),
    "a number where a text must be": (ExecutionPaused(7), InvalidInputError),  # type: ignore[arg-type]
    "a text where a number must be": (ExecutionCompleted("7"), InvalidInputError),  # type: ignore[arg-type]
    "a truth where a number must be": (ExecutionCompleted(True), InvalidInputError),
    "a duration below 0": (ExecutionCompleted(-1), InvalidInputError),
    "a version below 1": (Custom("x", 1, v=0), InvalidInputError),
    "a version that is null": (Custom("x", 1, v=None), InvalidInputError),  # type: ignore[arg-type]
    "a score that is no number": (GoalEvaluated("g", "met", score=float("nan")), NotCanonicalError),
    "bytes": (Custom("x", b"1"), NotCanonicalError),
    "an integer beyond the exact ones": (Custom("x", 2**53), NotCanonicalError),
}
IDENTIFIED: Final[dict[str, Callable[[UnitOfWork, Any], Any]]] = {
    "append": lambda uow, name: uow.events.append(name, ExecutionResumed(), tenant_id="t"),
    "append for a tenant": lambda uow, name: uow.events.append("e", ExecutionResumed(), tenant_id=name),
    "append_batch": lambda uow, name: uow.events.append_batch(name, [], tenant_id="t"),
    "load": lambda uow, name: list(uow.events.load(name)),
    "list": lambda uow, name: uow.events.list(name),
    "latest": lambda uow, name: uow.events.latest(name),
    "execution_exists": lambda uow, name: uow.events.execution_exists(name),
    "list_executions": lambda uow, name: uow.events.list_executions(name),
    "erase": lambda uow, name: uow.events.erase(name),
}


def append(store: Store, execution_id: str, *numbers: int, tenant_id: str = "t") -> int:
    """Append an event for each number in a unit of its own; returns the newest sequence."""
    with store.begin() as uow:
        events = [Custom("n", number) for number in numbers]
        return uow.events.append_batch(execution_id, events, tenant_id=tenant_id)


def told(events: Iterable[StoredEvent]) -> list[Any]:
    """What the events of `append` tell; None where one was erased."""
    return [event.event.data if isinstance(event.event, Custom) else event.event for event in events]


@pytest.mark.spec("ENA-2")
class EventStoreConformance(StoreFixtures):
    """What is appended is what is loaded, in both orders."""

    def test_every_variant_comes_back_as_it_was_appended(self, store: Store, backdoor: BackDoor) -> None:
        """As a value and as the object that it is in JSON; the rows behind it say the same."""
        assert {event.type for event in EVERY_VARIANT} == VARIANTS.keys()
        assert len(VARIANTS) == 16
        with store.begin() as uow:
            uow.events.append_batch("values", EVERY_VARIANT, tenant_id="t")
            uow.events.append_batch("objects", [event.to_json() for event in EVERY_VARIANT], tenant_id="t")
        with store.read() as view:
            for name in ("values", "objects"):
                assert tuple(event.event for event in view.events.load(name)) == EVERY_VARIANT
        rows = sorted(backdoor.raw_rows(EVENT))
        assert [row.type for row in rows] == [event.type for event in EVERY_VARIANT] * 2
        assert [load_canonical(row.data or b"") for row in rows] == [event.to_json() for event in EVERY_VARIANT] * 2
        assert len({row.nonce for row in rows}) == len(rows)
        sound(store)

    def test_an_event_has_its_place_in_both_orders(self, open_store: OpenStore, store: Store) -> None:
        """Numbers of each execution from 1 without a gap, and the order of the journal over all of them."""
        append(store, "a", 1, 2)
        append(store, "b", 3)
        append(store, "a", 4)
        with store.read() as view:
            a, b = list(view.events.load("a")), list(view.events.load("b"))
            everything = list(view.events.iter_all())
            assert [event.sequence for event in a] == [1, 2, 3]
            assert [event.sequence for event in b] == [1]
            assert told(everything) == [1, 2, 3, 4]
            assert [event.position for event in everything] == [1, 2, 3, 4]
            assert [event.revision for event in everything] == [1, 1, 2, 3]
            assert all(event.tenant_id == "t" and not event.erased for event in everything)
            entries = list(view.journal.entries())
        assert [entry.subject for entry in entries] == ["a/1", "a/2", "b/1", "a/3"]
        assert {(entry.store, entry.operation) for entry in entries} == {("event", "append")}
        with open_store() as other, other.read() as view:
            assert list(view.events.iter_all()) == everything

    def test_sequences_have_no_gap_within_a_unit_and_across_a_flush(self, store: Store) -> None:
        """Several appends, other executions between them, and what an undone unit took is given again."""
        with store.begin() as uow:
            assert uow.events.append("a", ExecutionResumed(), tenant_id="t") == 1
            assert uow.events.append("b", ExecutionResumed(), tenant_id="t") == 1
            uow.flush()
            assert uow.events.latest("a") == 1
            assert uow.events.append_batch("a", [ExecutionResumed()] * 3, tenant_id="t") == 4
            assert uow.events.append_batch("a", [], tenant_id="t") == 4
            assert [event.sequence for event in uow.events.load("a")] == [1, 2, 3, 4]
        with pytest.raises(KeyboardInterrupt), store.begin() as uow:
            uow.events.append("a", ExecutionResumed(), tenant_id="t")
            raise KeyboardInterrupt
        assert append(store, "a", 5) == 5
        sound(store)

    def test_queued_units_number_their_events_without_gaps(self, open_store: OpenStore) -> None:
        """Sixteen threads, several units a commit: catches a number that is read before what the batch holds."""
        with several_handles(open_store) as handles:

            def work(number: int) -> list[int]:
                store = handles[number % 2]
                return [
                    store.run(lambda uow: uow.events.append("e", Custom("n", number), tenant_id="t")).value
                    for _ in range(10)
                ]

            results = race(16, work)
            assert sorted(number for numbers in results for number in numbers) == list(range(1, 161))
            assert all(numbers == sorted(numbers) for numbers in results)
            sound(handles[0])

    def test_an_expected_sequence_lets_exactly_one_caller_win(self, open_store: OpenStore) -> None:
        """Whoever loses is told of the number that is there now, and nothing of it is written."""
        with several_handles(open_store) as handles:

            def contend(number: int) -> int:
                won = 0
                for expected in range(8):
                    together.wait()
                    try:
                        with handles[number % 3].begin() as uow:
                            uow.events.append("e", Custom("n", number), tenant_id="t", expected=expected)
                            won += 1
                    except VersionConflictError as exc:
                        told_of.append((exc.expected - expected, exc.actual - expected))
                return won

            together = threading.Barrier(6)
            told_of: list[tuple[int, int]] = []
            assert sum(race(6, contend)) == 8
            assert set(told_of) == {(0, 1)}
            with handles[0].read() as view:
                assert view.events.latest("e") == 8

    @pytest.mark.parametrize("expected", [0, 1, 3, 2**63])
    def test_another_expectation_is_a_conflict(self, store: Store, backdoor: BackDoor, expected: int) -> None:
        """0 says that there is none yet; the unit can go on."""
        append(store, "e", 1, 2)
        with nothing_written(backdoor), store.begin() as uow:
            with refused(VersionConflictError, "e"):
                uow.events.append("e", ExecutionResumed(), tenant_id="t", expected=expected)
            assert uow.events.latest("e") == 2
        with store.begin() as uow:
            assert uow.events.append("e", ExecutionResumed(), tenant_id="t", expected=2) == 3
            assert uow.events.append("new", ExecutionResumed(), tenant_id="t", expected=0) == 1

    def test_the_first_event_fixes_the_tenant(self, store: Store, backdoor: BackDoor) -> None:
        """In the same unit and in a later one; the error does not tell whose it is."""
        with store.begin() as uow:
            uow.events.append("e", ExecutionResumed(), tenant_id="mine")
            with refused(ConflictError, "e", "theirs") as caught:
                uow.events.append("e", ExecutionResumed(), tenant_id="theirs")
            assert "mine" not in caught.value.message
        with nothing_written(backdoor), refused(ConflictError), store.begin() as uow:
            uow.events.append_batch("e", [ExecutionResumed()], tenant_id="theirs")

    def test_loading_begins_behind_a_sequence_and_ends_at_a_limit(self, store: Store) -> None:
        """And pages follow each other, also while events come."""
        append(store, "e", *range(1, 8))
        append(store, "f", 100)
        with store.read() as view:
            assert told(view.events.load("e", after=5)) == [6, 7]
            assert told(view.events.load("e", after=1, limit=2)) == [2, 3]
            assert told(view.events.load("e", after=7)) == told(view.events.load("none")) == []
            assert told(view.events.load("e", limit=0)) == []
            assert told(view.events.iter_all(after=6, limit=2)) == [7, 100]
            assert (view.events.latest("e"), view.events.latest("none")) == (7, 0)
            assert view.events.get("e", 3) == next(view.events.load("e", after=2))
            assert view.events.get("e", 0) is view.events.get("e", 8) is None
            page = view.events.list("e", limit=3)
            assert told(page.items) == [1, 2, 3]
        append(store, "e", 8)
        with store.read() as view:
            found = told(page.items)
            while page.cursor is not None:
                page = view.events.list("e", limit=3, cursor=page.cursor)
                found += told(page.items)
            assert found == list(range(1, 9))

    def test_loading_is_lazy(self, store: Store) -> None:
        """The first events of a long execution come without the others, and the last ones as they were then."""
        append(store, "e", *range(3_000))
        with store.read() as view:
            events = view.events.load("e")
            assert isinstance(events, Iterator)
            assert told([next(events)]) == [0]
            append(store, "e", 3_000)
            assert told(events)[-1] == 2_999

    def test_executions_are_listed_by_tenant(self, store: Store, backdoor: BackDoor) -> None:
        """Each once, by the bytes of its id, and none of another tenant."""
        for name in ("b", "a", "\u00e9", "Z", "\U0001f600"):
            append(store, name, 1, tenant_id="t")
            append(store, name, 2, tenant_id="t")
            append(store, f"{name}-other", 1, tenant_id="u")
        with store.read() as view:
            found: list[str] = []
            cursor = None
            while True:
                page = view.events.list_executions("t", limit=2, cursor=cursor)
                found += page.items
                cursor = page.cursor
                if cursor is None:
                    break
            assert found == ["Z", "a", "b", "\u00e9", "\U0001f600"]
            assert view.events.list_executions("nobody").items == ()
            assert view.events.execution_exists("a")
            assert not view.events.execution_exists("t")
        assert len(backdoor.raw_rows(EXECUTION)) == 10

    def test_the_past_shows_what_there_was(self, store: Store) -> None:
        """As of each revision, in both orders; an execution is there from its first event on."""
        for number in range(1, 5):
            append(store, "e", number)
            append(store, f"f{number}", number)
        for number in range(1, 5):
            with store.read(as_of=number * 2 - 1) as view:
                assert told(view.events.load("e")) == list(range(1, number + 1))
                assert view.events.latest("e") == number
                assert len(list(view.events.iter_all())) == number * 2 - 1
                assert len(view.events.list_executions("t").items) == number
                assert not view.events.execution_exists(f"f{number}")

    def test_large_batches_are_whole(self, store: Store) -> None:
        """More than a unit buffers, with payloads of all sizes."""
        events = [Custom("n", "x" * (number % 700)) for number in range(2_500)]
        with store.begin() as uow:
            assert uow.events.append_batch("e", events, tenant_id="t") == 2_500
        with store.read() as view:
            assert [event.event for event in view.events.load("e")] == events
        sound(store)


@pytest.mark.spec("ENA-2")
class EventInputConformance(StoreFixtures):
    """Bad input leaves nothing behind, and says what was wrong."""

    @pytest.mark.parametrize("kind", BAD_EVENTS)
    def test_what_is_no_event_is_refused(self, store: Store, backdoor: BackDoor, kind: str) -> None:
        """Before anything of its batch is written."""
        event, error = BAD_EVENTS[kind]
        with nothing_written(backdoor), store.begin() as uow:
            with refused(error):
                uow.events.append_batch("e", [ExecutionResumed(), event], tenant_id="t")

    @pytest.mark.parametrize("events", [None, 7, "events", {"type": "execution_resumed"}], ids=repr)
    def test_what_is_no_batch_of_events_is_refused(self, store: Store, backdoor: BackDoor, events: Any) -> None:
        """Nothing to take from, or what is taken is no event."""
        with nothing_written(backdoor), store.begin() as uow:
            with refused(InvalidInputError, "event"):
                uow.events.append_batch("e", events, tenant_id="t")

    def test_an_unknown_type_is_kept_as_custom_where_that_was_asked_for(self, store: Store) -> None:
        """In its own words, with its version; a known type stays what it is."""
        given: list[Any] = [{"type": "order_placed", "v": 2, "n": 1}, {"type": "execution_resumed"}, {"type": "bare"}]
        versions: list[Any] = ["2", None, 0, True, []]
        with store.begin() as uow:
            uow.events.append_batch("e", given, tenant_id="t", unknown="custom")
            with refused(InvalidInputError, "unknown"):
                uow.events.append("e", ExecutionResumed(), tenant_id="t", unknown="maybe")  # type: ignore[arg-type]
            for version in versions:
                with refused(InvalidInputError):
                    uow.events.append("e", {"type": "order_placed", "v": version}, tenant_id="t", unknown="custom")
        with store.read() as view:
            assert [event.event for event in view.events.load("e")] == [
                Custom("order_placed", {"n": 1}, v=2),
                ExecutionResumed(),
                Custom("bare", {}),
            ]

    @pytest.mark.parametrize("operation", IDENTIFIED)
    def test_what_is_no_id_is_refused(self, store: Store, backdoor: BackDoor, operation: str) -> None:
        """Texts that no backend could keep alike, and what is no text."""
        with nothing_written(backdoor), store.begin() as uow:
            for name in (*REFUSED, *NOT_TEXTS):
                with refused(InvalidKeyError):
                    IDENTIFIED[operation](uow, name)
            with refused(LimitExceededError, "512"):
                IDENTIFIED[operation](uow, "x" * 513)

    def test_ids_are_kept_as_they_are(self, store: Store) -> None:
        """Slashes, quotes, wildcards and composed forms make other executions."""
        names = [*LITERAL, *(f"{name}/1" for name in LITERAL)]
        with store.begin() as uow:
            for number, name in enumerate(names):
                uow.events.append(name, Custom("n", number), tenant_id=name)
        with store.read() as view:
            for number, name in enumerate(names):
                assert told(view.events.load(name)) == [number]
                assert view.events.list_executions(name).items == (name,)
        sound(store)

    def test_numbers_and_cursors_are_checked(self, store: Store) -> None:
        """Of another kind, below 0, or of another listing."""
        with store.begin() as uow:
            for bad in (-1, 1.0, "1", None, True):
                with refused(InvalidInputError):
                    uow.events.load("e", after=bad)  # type: ignore[arg-type]
                with refused(InvalidInputError):
                    uow.events.get("e", bad)  # type: ignore[arg-type]
            with refused(InvalidInputError, "cursor"):
                uow.events.list("e", cursor="?")
            with refused(InvalidInputError, "limit"):
                uow.events.list("e", limit=0)
            with refused(InvalidInputError, "expected"):
                uow.events.append("e", ExecutionResumed(), tenant_id="t", expected=-1)

    def test_limits_hold(self, open_store: OpenStore, backdoor: BackDoor) -> None:
        """Of one event, of a batch, of a page."""
        options = Options(object_bytes_max=100, batch_objects_max=3, page_items_max=2)
        with open_store(options=options) as store, nothing_written(backdoor), store.begin() as uow:
            with refused(LimitExceededError, "object_bytes_max"):
                uow.events.append("e", Custom("n", "x" * 100), tenant_id="t")
            with refused(LimitExceededError, "batch_objects_max"):
                uow.events.append_batch("e", iter([ExecutionResumed()] * 4), tenant_id="t")
            with refused(LimitExceededError, "page_items_max"):
                uow.events.list("e", limit=3)

    def test_a_unit_that_has_ended_takes_no_event(self, store: Store) -> None:
        """Whoever kept it is told so."""
        with store.begin() as uow:
            uow.events.append("e", ExecutionResumed(), tenant_id="t")
        with refused(StoreClosedError):
            uow.events.append("e", ExecutionResumed(), tenant_id="t")
