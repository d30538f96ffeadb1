"""Conformance of time limits, of `run` and of `resolve`.

Source: DESIGN 3, RELIABILITY P10.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Any

import pytest

from charter_persist.backends.contract import JOURNAL, OPERATION
from charter_persist.errors import (
    CharterError,
    InvalidInputError,
    StoreBusyError,
    TimedOutError,
)
from charter_persist.store import Store
from charter_persist.testing.assertions import nothing_written, refused
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.fixtures import OpenStore, StoreFixtures
from charter_persist.testing.objects import put
from charter_persist.testing.units import change_everything
from charter_persist.unit_of_work import UnitOfWork


@pytest.mark.spec("STO-1")
class TimeLimitConformance(StoreFixtures):
    """Nobody holds the writer lock without end, and nobody waits for it without end."""

    def test_a_unit_beyond_its_time_leaves_nothing(self, open_store: OpenStore, backdoor: BackDoor) -> None:
        """The next call, or else the end of the unit, says so; nothing was written."""
        with open_store(unit_timeout_s=0.2) as store:
            with nothing_written(backdoor), refused(TimedOutError) as caught, store.begin() as uow:
                uow.objects.put("doc", 1)
                time.sleep(0.3)
            assert caught.value.retryable
            with nothing_written(backdoor), refused(TimedOutError), store.begin() as uow:
                time.sleep(0.3)
                # Catches a limit that is looked at in the end only: a loop would hold the lock for ever.
                with refused(TimedOutError):
                    uow.objects.put("doc", 1)
            calls = 0

            def slow(uow: UnitOfWork) -> None:
                nonlocal calls
                calls += 1
                uow.objects.put("doc", 1)
                time.sleep(0.3)

            with nothing_written(backdoor), refused(TimedOutError):
                store.run(slow)
            # Catches a retry of what only takes too long.
            assert calls == 1
            put(store, 2)

    def test_a_writer_that_waits_too_long_is_told(self, open_store: OpenStore, backdoor: BackDoor) -> None:
        """From another handle: StoreBusyError in time, and it may be tried again."""
        with open_store() as holder, open_store(unit_timeout_s=0.3) as waiting, holder.begin() as uow:
            uow.objects.put("doc", 1)
            began = time.monotonic()
            with refused(StoreBusyError) as caught, waiting.begin():
                pytest.fail("two writers at once")
            assert caught.value.retryable
            assert 0.25 <= time.monotonic() - began < 10.0
        assert len(backdoor.raw_rows(JOURNAL)) == 1

    def test_a_thread_that_waits_too_long_is_told(self, open_store: OpenStore) -> None:
        """The same within one handle; the unit that held on too long is told as well."""
        with open_store(unit_timeout_s=0.3) as store:
            found: list[BaseException] = []

            def wait() -> None:
                try:
                    put(store, 1)
                except CharterError as exc:
                    found.append(exc)

            with refused(TimedOutError), store.begin():
                thread = threading.Thread(target=wait)
                thread.start()
                thread.join()
            assert [type(error) for error in found] == [StoreBusyError]
            put(store, 2)


@pytest.mark.spec("STO-1")
class RunConformance(StoreFixtures):
    """What `run` and `resolve` promise."""

    def test_run_is_one_unit(self, store: Store) -> None:
        """Value and receipt come back; a function that changed nothing has no receipt."""
        outcome = store.run(lambda uow: uow.objects.put("doc", 1))
        assert outcome.receipt is not None
        assert (outcome.receipt.revision, outcome.receipt.size, outcome.repeated) == (1, 1, False)
        with store.read() as view:
            assert view.objects.require(outcome.value).object == 1
            assert view.journal.root() == outcome.receipt.root
        value: object = object()
        outcome2 = store.run(lambda uow: value)
        assert (outcome2.value is value, outcome2.receipt) == (True, None)

    def test_a_function_that_raises_leaves_nothing(self, store: Store, backdoor: BackDoor) -> None:
        """Its own error is raised, early or late, and also behind a large flush."""
        put(store, "before")

        def fail(uow: UnitOfWork, many: int) -> None:
            change_everything(uow, "a")
            uow.objects.put_many(("bulk", n) for n in range(many))
            raise ZeroDivisionError

        for many in (0, 5_000):
            with nothing_written(backdoor), pytest.raises(ZeroDivisionError):
                store.run(partial(fail, many=many))
        assert store.run(lambda uow: uow.metadata.set("a", 1)).receipt is not None

    def test_a_named_operation_runs_once(self, store: Store, backdoor: BackDoor) -> None:
        """A repeat returns the kept value and receipt and does not call the function."""
        first = store.run(lambda uow: {"digest": uow.objects.put("doc", 1), "n": 1.0}, operation_id="op")
        with nothing_written(backdoor):
            again = store.run(lambda uow: pytest.fail("called again"), operation_id="op")
        assert again.repeated
        assert (again.value, again.receipt) == (first.value, first.receipt)
        assert again.receipt is not None
        assert first.receipt is not None
        assert again.receipt.root == first.receipt.root
        assert store.resolve("op") == again

    def test_an_operation_that_changed_nothing_is_kept_too(self, store: Store) -> None:
        """Its value is what a repeat returns."""
        calls: list[int] = []
        for _ in range(2):
            outcome = store.run(lambda uow: calls.append(1), operation_id="op")
            assert (outcome.value, outcome.receipt) == (None, None)
        assert outcome.repeated
        assert len(calls) == 1

    def test_an_operation_that_failed_may_be_tried_again(self, store: Store, backdoor: BackDoor) -> None:
        """A failure keeps nothing, so the same id can still succeed."""
        with nothing_written(backdoor), pytest.raises(ZeroDivisionError):
            store.run(lambda uow: 1 // 0, operation_id="op")
        assert store.resolve("op") is None
        assert store.run(lambda uow: uow.metadata.set("a", 1), operation_id="op").value == 1

    def test_resolve_tells_what_became_of_an_operation(self, open_store: OpenStore) -> None:
        """Through any handle; an unknown one was not committed."""
        with open_store() as one, open_store() as two:
            outcome = one.run(lambda uow: uow.metadata.set("a", 1), operation_id="op")
            resolved = two.resolve("op")
            assert resolved is not None
            assert (resolved.value, resolved.receipt, resolved.repeated) == (1, outcome.receipt, True)
            assert two.resolve("other") is None
            assert two.run(lambda uow: pytest.fail("called again"), operation_id="op").repeated

    @pytest.mark.parametrize("operation_id", ["", "a\0b", "x" * 513, "\ud800", 7], ids=ascii)
    def test_what_is_no_operation_id_is_refused(self, store: Store, backdoor: BackDoor, operation_id: Any) -> None:
        """Before anything is called."""
        with nothing_written(backdoor):
            with pytest.raises(InvalidInputError, match="operation_id"):
                store.run(lambda uow: pytest.fail("called"), operation_id=operation_id)
            with pytest.raises(InvalidInputError, match="operation_id"):
                store.resolve(operation_id)

    def test_no_trace_of_unnamed_operations_piles_up(self, store: Store, backdoor: BackDoor) -> None:
        """What is kept for a call without an id goes once its outcome was handed out."""
        for _ in range(20):
            store.run(lambda uow: uow.metadata.set("a", 1))
        assert len(backdoor.raw_rows(OPERATION)) <= 1
