"""A store on a backend that keeps archives and nothing else: files, S3.

A unit keeps what it stores in memory until it ends, then writes it entity by entity, each durable before the next. There
is no transaction over several; since entities are known by their content, doing it again is harmless.

Cost: nothing until the unit ends, then what the backend needs for each entity.

Source: DESIGN 1 (two kinds of backend), CCOS-2, CCOS-3.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from charter_persist.backends.contract.single import ArchiveBackend
from charter_persist.errors import CharterError
from charter_persist.lease.lease import Guard, Lease
from charter_persist.model.limits import Options
from charter_persist.repositories.archive import Archives, WritableArchives
from charter_persist.repositories.archive_backend import PendingArchive
from charter_persist.repositories.base import Sources
from charter_persist.stores.base import Health
from charter_persist.stores.offers import ARCHIVE_STORES
from charter_persist.stores.single import SingleContext, SingleStore, SingleUnit, unsupported
from charter_persist.unit_of_work import Outcome, ReadView, Receipt, UnitOfWork
from charter_persist.watch.delivery import Watch

R = TypeVar("R")
T = TypeVar("T")


def no_revision() -> int:
    """What a backend has that counts none."""
    return 0


class ArchiveView:
    """`unit_of_work.ViewContext` over the archives of a backend; it shows what is there when it is asked."""

    def __init__(self, backend: ArchiveBackend, options: Options) -> None:
        self._backend = backend
        self.options = options
        self.revision = no_revision

    def head(self) -> None:
        """There is no journal."""

    def close(self) -> None:
        """Nothing is held."""

    def open(self, store: str, _make: Callable[[Any], R]) -> Any:
        """The readers of archives, by type."""
        if store not in ARCHIVE_STORES:
            raise unsupported(self._backend.name, store)
        return Archives(self._backend, self.options, no_revision)


class ArchiveUnitContext(SingleContext):
    """A unit of work over the archives of a backend."""

    offers = ARCHIVE_STORES
    backend: ArchiveBackend

    def __init__(self, backend: ArchiveBackend, sources: Sources, deadline: float) -> None:
        super().__init__(backend, sources, deadline)
        self.pending = PendingArchive(backend, lambda: self.now)

    def end(self) -> None:
        """The unit is over: what waits is forgotten."""
        super().end()
        self.pending.rollback()

    def _repository(self) -> WritableArchives:
        return WritableArchives(self.pending, self.options, no_revision)


class ArchiveUnit(SingleUnit):
    """A unit of work over the archives of a backend."""

    _context: ArchiveUnitContext


class ArchiveCommit:
    """`unit_of_work.OpenCommit` over the archives of a backend."""

    def __init__(self, backend: ArchiveBackend, sources: Sources, release: Callable[[], None]) -> None:
        self._backend = backend
        self._sources = sources
        self.abort = release

    def unit(self, timeout_s: float) -> ArchiveUnit:
        """The unit of work."""
        return ArchiveUnit(ArchiveUnitContext(self._backend, self._sources, time.monotonic() + timeout_s))

    def end(self, unit: ArchiveUnit) -> Receipt | None:
        """Write what it stored, entity by entity."""
        pending = unit._context.pending
        try:
            unit._context.finish()
            if not pending.dirty:
                return None
            pending.commit()
            return Receipt(no_revision())
        finally:
            self.abort()


class ArchiveStore(SingleStore):
    """A store on a backend that keeps archives."""

    _backend: ArchiveBackend

    def _commit(self, release: Callable[[], None]) -> ArchiveCommit:
        return ArchiveCommit(self._backend, self._sources, release)

    def read(self, *, as_of: int | None = None) -> ReadView:
        """As `Store.read`, of what is there when it is asked: entities never change."""
        self._check_open()
        if as_of is not None:
            raise unsupported(self.name, "reading as of a past revision")
        return ReadView(ArchiveView(self._backend, self._sources.options))

    def watch(self, pattern: str, *, after: int | None = None) -> Watch:
        """There is no journal to watch."""
        self._refuse("watching")

    def run(self, fn: Callable[[UnitOfWork], T], *, operation_id: str | None = None) -> Outcome[T]:
        """As `Store.run`, without operation ids: storing again is harmless."""
        if operation_id is not None:
            self._refuse("operation ids")
        with self.begin() as uow:
            value = fn(uow)
        return Outcome(value, uow.receipt)

    def resolve(self, operation_id: str) -> Outcome[Any] | None:
        """There are no operation ids."""
        self._refuse("operation ids")

    def _lease(self, ttl_s: float, guard: Guard) -> Lease:
        """There are no keys."""
        self._refuse("leases")

    def health_check(self) -> Health:
        """As `Store.health_check`."""
        try:
            self._check_open()
            problems = self._backend.diagnose().problems
        except CharterError as exc:
            problems = (exc.message,)
        return Health(ok=not problems, problem=problems[0] if problems else None)

    def _refuse(self, what: str) -> NoReturn:
        self._check_open()
        raise unsupported(self.name, what)
