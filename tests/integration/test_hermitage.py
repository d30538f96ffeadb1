"""The anomalies that the Hermitage collection tells of, as fixed interleavings through units of work and views.

Units that write queue for the writer lock, so where a case needs two at once the second one has to wait, and then sees
all of the first; views are snapshots and never wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Event
from typing import Any

import pytest

from charter_persist import Store, UnitOfWork
from charter_persist.errors import StoreBusyError, TransactionFailedError, VersionConflictError
from charter_persist.model.entry import CheckRevision, CheckVersion, Set
from charter_persist.testing import OpenStore
from charter_persist.unit_of_work import ReadView

pytestmark = pytest.mark.spec("P13", "KV-2")

# Long enough that a unit that did not wait would have ended.
MOMENT_S = 0.05
END_S = 60.0
BEGINNING = {"/1": 10, "/2": 20}


@pytest.fixture
def first(open_store: OpenStore) -> Iterator[Store]:
    with open_store() as store:
        with store.begin() as uow:
            for key, number in BEGINNING.items():
                give(uow, key, number)
        yield store


@pytest.fixture
def second(first: Store, open_store: OpenStore) -> Iterator[Store]:
    with open_store() as store:
        yield store


@pytest.fixture
def beside() -> Iterator[Callable[..., Future[Any]]]:
    """Begins a unit in a thread of its own."""
    with ThreadPoolExecutor(2) as pool:

        def begin(store: Store, work: Callable[[UnitOfWork], Any]) -> Future[Any]:
            def run() -> Any:
                with store.begin() as uow:
                    return work(uow)

            return pool.submit(run)

        yield begin


def is_waiting(unit: Future[Any]) -> bool:
    return bool(wait([unit], MOMENT_S).not_done)


def give(uow: UnitOfWork, key: str, number: int) -> None:
    uow.kv.set(key, b"%d" % number)


def number_of(reader: ReadView | UnitOfWork, key: str) -> int:
    return int(reader.kv.require(key).value)


def numbers(reader: ReadView | UnitOfWork) -> dict[str, int]:
    return {entry.key: int(entry.value) for entry in reader.kv.iter()}


def now(store: Store) -> dict[str, int]:
    with store.read() as view:
        return numbers(view)


class UndoneError(Exception):
    """A unit that shall leave nothing."""


def test_g0_writes_of_two_units_do_not_mix(first: Store, second: Store, beside: Any) -> None:
    with first.begin() as uow:
        give(uow, "/1", 11)
        other = beside(second, lambda uow: [give(uow, "/1", 12), give(uow, "/2", 22)])
        assert is_waiting(other)
        give(uow, "/2", 21)
    other.result(END_S)
    assert now(first) == {"/1": 12, "/2": 22}
    with first.read(as_of=2) as view:
        assert numbers(view) == {"/1": 11, "/2": 21}


def test_a_second_writer_that_may_not_wait_is_told_that_the_store_is_busy(
    first: Store, open_store: OpenStore, beside: Any
) -> None:
    with open_store(unit_timeout_s=0.1) as hasty, first.begin() as uow:
        give(uow, "/1", 11)
        with pytest.raises(StoreBusyError) as caught:
            beside(hasty, lambda uow: give(uow, "/1", 12)).result(END_S)
        assert (caught.value.retryable, caught.value.applied) == (True, "no")
    assert now(first) == {"/1": 11, "/2": 20}


def test_g1a_nobody_reads_what_was_undone(first: Store, second: Store, beside: Any) -> None:
    with second.read() as before, pytest.raises(UndoneError), first.begin() as uow:
        give(uow, "/1", 101)
        uow.flush()
        other = beside(second, numbers)
        assert is_waiting(other)
        assert numbers(before) == now(second) == BEGINNING
        raise UndoneError
    assert other.result(END_S) == now(second) == BEGINNING


def test_g1b_nobody_reads_what_was_replaced_inside_a_unit(first: Store, second: Store) -> None:
    with first.begin() as uow:
        give(uow, "/1", 101)
        assert now(second) == BEGINNING
        give(uow, "/1", 11)
        assert now(second) == BEGINNING
    assert now(second) == {"/1": 11, "/2": 20}
    with first.watch("kv:/*", after=1) as watch:
        assert [event.new_value for event in next(watch).events] == [b"11"]


def test_g1c_information_does_not_flow_in_a_circle(first: Store, second: Store, beside: Any) -> None:
    def other_way(uow: UnitOfWork) -> int:
        give(uow, "/2", 22)
        return number_of(uow, "/1")

    with first.begin() as uow:
        give(uow, "/1", 11)
        other = beside(second, other_way)
        assert is_waiting(other)
        assert number_of(uow, "/2") == 20
    assert other.result(END_S) == 11


def test_otv_a_unit_that_was_seen_does_not_vanish(first: Store, second: Store, beside: Any) -> None:
    is_half, go_on = Event(), Event()

    def halfway(uow: UnitOfWork) -> None:
        give(uow, "/1", 12)
        is_half.set()
        assert go_on.wait(END_S)
        give(uow, "/2", 18)

    with first.begin() as uow:
        give(uow, "/1", 11)
        give(uow, "/2", 19)
        other = beside(second, halfway)
        assert is_waiting(other)
    assert is_half.wait(END_S)
    with first.read() as view:
        assert number_of(view, "/1") == 11
        go_on.set()
        other.result(END_S)
        assert number_of(view, "/2") == 19
        assert number_of(view, "/1") == 11
    assert now(first) == {"/1": 12, "/2": 18}


def test_pmp_a_listing_is_the_same_when_it_is_read_again(first: Store, second: Store) -> None:
    with first.read() as view:
        assert 30 not in numbers(view).values()
        with second.begin() as uow:
            give(uow, "/3", 30)
        assert numbers(view) == BEGINNING
        assert [entry.key for entry in view.kv.list("/").items] == ["/1", "/2"]
    assert now(first) == {**BEGINNING, "/3": 30}


def test_pmp_what_is_written_by_a_listing_is_what_is_there(first: Store, second: Store, beside: Any) -> None:
    def delete_twenties(uow: UnitOfWork) -> None:
        for key, number in numbers(uow).items():
            if number == 20:
                uow.kv.delete(key)

    with first.begin() as uow:
        for key, number in numbers(uow).items():
            give(uow, key, number + 10)
        other = beside(second, delete_twenties)
        assert is_waiting(other)
    other.result(END_S)
    assert now(first) == {"/2": 30}


def test_p4_no_update_is_lost_among_units(first: Store, second: Store, beside: Any) -> None:
    with first.begin() as uow:
        read = number_of(uow, "/1")
        other = beside(second, lambda uow: give(uow, "/1", number_of(uow, "/1") + 5))
        assert is_waiting(other)
        give(uow, "/1", read + 1)
    other.result(END_S)
    assert now(first) == {"/1": 16, "/2": 20}


def test_p4_no_update_is_lost_by_what_was_read_before(first: Store, second: Store) -> None:
    with first.read() as one, second.read() as two:
        versions = [view.kv.version("/1") for view in (one, two)]
    with second.begin() as uow:
        uow.kv.compare_and_set("/1", b"11", expected=versions[1])
    with pytest.raises(VersionConflictError) as caught, first.begin() as uow:
        uow.kv.compare_and_set("/1", b"12", expected=versions[0])
    assert (caught.value.expected, caught.value.actual) == (1, 2)
    assert now(first) == {"/1": 11, "/2": 20}


def test_g_single_a_view_never_sees_half_of_a_unit(first: Store, second: Store) -> None:
    with first.read() as view:
        assert number_of(view, "/1") == 10
        with second.begin() as uow:
            assert numbers(uow) == BEGINNING
            give(uow, "/1", 12)
            give(uow, "/2", 18)
        assert number_of(view, "/2") == 20
        assert numbers(view) == BEGINNING


def test_g_single_a_decision_by_an_old_view_is_refused(first: Store, second: Store) -> None:
    with first.read() as view:
        checks = [CheckVersion(key, view.kv.version(key)) for key in BEGINNING]
        with second.begin() as uow:
            give(uow, "/2", 18)
    with pytest.raises(TransactionFailedError) as caught, first.begin() as uow:
        uow.kv.transaction([*checks, Set("/1", b"30")])
    assert (caught.value.index, caught.value.applied) == (1, "no")
    assert now(first) == {"/1": 10, "/2": 18}


def test_g2_item_units_do_not_skew_each_other(first: Store, second: Store, beside: Any) -> None:
    def take_from_second(uow: UnitOfWork) -> None:
        if sum(numbers(uow).values()) >= 30:
            give(uow, "/2", 0)

    with first.begin() as uow:
        assert sum(numbers(uow).values()) == 30
        other = beside(second, take_from_second)
        assert is_waiting(other)
        give(uow, "/1", 0)
    other.result(END_S)
    assert now(first) == {"/1": 0, "/2": 20}


def test_g2_item_decisions_by_views_do_not_skew_each_other(first: Store, second: Store) -> None:
    with first.read() as one, second.read() as two:
        checks = [[CheckRevision(key, view.kv.require(key).revision) for key in BEGINNING] for view in (one, two)]
    with first.begin() as uow:
        uow.kv.transaction([*checks[0], Set("/1", b"0")])
    with pytest.raises(TransactionFailedError) as caught, second.begin() as uow:
        uow.kv.transaction([*checks[1], Set("/2", b"0")])
    assert caught.value.check == checks[1][0]
    assert now(first) == {"/1": 0, "/2": 20}


def test_g2_units_that_list_see_what_the_other_added(first: Store, second: Store, beside: Any) -> None:
    def add_if_none(uow: UnitOfWork, key: str) -> bool:
        if any(number % 3 == 0 for number in numbers(uow).values()):
            return False
        give(uow, key, 30)
        return True

    with first.begin() as uow:
        assert add_if_none(uow, "/3")
        other = beside(second, lambda uow: add_if_none(uow, "/4"))
        assert is_waiting(other)
    assert other.result(END_S) is False
    assert now(first) == {**BEGINNING, "/3": 30}
