"""The checkers of histories: what they have to refuse, and what they must not."""

from __future__ import annotations

import pytest

from tests.linearizability import UNKNOWN, Operation, is_linearizable, overlapping
from tests.serializability import Transaction, anomalies


@pytest.mark.spec("P12")
def test_the_checker_knows_a_stale_read_and_an_open_end() -> None:
    write = Operation(0, 1, "set", "/x", "a", result=1)
    stale = Operation(2, 3, "get", "/x", result=[0, None])
    assert is_linearizable([write, stale._replace(called=0.5)])
    assert not is_linearizable([write, stale])
    assert is_linearizable([write._replace(returned=UNKNOWN), stale])
    second = Operation(4, 5, "cas", "/x", "b", 0, 1)
    assert is_linearizable([second])
    assert not is_linearizable([write, second])
    assert is_linearizable([write._replace(returned=UNKNOWN), second])


@pytest.mark.spec("P12")
def test_overlap_is_the_share_that_ran_beside_another() -> None:
    one, beside, later = (Operation(*times, "get", "/x") for times in ((0, 2), (1, 3), (4, 5)))
    assert overlapping([one, later]) == 0
    assert overlapping([one, beside, later]) == pytest.approx(2 / 3)


@pytest.mark.spec("P13")
def test_the_search_finds_write_skew() -> None:
    skew = [Transaction({"/x": [], "/y": []}, {"/y": 1}), Transaction({"/x": [], "/y": []}, {"/x": 2})]
    assert anomalies(skew, {"/x": [2], "/y": [1]}) == ["G-single or G2, cycle of 2"]
    assert anomalies(skew[:1], {"/y": [1], "/x": []}) == []


@pytest.mark.spec("P13")
def test_the_search_names_the_least_cycle() -> None:
    dirty = [Transaction({}, {"/x": 1, "/y": 1}), Transaction({}, {"/x": 2, "/y": 2})]
    assert anomalies(dirty, {"/x": [1, 2], "/y": [2, 1]}) == ["G0, cycle of 2"]
    circular = [Transaction({"/y": [2]}, {"/x": 1}), Transaction({"/x": [1]}, {"/y": 2})]
    assert anomalies(circular, {"/x": [1], "/y": [2]}) == ["G1c, cycle of 2"]


@pytest.mark.spec("P13")
def test_real_time_counts() -> None:
    # A reader that was called after the writer had ended, and did not see it: serializable, and not strictly.
    writer, stale = Transaction({}, {"/x": 1}, 0, 1), Transaction({"/x": []}, {}, 2, 3)
    assert anomalies([writer, stale], {"/x": [1]}) == ["contradiction of real time, cycle of 2"]
    assert anomalies([writer, stale._replace(called=0.5)], {"/x": [1]}) == []
    between = Transaction({"/z": []}, {}, 1.5, 1.6)
    assert anomalies([writer, between, stale], {"/x": [1]}) == ["contradiction of real time, cycle of 3"]


@pytest.mark.spec("P13")
def test_what_was_lost_doubled_undone_or_reordered_is_found() -> None:
    assert anomalies([Transaction({}, {"/x": 1})], {"/x": []}) == ["lost /x=1"]
    assert anomalies([Transaction({}, {"/x": 1})], {"/x": [1, 1]}) == ["doubled in /x"]
    assert anomalies([], {"/x": [1]}) == ["nobody wrote /x=1"]
    reader = Transaction({"/x": [1]}, {})
    assert anomalies([Transaction({}, {"/x": 2}), reader], {"/x": [2]}) == [
        "/x was read as [1], which is no beginning of it"
    ]
