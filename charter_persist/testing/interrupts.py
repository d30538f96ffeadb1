"""Conformance of interrupting: a thread that waits for the writer lock can be had back.

Source: DESIGN 6.
"""

from __future__ import annotations

import threading
import time
from typing import Final

from charter_persist.errors import CharterError, TimedOutError
from charter_persist.store import Store
from charter_persist.testing.fixtures import OpenStore, Requirement, StoreFixtures, requires
from charter_persist.testing.objects import put

GIVEN_S: Final = 20.0
AGAIN_S: Final = 0.01


class InterruptConformance(StoreFixtures):
    """What `Store.interrupt` promises."""

    def test_interrupting_a_store_at_rest_does_nothing(self, store: Store) -> None:
        """Neither to the units before nor to those behind."""
        for n in range(3):
            store.interrupt()
            put(store, n)
        store.interrupt()
        assert store.run(lambda uow: uow.objects.put("doc", "last")).receipt is not None

    @requires(Requirement.REOPEN)
    def test_who_waits_for_the_lock_of_another_handle_is_interrupted(self, open_store: OpenStore) -> None:
        """The lock is not free meanwhile, so nothing else ends the waiting; the next unit is like any other."""
        with open_store() as holder, open_store() as store:
            errors: list[CharterError] = []

            def wait() -> None:
                try:
                    put(store, "waits")
                except CharterError as exc:
                    errors.append(exc)

            with holder.begin() as uow:
                uow.objects.put("doc", "held")
                waiter = threading.Thread(target=wait)
                waiter.start()
                until = time.monotonic() + GIVEN_S
                while waiter.is_alive() and time.monotonic() < until:
                    store.interrupt()
                    waiter.join(AGAIN_S)
                assert not waiter.is_alive()
            assert [type(error) for error in errors] == [TimedOutError]
            put(store, "later")
            with store.read() as view:
                assert [envelope.object for envelope in view.objects.iter()] == ["held", "later"]

    def test_an_interruption_leaves_units_whole(self, store: Store) -> None:
        """However many come, and whenever before the end: a unit is there whole, or it raised and nothing of it is."""
        mutex, done = threading.Lock(), threading.Event()
        inside = False

        def interrupting() -> None:
            while not done.wait(AGAIN_S):
                with mutex:
                    if inside:  # never beside a commit
                        store.interrupt()

        interrupter = threading.Thread(target=interrupting)
        interrupter.start()
        kept = 0
        try:
            for n in range(20):
                inside = True
                try:
                    with store.begin() as uow:
                        uow.objects.put_many([("doc", [n, m]) for m in range(100)])
                        uow.flush()
                        assert len(list(uow.objects.iter())) == 100 * (kept + 1)
                        with mutex:
                            inside = False
                    kept += 1
                except TimedOutError:
                    pass
        finally:
            done.set()
            interrupter.join()
        with store.read() as view:
            assert view.revision == kept
            assert len(list(view.objects.iter())) == 100 * kept
