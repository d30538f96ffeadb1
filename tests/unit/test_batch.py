"""Units that queue share a commit, and nothing else about them differs (STO-5)."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from charter_persist import Outcome, Store, UnitOfWork, connect, upgrade
from charter_persist.backends.contract import OPERATION
from charter_persist.errors import (
    CommitUnknownError,
    InvalidInputError,
    LimitExceededError,
    NotCanonicalError,
    StoreBusyError,
    StoreClosedError,
)
from charter_persist.integrity.verify import Level, verify

NAME: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'charter.db'}"
    upgrade(url)
    with connect(url, unit_timeout_s=5.0) as store:
        yield store


class Caller(threading.Thread):
    """Calls `run` in a thread of its own and keeps what came of it."""

    def __init__(self, store: Store, fn: Callable[[UnitOfWork], Any], **arguments: Any) -> None:
        super().__init__()
        self._call = lambda: store.run(fn, **arguments)
        self.outcome: Outcome[Any] | None = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.outcome = self._call()
        except BaseException as exc:
            self.error = exc


def queued(store: Store, count: int) -> None:
    """Wait until so many units wait for their turn."""
    for _ in range(2_000):
        if len(store._batches._queue) >= count:
            return
        threading.Event().wait(0.001)
    raise AssertionError("the units did not queue")


def together(store: Store, *fns: Callable[[UnitOfWork], Any]) -> list[Caller]:
    """Run functions in one batch: they queue while another unit holds the writer lock."""
    held, go = threading.Event(), threading.Event()

    def hold(uow: UnitOfWork) -> None:
        held.set()
        assert go.wait(10)

    first = Caller(store, hold)
    assert held.wait(10)
    callers = []
    for number, fn in enumerate(fns, 1):
        callers.append(Caller(store, fn))
        queued(store, number)
    go.set()
    for caller in (first, *callers):
        caller.join(20)
    return callers


def put(n: int) -> Callable[[UnitOfWork], str]:
    return lambda uow: uow.objects.put("doc", {"n": n})


def test_units_of_one_batch_have_revisions_and_receipts_of_their_own(store: Store) -> None:
    callers = together(store, *[put(n) for n in range(20)])
    receipts = [caller.outcome.receipt for caller in callers if caller.outcome and caller.outcome.receipt]
    assert [receipt.revision for receipt in receipts] == list(range(1, 21))
    with store.read() as view:
        assert [view.journal.root(receipt.size) for receipt in receipts] == [receipt.root for receipt in receipts]
    assert verify(store, store_id=store.store_id).level is Level.CHAIN


def test_a_unit_that_raises_is_left_out_and_the_others_commit(store: Store) -> None:
    def fail(uow: UnitOfWork) -> None:
        uow.objects.put("doc", {"fails": True})
        uow.metadata.set("left", "behind")
        raise ZeroDivisionError

    first, failed, last = together(store, put(1), fail, put(2))
    assert isinstance(failed.error, ZeroDivisionError)
    assert first.outcome is not None
    assert last.outcome is not None
    with store.read() as view:
        assert view.revision == 2
        assert view.metadata.get("left") is None
        assert len(list(view.objects.iter())) == 2
    assert verify(store, store_id=store.store_id).findings == ()


def test_a_unit_that_fails_after_rows_were_passed_on_spoils_nothing(store: Store) -> None:
    calls: list[int] = []

    def fail_late(uow: UnitOfWork) -> None:
        uow.objects.put_many(("doc", {"bulk": n}) for n in range(6_000))  # more than waits in a write set
        raise ZeroDivisionError

    def count(uow: UnitOfWork) -> str:
        calls.append(1)
        return uow.objects.put("doc", {"counted": True})

    before, failed, after = together(store, count, fail_late, put(2))
    assert isinstance(failed.error, ZeroDivisionError)
    assert before.outcome is not None
    assert after.outcome is not None
    assert len(calls) == 2  # documented: the function may be called again while nothing was committed
    with store.read() as view:
        assert len(list(view.objects.iter())) == 2
    assert verify(store, store_id=store.store_id).findings == ()


def test_later_units_of_a_batch_see_the_earlier_ones(store: Store) -> None:
    def increment(uow: UnitOfWork) -> int:
        value = int(uow.metadata.get("counter", 0)) + 1
        uow.metadata.set("counter", value)
        return value

    callers = together(store, *[increment] * 12)
    assert [caller.outcome.value for caller in callers if caller.outcome] == list(range(1, 13))


def test_a_unit_runs_with_the_context_of_its_caller(store: Store) -> None:
    NAME.set("ana")
    assert store.run(lambda uow: NAME.get()).value == "ana"
    seen = []

    def call() -> None:
        NAME.set("ben")
        seen.append(store.run(lambda uow: NAME.get()).value)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert seen == ["ben"]


def test_a_unit_may_not_open_another_one(store: Store) -> None:
    def nest(uow: UnitOfWork) -> None:
        with store.begin():
            pass

    def nest_run(uow: UnitOfWork) -> None:
        store.run(put(1))

    for fn in (nest, nest_run):
        with pytest.raises(InvalidInputError, match="this thread"):
            store.run(fn)
    with store.begin(), pytest.raises(InvalidInputError, match="this thread"):
        store.run(put(1))
    assert store.run(put(1)).receipt is not None


def test_a_waiting_unit_gives_up_at_its_time_limit_and_never_runs() -> None:
    ran: list[int] = []
    with connect("memory://", unit_timeout_s=0.3) as store:
        held, go = threading.Event(), threading.Event()

        def hold(uow: UnitOfWork) -> None:
            held.set()
            assert go.wait(10)

        first = Caller(store, hold)
        assert held.wait(10)
        second = Caller(store, lambda uow: ran.append(1))
        second.join(10)
        assert isinstance(second.error, StoreBusyError)
        go.set()
        first.join(10)
    assert ran == []


def test_an_operation_runs_once_even_when_it_is_queued_twice_in_one_batch(store: Store) -> None:
    calls: list[int] = []

    def once(uow: UnitOfWork) -> int:
        calls.append(1)
        return uow.metadata.set("key", len(calls))

    held, go = threading.Event(), threading.Event()

    def hold(uow: UnitOfWork) -> None:
        held.set()
        assert go.wait(10)

    first = Caller(store, hold)
    assert held.wait(10)
    twins = [Caller(store, once, operation_id="op") for _ in range(2)]
    queued(store, 2)
    go.set()
    for caller in (first, *twins):
        caller.join(10)
    assert calls == [1]
    outcomes = [twin.outcome for twin in twins if twin.outcome]
    assert sorted(outcome.repeated for outcome in outcomes) == [False, True]
    assert outcomes[0].receipt == outcomes[1].receipt


def test_the_value_of_an_operation_must_be_json_and_small(store: Store) -> None:
    with pytest.raises(NotCanonicalError):
        store.run(lambda uow: object(), operation_id="op")
    with pytest.raises(LimitExceededError, match="operation_value_bytes_max"):
        store.run(lambda uow: "x" * 70_000, operation_id="op")
    assert store.resolve("op") is None
    assert store.run(lambda uow: {"kept": True}, operation_id="op").value == {"kept": True}
    assert store.run(lambda uow: None, operation_id="op").value == {"kept": True}


def test_rows_of_units_without_an_id_do_not_pile_up(store: Store) -> None:
    for n in range(50):
        store.run(put(n))
    facts = store.diagnose().facts
    if "operation" in facts:
        assert int(facts["operation"]) <= 60
    with store.begin() as uow:
        assert len(list(uow._context.reader.scan(OPERATION, ("operation_id",)))) <= 1


@pytest.mark.spec("STO-5")
def test_results_are_the_same_with_and_without_batching() -> None:
    roots = set()
    for batching in (True, False):
        ids = iter(range(10_000))
        with connect(
            "memory://",
            batching=batching,
            new_id=lambda ids=ids: f"id-{next(ids)}",  # type: ignore[misc]
            nonce=lambda: bytes(16),
            clock=lambda: datetime.fromtimestamp(0, UTC),
        ) as store:
            callers = together(store, *[put(n) for n in range(30)])
            receipts = [caller.outcome.receipt for caller in callers if caller.outcome]
            roots.add(tuple(receipt.root for receipt in receipts if receipt))
    assert len(roots) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_who_carries_the_commit_is_interrupted_and_no_other_unit_takes_effect_twice(
    store: Store, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    calls: list[int] = []

    def count(uow: UnitOfWork) -> None:
        calls.append(1)
        uow.metadata.set("count", (uow.metadata.get("count") or 0) + 1)

    held, go = threading.Event(), threading.Event()

    def hold(uow: UnitOfWork) -> None:
        held.set()
        assert go.wait(10)
        uow.metadata.set("held", True)

    transaction = store._backend.transaction(1.0)  # type: ignore[attr-defined]
    transaction.rollback()
    commit = type(transaction).commit

    def broken(self: Any, changes: Any, head: Any) -> None:
        monkeypatch.undo()
        if when == "after":
            commit(self, changes, head)
        raise KeyboardInterrupt

    monkeypatch.setattr(type(transaction), "commit", broken)
    leader = Caller(store, hold)
    assert held.wait(10)
    other = Caller(store, count)
    queued(store, 1)
    go.set()
    leader.join(20)
    other.join(20)
    assert isinstance(leader.error, KeyboardInterrupt)
    assert isinstance(other.error, CommitUnknownError)
    assert calls == [1]
    with store.read() as view:
        assert view.metadata.get("count") == (1 if when == "after" else None)
    assert store.run(put(1)).receipt is not None
    assert verify(store, store_id=store.store_id).findings == ()


@pytest.mark.parametrize("reason", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_a_unit_that_leaks_out_of_an_interrupted_run_leaves_no_trace(store: Store, reason: type[BaseException]) -> None:
    """Whoever else uses the handle goes on with a journal that holds what was committed."""
    leaked: list[UnitOfWork] = []

    def leak(uow: UnitOfWork) -> None:
        leaked.append(uow)
        uow.objects.put("doc", "never")
        raise reason

    with pytest.raises(reason):
        store.run(leak)
    with pytest.raises(StoreClosedError):
        leaked[0].flush()
    receipt = store.run(put(1)).receipt
    assert receipt is not None
    with store.read() as view:
        assert receipt.root == view.journal.root(receipt.size)


def test_what_ends_another_program_part_is_raised_where_it_was_asked_for(store: Store) -> None:
    """The caller that carries the commit is not told of the end of another one."""

    def leave(uow: UnitOfWork) -> None:
        uow.objects.put("doc", "never")
        raise SystemExit

    first, left, last = together(store, put(1), leave, put(2))
    assert first.outcome is not None
    assert isinstance(left.error, SystemExit)
    assert last.outcome is not None
    assert verify(store, store_id=store.store_id).findings == ()
