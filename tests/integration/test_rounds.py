"""Each program of `tests.rounds` on a small scale, with its control; ``python -m tests.rounds`` runs them in full."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from charter_persist import Store
from charter_persist.model.event import Custom, StoredEvent
from tests.etcd_server import EtcdCluster
from tests.linearizability import UNKNOWN
from tests.rounds import crowd, hints, lists, positions, registers, streams, tokens, watchers, winners
from tests.rounds.__main__ import row
from tests.rounds.appends import BEGAN, DONE, REFUSED, UNDONE, faults, units_of
from tests.rounds.clients import BrokenPromiseError, Desk, finished, together
from tests.rounds.places import NewPlace, Place, new_places
from tests.rounds.tally import Program, Tally, VoidRunError, floor

ROOT = Path(__file__).parents[2]
SCALE = 0.02


@pytest.fixture(params=["memory", "sqlite", "postgres", "etcd"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def new_place(request: pytest.FixtureRequest, backend: str) -> NewPlace:
    if backend == "postgres":
        return new_places(backend, request.getfixturevalue("postgres_server").url)
    if backend == "etcd":
        return new_places(backend, request.getfixturevalue("quiet_etcd").fresh_url())
    return new_places(backend, None)


def show(program: Program, new_place: NewPlace, backend: str) -> None:
    """Run a program and its control."""
    assert program.suits(backend)
    with new_place() as place:
        tally = program.run(place, SCALE)
    assert tally.operations >= tally.rounds >= 1
    assert tally.acks >= 1
    with new_place() as place:
        assert program.control(place, SCALE) is not None


@pytest.mark.spec("P12", "KV-2", "KV-3")
def test_keys_are_linearizable_across_processes_that_are_killed(new_place: NewPlace, backend: str) -> None:
    show(registers.PROGRAM, new_place, backend)


@pytest.mark.spec("P7", "P12", "KV-8")
def test_keys_are_linearizable_across_processes_while_leaders_are_killed(etcd_cluster: EtcdCluster) -> None:
    place, tally = Place(etcd_cluster.fresh_url()), Tally()
    with etcd_cluster.losing_leaders(every_s=4) as killed:
        while tally.rounds < 2 or (len(killed) < 2 and tally.rounds < 50):
            overlap = registers.one_round(place, tally.rounds, tally, kills=False)
            assert overlap >= registers.OVERLAP_MIN
    assert len(killed) >= 2
    assert tally.operations >= tally.rounds * registers.CLIENTS * registers.CALLS * 0.8


@pytest.mark.spec("P13", "KV-2")
def test_transactions_are_strictly_serializable(new_place: NewPlace, backend: str) -> None:
    show(lists.PROGRAM, new_place, backend)


@pytest.mark.spec("P15", "KV-2")
def test_of_racing_processes_exactly_one_wins_each_contest(new_place: NewPlace, backend: str) -> None:
    show(winners.PROGRAM, new_place, backend)


@pytest.mark.spec("P9", "P14", "KV-2", "KV-4")
def test_no_snapshot_and_no_listing_sees_half_of_a_transaction(new_place: NewPlace, backend: str) -> None:
    show(tokens.PROGRAM, new_place, backend)


@pytest.mark.spec("P18", "KV-5")
def test_watchers_that_are_killed_and_resumed_miss_and_double_nothing(new_place: NewPlace, backend: str) -> None:
    show(watchers.PROGRAM, new_place, backend)


@pytest.mark.spec("ENA-2", "P15", "P17", "P18")
@pytest.mark.parametrize("backend", ["memory", "sqlite", "postgres"], indirect=True)
def test_events_are_numbered_kept_and_told_once_whoever_races_and_is_killed(new_place: NewPlace, backend: str) -> None:
    show(streams.PROGRAM, new_place, backend)


@pytest.mark.spec("P17")
@pytest.mark.parametrize("backend", ["memory", "sqlite", "postgres"], indirect=True)
def test_journal_positions_have_no_gap_whoever_is_killed(new_place: NewPlace, backend: str) -> None:
    show(positions.PROGRAM, new_place, backend)


@pytest.mark.spec("P19", "KV-5")
@pytest.mark.parametrize("backend", ["postgres"], indirect=True)
def test_lost_notifications_cost_no_event(new_place: NewPlace, backend: str) -> None:
    show(hints.PROGRAM, new_place, backend)


@pytest.mark.spec("P16")
@pytest.mark.parametrize("backend", ["sqlite", "postgres"], indirect=True)
def test_no_call_fails_because_of_locks(new_place: NewPlace, backend: str) -> None:
    show(crowd.PROGRAM, new_place, backend)


def fail(store: Store, desk: Desk, chance: object) -> None:
    desk.tell("before")
    store.read(as_of=7)


@pytest.mark.parametrize("backend", ["memory", "sqlite"], indirect=True)
def test_a_client_that_meets_an_error_breaks_the_promise(new_place: NewPlace, backend: str) -> None:
    with new_place() as place, pytest.raises(BrokenPromiseError, match="NotFoundError"):
        finished(together(place, fail, [1]))


def test_a_call_that_was_refused_is_none_and_one_without_an_answer_is_open() -> None:
    call = ["call", 1, "set", "/a", "value", 0]
    assert registers.histories([[call, ["refused"]]]) == {}
    assert [one.returned for one in registers.histories([[call, ["refused"], call]])["/a"]] == [UNKNOWN]


def noted(name: str, number: int, sequence: int, revision: int = 1) -> StoredEvent:
    event = Custom("noted", [name, number])
    return StoredEvent("e", sequence, "t", "custom", event, datetime.now(UTC), sequence, revision)


TWO = [BEGAN, "u", [["e", 0, 2]]]
FAULTS = {
    "lost": ([TWO, [DONE, "u", [2]]], []),
    "half of a unit": ([TWO], [noted("u", 0, 1)]),
    "doubled": ([TWO], [noted("u", 0, 1), noted("u", 1, 2), noted("u", 1, 3)]),
    "reordered": ([TWO], [noted("u", 1, 1), noted("u", 0, 2)]),
    "torn into two revisions": ([TWO], [noted("u", 0, 1), noted("u", 1, 2, revision=2)]),
    "a gap": ([TWO], [noted("u", 0, 1), noted("u", 1, 3)]),
    "undone and there": ([TWO, [UNDONE, "u", []]], [noted("u", 0, 1), noted("u", 1, 2)]),
    "refused by nobody": ([TWO, [REFUSED, "u", [0, 1]]], []),
    "appended by nobody": ([], [noted("u", 0, 1)]),
    "answered with another number": ([TWO, [DONE, "u", [3]]], [noted("u", 0, 1), noted("u", 1, 2)]),
    "behind what was not expected": (
        [[BEGAN, "v", [["e", None, 1]]], TWO],
        [noted("v", 0, 1), noted("u", 0, 2), noted("u", 1, 3)],
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_of_events_is_found(name: str) -> None:
    told, events = FAULTS[name]
    assert faults(units_of([told]), events)
    told = [TWO, [DONE, "u", [2]], [BEGAN, "v", [["e", 0, 1]]], [REFUSED, "v", [0, 2]]]
    assert faults(units_of([told]), [noted("u", 0, 1), noted("u", 1, 2)]) == []


def test_too_little_traffic_and_a_control_that_is_not_caught_void_a_run() -> None:
    floor("calls", 2, 2)
    with pytest.raises(VoidRunError, match="calls: 1"):
        floor("calls", 1, 2)
    blind = Program("blind", "P0", lambda place, scale: Tally(), lambda place, scale: None)
    with pytest.raises(VoidRunError, match="blind"):
        row(blind, "memory", new_places("memory", None), 1.0)


def test_the_command_prints_a_row() -> None:
    command = [sys.executable, "-m", "tests.rounds", "--only", "winners", "--backend", "memory", "--scale", "0.02"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[2].startswith("| winners | P15 | memory | 60 |")
