"""Conformance under races: many threads, several handles, and rules that hold whoever comes first.

Source: STYLE 2 (must-have race tests), RELIABILITY P9, P15, P17 and P22.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from typing import Any, Final

import pytest

from charter_persist.errors import AlreadyExistsError, SealedError, VersionConflictError
from charter_persist.integrity.verify import verify
from charter_persist.model.digest import digest
from charter_persist.store import Store
from charter_persist.testing.fixtures import OpenStore, StoreFixtures
from charter_persist.testing.history import UndoneError
from charter_persist.testing.objects import put
from charter_persist.unit_of_work import UnitOfWork

HANDLES: Final = 3
THREADS: Final = 16
ROUNDS: Final = 12
JOIN_S: Final = 120.0


@contextmanager
def several_handles(open_store: OpenStore) -> Iterator[list[Store]]:
    """Handles on one store, so that writers meet at the lock of the store and not only at that of one handle."""
    with ExitStack() as stack:
        yield [stack.enter_context(open_store(unit_timeout_s=60.0)) for _ in range(HANDLES)]


def race(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Call ``work`` with 0 to ``count - 1``, each in a thread of its own, all at the same moment.

    Returns:
        What each call returned, in order. What a call raised is raised here.
    """
    start = threading.Barrier(count)
    results: list[Any] = [None] * count
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            start.wait()
            results[number] = work(number)
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(JOIN_S)
        assert not thread.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]
    return results


@pytest.mark.spec("STO-1")
class RaceConformance(StoreFixtures):
    """What holds whoever comes first."""

    @pytest.mark.spec("P15")
    @pytest.mark.parametrize("store_name", ["refs", "metadata", "kv"])
    def test_of_racing_compare_and_sets_exactly_one_wins(self, open_store: OpenStore, store_name: str) -> None:
        """In each round one of sixteen wins, and the final version is the number of wins."""
        with several_handles(open_store) as handles:
            targets = put(handles[0], *range(THREADS))

            def contend(thread: int) -> list[bool]:
                won = []
                for number in range(ROUNDS):
                    together.wait()
                    try:
                        with handles[thread % HANDLES].begin() as uow:
                            if store_name == "refs":
                                uow.refs.set("prize", targets[thread], expected=number)
                            elif store_name == "kv":
                                uow.kv.compare_and_set("/prize", b"%d" % thread, expected=number)
                            else:
                                uow.metadata.set("prize", thread, expected=number)
                    except VersionConflictError as exc:
                        told.append((exc.expected, exc.actual, number))
                        won.append(False)
                    else:
                        won.append(True)
                return won

            together = threading.Barrier(THREADS)
            told: list[tuple[int, int, int]] = []
            results = race(THREADS, contend)
            # Who lost is told of the state that is there now.
            assert {(actual - number, expected - number) for expected, actual, number in told} == {(1, 0)}
            # Catches a version that is read before the lock is taken.
            assert [sum(won[number] for won in results) for number in range(ROUNDS)] == [1] * ROUNDS
            winners = [next(t for t in range(THREADS) if results[t][number]) for number in range(ROUNDS)]
            with handles[0].read() as view:
                if store_name == "refs":
                    assert view.refs.require("prize").version == ROUNDS
                    assert [ref.digest for ref in view.refs.history("prize")] == [targets[t] for t in winners]
                elif store_name == "kv":
                    prize = view.kv.require("/prize")
                    assert (prize.version, prize.value) == (ROUNDS, b"%d" % winners[-1])
                else:
                    assert [entry.value for entry in view.metadata.history("prize")] == winners

    @pytest.mark.spec("P15")
    def test_of_racing_creations_exactly_one_wins(self, open_store: OpenStore) -> None:
        """The same for what must not exist: session ids and event ids."""
        with several_handles(open_store) as handles:

            def create(thread: int) -> int:
                wins = 0
                for number in range(ROUNDS):
                    together.wait()
                    try:
                        with handles[thread % HANDLES].begin() as uow:
                            uow.sessions.create(session_id=f"s{number}", area_id="x", problem_statement=str(thread))
                            uow.audit.append("MADE", scope="GLOBAL", subject=("s", "s"), event_id=f"e{number}")
                    except AlreadyExistsError:
                        continue
                    wins += 1
                return wins

            together = threading.Barrier(8)
            assert sum(race(8, create)) == ROUNDS
            with handles[0].read() as view:
                assert len(list(view.sessions.iter())) == len(list(view.audit.iter())) == ROUNDS

    @pytest.mark.spec("STO-3.3", "P9")
    def test_audit_events_of_two_units_never_interleave(self, open_store: OpenStore) -> None:
        """The events of a unit are neighbours, in the order they were appended; so are their journal entries."""
        with several_handles(open_store) as handles:

            def append(thread: int) -> None:
                for number in range(ROUNDS):
                    with handles[thread % HANDLES].begin() as uow:
                        for step in range(3):
                            uow.audit.append(
                                "STEP", scope="GLOBAL", subject=("unit", f"{thread}-{number}"), details=step
                            )

            race(8, append)
            with handles[0].read() as view:
                events = list(view.audit.replay())
            assert [event.position for event in events] == list(range(1, 8 * ROUNDS * 3 + 1))
            for first in range(0, len(events), 3):
                unit = events[first : first + 3]
                assert len({event.subject for event in unit}) == 1
                assert [event.details for event in unit] == [0, 1, 2]

    @pytest.mark.spec("P22")
    def test_one_object_that_many_put_is_stored_once(self, open_store: OpenStore) -> None:
        """All get the same digest, one unit stores it, and the others have no receipt."""
        with several_handles(open_store) as handles:

            def store_all(thread: int) -> list[tuple[str, bool]]:
                done: list[tuple[str, bool]] = []
                for number in range(ROUNDS):
                    together.wait()
                    with handles[thread % HANDLES].begin() as uow:
                        if thread % 2:
                            name = uow.objects.put("doc", number)
                        else:
                            (name,) = uow.objects.put_many([("doc", number)])
                    done.append((name, uow.receipt is not None))
                return done

            together = threading.Barrier(THREADS)
            results = race(THREADS, store_all)
            for number in range(ROUNDS):
                assert {done[number][0] for done in results} == {digest("doc", number)}
                # Catches two transactions that both find it absent.
                assert sum(done[number][1] for done in results) == 1
            with handles[0].read() as view:
                assert view.journal.size() == len(list(view.objects.iter())) == ROUNDS

    @pytest.mark.spec("P17")
    def test_positions_have_no_gap_and_no_reader_misses_one(self, open_store: OpenStore) -> None:
        """Writers with rollbacks; a reader who has seen position n never finds a new entry at or below n."""
        with several_handles(open_store) as handles:
            done = threading.Event()

            def write(thread: int) -> int:
                random = Random(thread)  # noqa: S311  # chance, not a secret
                entries = 0
                for number in range(ROUNDS * 2):
                    count = random.randrange(1, 5)
                    try:
                        with handles[thread % HANDLES].begin() as uow:
                            uow.objects.put_many(("doc", [thread, number, n]) for n in range(count))
                            if random.random() < 0.25:
                                uow.flush()
                                raise UndoneError
                    except UndoneError:
                        continue
                    entries += count
                return entries

            def poll(handle: Store) -> list[int]:
                seen: list[int] = []
                finished = False
                while not finished:
                    finished = done.is_set()
                    with handle.read() as view:
                        seen += [entry.position for entry in view.journal.entries(after=seen[-1] if seen else 0)]
                return seen

            def work(thread: int) -> Any:
                if thread < 2:
                    return poll(handles[thread])
                return race(6, write) if thread == 2 else None

            def supervised(thread: int) -> Any:
                try:
                    return work(thread)
                finally:
                    if thread == 2:
                        done.set()

            first, second, written = race(3, supervised)
            total = sum(written)
            assert first == second == list(range(1, total + 1))
            assert verify(handles[0], store_id=handles[0].store_id).findings == ()

    @pytest.mark.spec("P9")
    def test_no_view_sees_half_of_a_unit(self, open_store: OpenStore) -> None:
        """Tokens move between holders while views count them: the sum never changes."""
        holders, tokens = 5, 50
        with several_handles(open_store) as handles:
            with handles[0].begin() as uow:
                for holder in range(holders):
                    uow.metadata.set(f"holder/{holder}", tokens)
            done = threading.Event()

            def move(thread: int) -> None:
                random = Random(thread)  # noqa: S311  # chance, not a secret

                def change(uow: UnitOfWork) -> None:
                    here, there = random.sample(range(holders), 2)
                    uow.metadata.set(f"holder/{here}", uow.metadata.get(f"holder/{here}") - 1)
                    uow.metadata.set(f"holder/{there}", uow.metadata.get(f"holder/{there}") + 1)

                for _ in range(ROUNDS * 2):
                    handles[thread % HANDLES].run(change)

            def count(handle: Store) -> Counter[int]:
                sums: Counter[int] = Counter()
                while not done.is_set():
                    with handle.read() as view:
                        sums[sum(view.metadata.get(f"holder/{holder}") for holder in range(holders))] += 1
                return sums

            def supervised(thread: int) -> Any:
                if thread:
                    return count(handles[thread])
                try:
                    return race(4, move)
                finally:
                    done.set()

            _, *counted = race(3, supervised)
            for sums in counted:
                assert set(sums) == {holders * tokens}

    @pytest.mark.spec("STO-3.5", "GOV-4")
    def test_no_stance_comes_after_the_seal(self, open_store: OpenStore) -> None:
        """A stance is in the sealed object, or its caller was told that it came too late."""
        with several_handles(open_store) as handles:
            for number in range(6):
                name = f"s{number}"
                with handles[0].begin() as uow:
                    uow.sessions.create(session_id=name, area_id="x", problem_statement="why")
                    uow.sessions.add_candidate(name, "this", candidate_id="c")
                    uow.sessions.set_state(name, "ACTIVE")
                sealed: list[str] = []

                def act(thread: int, name: str = name, sealed: list[str] = sealed) -> str | None:
                    handle = handles[thread % HANDLES]
                    if thread == 3:
                        with handle.begin() as uow:
                            sealed.append(uow.sessions.seal(name, "ACCEPTED", accepted=["c"]))
                        return None
                    try:
                        with handle.begin() as uow:
                            uow.sessions.record_stance(name, actor_id=f"a{thread}", candidate_id="c", stance="ACCEPT")
                    except SealedError:
                        return None
                    return f"a{thread}"

                heard = sorted(actor for actor in race(8, act) if actor is not None)
                with handles[0].read() as view:
                    session = view.sessions.require(name)
                    (sealed_digest,) = sealed
                    stances = view.objects.require(sealed_digest).object["stances"]
                assert heard == [stance["actor_id"] for stance in stances]
                assert heard == [actor for actor, _ in sorted(session.stances)]
