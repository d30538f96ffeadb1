"""What `AsyncCharter` stands on: each verb is one hop, on the writing thread, and can be given up until it commits.

Imports ``engine`` and ``store``. Source: DESIGN 6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeVar

from charter_persist.aio.facet import Facet
from charter_persist.aio.store import AsyncStore
from charter_persist.aio.waiting import Attempt
from charter_persist.engine.boot import BootMode
from charter_persist.engine.charter import Charter
from charter_persist.model.limits import Options
from charter_persist.store import Store
from charter_persist.unit_of_work import Outcome, ReadView, UnitOfWork

T = TypeVar("T")

_ATTEMPT: Final[ContextVar[Attempt]] = ContextVar("charter_attempt")


class Governing(Facet):
    """The face of a sync `Charter` over the sync store behind an `AsyncStore`.

    Args:
        store: what `connect_async` gave.
        indexed: as for `Charter`.
        mode: as for `Charter`.
    """

    def __init__(self, store: AsyncStore, *, indexed: bool = True, mode: BootMode = BootMode.NORMAL) -> None:
        charter = Charter(GuardedUnits(store.sync_store), indexed=indexed, mode=mode)
        super().__init__(store.hop, lambda: charter, self._verb)
        self._store = store

    async def _verb(self, call: Callable[[], T]) -> T:
        attempt = Attempt()

        def verb() -> T:
            _ATTEMPT.set(attempt)
            return call()

        return await self._store.write(verb, attempt)


class GuardedUnits:
    """`Units` of a store, of which none commits that was given up."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def options(self) -> Options:
        """The limits in force."""
        return self._store.options

    @contextmanager
    def begin(self, *, timeout_s: float | None = None) -> Iterator[UnitOfWork]:
        """Open a unit of work of the attempt that the context tells."""
        attempt = _ATTEMPT.get()
        with self._store.begin(timeout_s=timeout_s) as uow:
            attempt.begin()
            yield uow
            attempt.decide()

    def read(self, *, as_of: int | None = None) -> ReadView:
        """Open a view."""
        return self._store.read(as_of=as_of)

    def run(self, fn: Callable[[UnitOfWork], T], *, operation_id: str | None = None) -> Outcome[T]:
        """Run a function as one unit of work."""
        return self._store.run(fn, operation_id=operation_id)
