"""The anomalies of `test_hermitage` on etcd, where no unit waits: of two that touch the same, the later end is refused.

Two units are open at once in each case, and both end. What a unit only writes it also reads, for the version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from charter_persist import Store, UnitOfWork
from charter_persist.errors import SerializationFailureError
from charter_persist.testing import OpenStore
from charter_persist.unit_of_work import ReadView

pytestmark = [
    pytest.mark.spec("P13", "KV-2", "KV-8"),
    pytest.mark.parametrize("places", ["etcd"], indirect=True, scope="module"),
]

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


def give(uow: UnitOfWork, key: str, number: int) -> None:
    uow.kv.set(key, b"%d" % number)


def number_of(reader: ReadView | UnitOfWork, key: str) -> int:
    return int(reader.kv.require(key).value)


def numbers(reader: ReadView | UnitOfWork) -> dict[str, int]:
    return {entry.key: int(entry.value) for entry in reader.kv.iter()}


def now(store: Store) -> dict[str, int]:
    with store.read() as view:
        return numbers(view)


@contextmanager
def refused(store: Store) -> Iterator[UnitOfWork]:
    """A unit whose end is refused, because another one came between; it leaves nothing."""
    with pytest.raises(SerializationFailureError) as caught, store.begin() as uow:
        yield uow
    assert (caught.value.retryable, caught.value.applied) == (True, "no")


class UndoneError(Exception):
    """A unit that shall leave nothing."""


def test_g0_writes_of_two_units_do_not_mix(first: Store, second: Store) -> None:
    with refused(first) as one:
        give(one, "/1", 11)
        with second.begin() as two:
            give(two, "/1", 12)
            give(two, "/2", 22)
        give(one, "/2", 21)
    assert now(first) == {"/1": 12, "/2": 22}


def test_g1a_nobody_reads_what_was_undone(first: Store, second: Store) -> None:
    with second.begin() as two:
        with pytest.raises(UndoneError), first.begin() as one:
            give(one, "/1", 101)
            assert numbers(two) == now(second) == BEGINNING
            raise UndoneError
        give(two, "/2", number_of(two, "/1") + 1)
    assert now(first) == {"/1": 10, "/2": 11}


def test_g1b_nobody_reads_what_was_replaced_inside_a_unit(first: Store, second: Store) -> None:
    with first.begin() as one:
        give(one, "/1", 101)
        assert now(second) == BEGINNING
        give(one, "/1", 11)
        assert now(second) == BEGINNING
    assert one.receipt is not None
    assert now(second) == {"/1": 11, "/2": 20}
    with first.watch("kv:/*", after=one.receipt.revision - 1) as watch:
        assert [event.new_value for event in next(watch).events] == [b"11"]


def test_g1c_information_does_not_flow_in_a_circle(first: Store, second: Store) -> None:
    with refused(first) as one:
        give(one, "/1", 11)
        with second.begin() as two:
            give(two, "/2", 22)
            assert number_of(two, "/1") == 10
        assert number_of(one, "/2") == 20
    assert now(first) == {"/1": 10, "/2": 22}


def test_otv_a_unit_that_was_seen_does_not_vanish(first: Store, second: Store) -> None:
    with refused(second) as two:
        give(two, "/1", 12)
        with first.begin() as one:
            give(one, "/1", 11)
            give(one, "/2", 19)
        with first.read() as view:
            assert number_of(view, "/1") == 11
            give(two, "/2", 18)
            assert number_of(view, "/2") == 19
    assert now(first) == {"/1": 11, "/2": 19}


def test_pmp_a_listing_is_the_same_when_it_is_read_again(first: Store, second: Store) -> None:
    with first.read() as view, refused(first) as one:
        assert numbers(view) == numbers(one) == BEGINNING
        with second.begin() as two:
            give(two, "/3", 30)
        assert numbers(view) == numbers(one) == BEGINNING
        give(one, "/1", 11)
    assert now(first) == {**BEGINNING, "/3": 30}


def test_pmp_what_is_written_by_a_listing_is_what_is_there(first: Store, second: Store) -> None:
    with refused(second) as two:
        for key, number in numbers(two).items():
            if number == 20:
                two.kv.delete(key)
        with first.begin() as one:
            for key, number in numbers(one).items():
                give(one, key, number + 10)
    assert now(first) == {"/1": 20, "/2": 30}


def test_p4_no_update_is_lost_among_units(first: Store, second: Store) -> None:
    with refused(first) as one:
        read = number_of(one, "/1")
        with second.begin() as two:
            give(two, "/1", number_of(two, "/1") + 5)
        give(one, "/1", read + 1)
    assert now(first) == {"/1": 15, "/2": 20}


def test_p4_a_unit_that_is_run_begins_again_and_loses_nothing(first: Store, second: Store) -> None:
    attempts = []

    def add_one(uow: UnitOfWork) -> None:
        read = number_of(uow, "/1")
        attempts.append(read)
        if len(attempts) == 1:
            second.run(lambda other: give(other, "/1", 15))
        give(uow, "/1", read + 1)

    first.run(add_one)
    assert attempts == [10, 15]
    assert now(first) == {"/1": 16, "/2": 20}


def test_g_single_a_unit_never_sees_half_of_another_one(first: Store, second: Store) -> None:
    with refused(first) as one, first.read() as view:
        assert number_of(one, "/1") == number_of(view, "/1") == 10
        with second.begin() as two:
            give(two, "/1", 12)
            give(two, "/2", 18)
        assert number_of(one, "/2") == number_of(view, "/2") == 20
        give(one, "/3", 30)
    assert now(first) == {"/1": 12, "/2": 18}


def test_g2_item_units_do_not_skew_each_other(first: Store, second: Store) -> None:
    with refused(first) as one:
        assert number_of(one, "/1") + number_of(one, "/2") == 30
        with second.begin() as two:
            assert number_of(two, "/1") + number_of(two, "/2") == 30
            give(two, "/2", 0)
        give(one, "/1", 0)
    assert now(first) == {"/1": 10, "/2": 0}


@pytest.mark.parametrize(
    "change",
    [lambda uow: give(uow, "/15", 30), lambda uow: give(uow, "/3", 30), lambda uow: uow.kv.delete("/2")],
    ids=["between", "behind", "deletion"],
)
def test_g2_units_that_list_see_what_the_other_changed(
    first: Store, second: Store, change: Callable[[UnitOfWork], None]
) -> None:
    with refused(first) as one:
        assert numbers(one) == BEGINNING
        with second.begin() as two:
            assert numbers(two) == BEGINNING
            change(two)
        give(one, "/4", 40)
    assert "/4" not in now(first)


def test_a_unit_that_read_and_wrote_nothing_that_changed_is_not_refused(first: Store, second: Store) -> None:
    with first.begin() as one:
        give(one, "/1", number_of(one, "/1") + 1)
        with second.begin() as two:
            give(two, "/2", 21)
            give(two, "/3", 30)
    assert now(first) == {"/1": 11, "/2": 21, "/3": 30}
