"""Leases on a ledger: units that grant, keep and end them, and a thread that ends those whose time is over.

Each process that holds a lease or watches keys looks for leases that are overdue, so their end is seen within a second
even where the process that held one is gone. Several may find the same one; the writer lock lets one of them end it.

Cost: granting and keeping are a unit of one row without a journal entry. Looking is one view and one row a second.

Imports ``unit_of_work`` and what stands under it. Source: DESIGN 1.2, KV-5.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from itertools import chain, islice
from typing import Final

from charter_persist.errors import CharterError, ReadOnlyError, StoreClosedError
from charter_persist.lease.lease import Guard, unguarded
from charter_persist.model.time import to_micros
from charter_persist.unit_of_work import UnitOfWork, Units

POLL_S: Final = 1.0
# Ended in one unit; the others follow in the next.
ENDED_MAX: Final = 100
_MICROS: Final = 1_000_000

_log = logging.getLogger("charter_persist.lease")


class LedgerLeases:
    """`contract.single.LeaseBackend` over the units of a ledger.

    Args:
        units: of the store.
        clock: of the store.
    """

    def __init__(self, units: Units, clock: Callable[[], datetime]) -> None:
        self._units = units
        self._clock = clock
        self._turn = threading.Lock()
        self._interested = 0
        self._over = threading.Event()
        self._changed = threading.Event()
        self._thread: threading.Thread | None = None

    def grant(self, ttl_s: float, guard: Guard = unguarded) -> str:
        """Make a lease, by a unit that is guarded."""
        lease = self._units.run(guard(lambda uow: uow.leases.grant(ttl_s))).value
        self._changed.set()
        return lease

    def keep_alive(self, lease: str) -> float:
        """Begin its time to live anew."""
        return self._units.run(lambda uow: uow.leases.keep_alive(lease)).value

    def revoke(self, lease: str) -> None:
        """End it and delete its keys."""
        self._units.run(lambda uow: _end(uow, lease))

    def time_to_live(self, lease: str) -> float | None:
        """How many seconds it has left; None where it has ended or its time is over."""
        with self._units.read() as view:
            ends = view.leases.expires_at(lease)
        left = 0.0 if ends is None else (ends - to_micros(self._clock())) / _MICROS
        return left if left > 0 else None

    def look_out(self) -> Callable[[], None]:
        """End what is overdue from now on, until what this returns is called; by one thread for all who ask."""
        with self._turn:
            self._interested += 1
            if self._thread is None:
                self._over.clear()
                self._thread = threading.Thread(target=self._look, name="charter-leases", daemon=True)
                self._thread.start()
        once = threading.Lock()

        def release() -> None:
            if once.acquire(blocking=False):
                self._release()

        return release

    def _release(self) -> None:
        with self._turn:
            self._interested -= 1
            if self._interested or self._thread is None:
                return
            self._over.set()
            self._changed.set()
            self._thread.join()
            self._thread = None

    def _look(self) -> None:
        first = True
        while not self._over.is_set():
            wait_s = POLL_S
            try:
                wait_s = self._end_overdue(missing_too=first)
                first = False
            except (ReadOnlyError, StoreClosedError):
                return
            except CharterError as exc:
                _log.warning("leases that are overdue could not be ended; it is tried again", exc_info=exc)
            self._changed.wait(wait_s)
            self._changed.clear()

    def _end_overdue(self, *, missing_too: bool) -> float:
        """End what is overdue; returns how long it may be until there is more."""
        now = to_micros(self._clock())
        with self._units.read() as view:
            ends = view.leases.next_end()
            found = (ends is not None and ends <= now) or (missing_too and any(view.leases.missing()))
        if found:
            self._units.run(lambda uow: _end_many(uow, missing_too=missing_too))
            return 0.0
        return POLL_S if ends is None else max(0.0, min(POLL_S, (ends - now) / _MICROS))


def _end_many(uow: UnitOfWork, *, missing_too: bool) -> None:
    missing = uow.leases.missing() if missing_too else iter(())
    for lease in list(islice(chain(uow.leases.overdue(uow.now), missing), ENDED_MAX)):
        _end(uow, lease)


def _end(uow: UnitOfWork, lease: str) -> None:
    for key in list(uow.leases.keys(lease)):
        uow.kv.delete(key, missing_ok=True)
    uow.leases.end(lease)
