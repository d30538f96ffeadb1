"""Conformance of batching: units that share a commit are each whole, and every result is the same without it.

Source: DESIGN 3, STO-5.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest

from charter_persist.integrity.verify import verify
from charter_persist.store import Store
from charter_persist.testing.fixtures import OpenStore, StoreFixtures
from charter_persist.testing.history import record_history
from charter_persist.testing.journal import leaf_of, root_of
from charter_persist.testing.places import MemoryPlaces
from charter_persist.testing.sources import CountingSources
from charter_persist.unit_of_work import Outcome, UnitOfWork

QUEUED_S = 0.15
"""How long the first unit waits, so that the others stand in the queue behind it."""


def run_together(store: Store, functions: Sequence[Callable[[UnitOfWork], Any]], ids: list[str | None]) -> list[Any]:
    """Run each function in a thread of its own, all of them queued while a first unit holds the lock.

    Returns:
        For each function its outcome or what it raised.
    """
    results: list[Any] = [None] * len(functions)
    holding = threading.Event()

    def hold(uow: UnitOfWork) -> None:
        holding.set()
        time.sleep(QUEUED_S)

    def call(number: int) -> None:
        holding.wait()
        try:
            results[number] = store.run(functions[number], operation_id=ids[number])
        except Exception as exc:
            results[number] = exc

    threads = [threading.Thread(target=store.run, args=(hold,))]
    threads += [threading.Thread(target=call, args=(number,)) for number in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.spec("STO-5")
class BatchConformance(StoreFixtures):
    """What units promise that share a commit; the same is asked without batching."""

    @pytest.fixture(params=[True, False], ids=["batching", "one by one"])
    def batching(self, request: pytest.FixtureRequest) -> bool:
        """Whether queued units share commits."""
        return bool(request.param)

    def test_each_unit_has_its_own_revision(self, open_store: OpenStore, batching: bool) -> None:
        """Receipts divide the journal among them without gap or overlap, each with the root after it."""
        with open_store(batching=batching) as store:

            def change(uow: UnitOfWork, number: int) -> None:
                uow.objects.put_many(("doc", [number, n]) for n in range(number + 1))
                uow.metadata.set("sum", uow.metadata.get("sum", 0) + number)

            functions = [partial(change, number=number) for number in range(20)]
            outcomes: list[Outcome[Any]] = run_together(store, functions, [None] * 20)
            with store.read() as view:
                leaves = [leaf_of(entry) for entry in view.journal.entries()]
                assert view.metadata.get("sum") == sum(range(20))
                assert view.revision == 20
            after = 0
            receipts = [outcome.receipt for outcome in outcomes if outcome.receipt is not None]
            assert len(receipts) == 20
            for revision, receipt in enumerate(sorted(receipts, key=lambda receipt: receipt.revision), 1):
                assert (receipt.revision, receipt.first_position) == (revision, after + 1)
                assert receipt.root == root_of(leaves[: receipt.size])
                after = receipt.size or 0
            assert after == len(leaves)
            assert verify(store, store_id=store.store_id).findings == ()

    @pytest.mark.parametrize("many", [0, 5_000], ids=["early", "late"])
    def test_a_unit_that_raises_harms_no_other(self, open_store: OpenStore, batching: bool, many: int) -> None:
        """Also where it had written into the shared transaction already; its state in memory is undone as well."""
        with open_store(batching=batching) as store:

            def good(uow: UnitOfWork, number: int) -> int:
                return uow.metadata.set("count", number)

            def bad(uow: UnitOfWork) -> None:
                uow.sessions.create(session_id="ghost", area_id="x", problem_statement="why")
                uow.metadata.set("ghost", True)
                uow.objects.put_many(("ghost", n) for n in range(many))
                raise ZeroDivisionError

            functions: list[Callable[[UnitOfWork], Any]] = [
                bad if number % 3 == 1 else partial(good, number=number) for number in range(9)
            ]
            results = run_together(store, functions, [None] * 9)
            assert [type(results[number]) for number in (1, 4, 7)] == [ZeroDivisionError] * 3
            kept = [result.value for result in results if isinstance(result, Outcome)]
            assert sorted(kept) == [1, 2, 3, 4, 5, 6]
            with store.read() as view:
                assert view.revision == 6
                assert not view.sessions.exists("ghost")
                assert not view.metadata.exists("ghost")
                assert list(view.objects.iter()) == []
            assert verify(store, store_id=store.store_id).findings == ()

    def test_an_operation_that_is_queued_twice_runs_once(self, open_store: OpenStore, batching: bool) -> None:
        """Of several calls with one id, one runs; all have its value and receipt."""
        with open_store(batching=batching) as store:

            def count(uow: UnitOfWork) -> int:
                number: int = uow.metadata.get("count", 0) + 1
                uow.metadata.set("count", number)
                return number

            results: list[Outcome[int]] = run_together(store, [count] * 12, [f"op-{n % 3}" for n in range(12)])
            assert sorted(outcome.value for outcome in results) == [1] * 4 + [2] * 4 + [3] * 4
            assert sorted(outcome.repeated for outcome in results) == [False] * 3 + [True] * 9
            for name in range(3):
                same = [results[n] for n in range(12) if n % 3 == name]
                assert len({(outcome.value, outcome.receipt and outcome.receipt.root) for outcome in same}) == 1
            with store.read() as view:
                assert (view.metadata.get("count"), view.revision) == (3, 3)

    def test_a_function_sees_the_context_of_its_caller(self, open_store: OpenStore, batching: bool) -> None:
        """On whatever thread it runs, a copy of the caller's context variables is there."""
        who: contextvars.ContextVar[str] = contextvars.ContextVar("who")
        seen: dict[str, str] = {}
        with open_store(batching=batching) as store:

            def note(uow: UnitOfWork, name: str) -> None:
                seen[name] = who.get()
                who.set("changed inside")

            def call(name: str) -> None:
                who.set(name)
                store.run(lambda uow: note(uow, name))
                assert who.get() == name

            threads = [threading.Thread(target=call, args=(f"caller-{n}",)) for n in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert seen == {f"caller-{n}": f"caller-{n}" for n in range(8)}

    def test_the_same_history_gives_the_same_root(self, open_store: OpenStore, batching: bool) -> None:
        """Through `run` as through `begin`, with batching as without."""
        with MemoryPlaces().new().open_store(**CountingSources().arguments()) as model:
            expected = record_history(model)
        with open_store(batching=batching, **CountingSources().arguments()) as store:
            receipts = record_history(store, through_run=True)
        assert [receipt.root for receipt in receipts] == [receipt.root for receipt in expected]
