"""A lease that a thread keeps alive, for as long as the process that holds it can.

Cost: one call of the backend each third of the time to live. Imports ``backends.contract``, ``repositories`` and ``errors``.

Source: DESIGN 1, RELIABILITY 4.6 (leases are no mutual exclusion).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Protocol, TypeVar

from charter_persist.backends.contract.single import LeaseBackend
from charter_persist.errors import BackendError, CharterError, NotFoundError
from charter_persist.repositories.leases import check_ttl

R = TypeVar("R")
U = TypeVar("U")

# Of the time to live: when it is made longer, and when again where that failed.
RENEW: Final = 1 / 3
RETRY: Final = 1 / 12


class Guard(Protocol):
    """Wraps what is about to be done, by who may want it no more when its turn comes: then it raises and nothing is done."""

    def __call__(self, fn: Callable[[U], R], /) -> Callable[[U], R]:
        """The function, guarded."""
        ...


def unguarded(fn: Callable[[U], R], /) -> Callable[[U], R]:
    """The `Guard` of who waits until it is done."""
    return fn


class Lease:
    """Keys attached to it live as long as it does; use `Store.lease`.

    It is kept alive until it is revoked, abandoned, or the store is closed. Whether it still stands is known by the
    clock of this process alone, and cautiously: `lost` is True before anybody can see its keys gone, unless the
    process was stopped or its clock was slow. So a lease is no lock: what must not happen twice checks a revision in
    the unit that does it.

    Args:
        backend: of the lease.
        grant: makes it, of its time to live.
        ttl_s: how long it lives without being kept alive.
        over: called when it is kept alive no more.

    Attributes:
        id: by which keys are attached to it.
        ttl_s: how long it lives without being kept alive.
    """

    def __init__(
        self,
        backend: LeaseBackend,
        grant: Callable[[float], str],
        ttl_s: float,
        over: Callable[[], None] = lambda: None,
    ) -> None:
        self.ttl_s = check_ttl(ttl_s)
        asked = time.monotonic()
        self.id = grant(self.ttl_s)
        self._backend = backend
        self._tell_over = over
        self._ends = asked + ttl_s
        self._lost = threading.Event()
        self._told: set[Callable[[], object]] = set()
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="charter-lease", daemon=True)
        self._keeper.start()

    @property
    def lost(self) -> bool:
        """Whether it may have ended; once True it stays so."""
        if time.monotonic() >= self._ends:
            self._lost.set()
        return self._lost.is_set()

    @property
    def left_s(self) -> float:
        """How many seconds it has left, if it is not kept alive and not ended before."""
        return max(0.0, self._ends - time.monotonic())

    @contextmanager
    def telling(self, tell: Callable[[], object]) -> Iterator[None]:
        """Have something called, in any thread, when it ends before its time; `left_s` says when that is over."""
        self._told.add(tell)
        try:
            yield
        finally:
            self._told.discard(tell)

    def wait_lost(self, timeout_s: float | None = None) -> bool:
        """Wait until it may have ended, at most ``timeout_s`` seconds; whether it has."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self.lost:
            left = self.left_s
            if deadline is not None:
                left = min(left, deadline - time.monotonic())
                if left <= 0:
                    return False
            self._lost.wait(left)
        return True

    def revoke(self) -> None:
        """End it now: its keys are deleted together, in one revision. A second call does nothing.

        Raises:
            BackendError: it could not be told; it ends when its time is over.
        """
        if not self._over.is_set():
            self.abandon()
            self._backend.revoke(self.id)

    def abandon(self) -> None:
        """Keep it alive no more; its keys go when its time is over. A second call does nothing."""
        self._over.set()
        self._lose()
        self._keeper.join()
        self._tell_over()

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.revoke()

    def _lose(self) -> None:
        self._lost.set()
        for tell in list(self._told):
            tell()

    def _keep(self) -> None:
        share = RENEW
        while not self._over.wait(self.ttl_s * share) and not self.lost:
            asked = time.monotonic()
            try:
                left = self._backend.keep_alive(self.id)
            except NotFoundError:
                self._lose()
            except BackendError:
                share = RETRY
            except CharterError:
                self._lose()  # the store was closed
            else:
                share = RENEW
                if not self.lost:
                    self._ends = asked + left
