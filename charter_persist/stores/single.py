"""What stores on a backend of one kind share: units without a lock, and the refusal of everything else.

Source: DESIGN 1 (two kinds of backend).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, ClassVar, TypeVar

from charter_persist.backends.contract.single import SingleBackend
from charter_persist.errors import NotSupportedError, ReadOnlyError
from charter_persist.repositories.base import Sources, UnitContext
from charter_persist.stores.base import Store
from charter_persist.unit_of_work import OpenCommit, OpenUnit, UnitOfWork

R = TypeVar("R")


def unsupported(backend: str, store: str) -> NotSupportedError:
    """The error that a backend does not offer a store."""
    return NotSupportedError(
        f"the {backend} backend does not offer {store}; use SQLite or Postgres", backend=backend, store=store
    )


class SingleContext(UnitContext):
    """A unit of work over a backend of one store.

    Attributes:
        offers: what it has, by the names of units.
    """

    offers: ClassVar[frozenset[str]]

    def __init__(self, backend: SingleBackend, sources: Sources, deadline: float) -> None:
        super().__init__(sources, deadline)
        self.backend = backend

    def open(self, store: str, _make: Callable[[Any], R]) -> Any:
        """The repository of the store that the backend has."""
        if store not in self.offers:
            raise unsupported(self.backend.name, store)
        return self._repository()

    @abstractmethod
    def _repository(self) -> Any:
        """The one that there is."""


class SingleUnit(UnitOfWork):
    """A unit of work over a backend of one store: nothing is written before it ends."""

    _context: SingleContext

    def __init__(self, context: SingleContext) -> None:
        super().__init__(context, self._refuse_flush)

    def _refuse_flush(self) -> None:
        raise NotSupportedError(f"the {self._context.backend.name} backend writes a unit when it ends, not before")


class SingleStore(Store):
    """A store on a backend that carries one kind of record and no journal."""

    def __init__(
        self, backend: SingleBackend, sources: Sources, *, unit_timeout_s: float = 30.0, read_only: bool = False
    ) -> None:
        super().__init__(backend, sources, unit_timeout_s=unit_timeout_s)
        self._read_only = read_only

    def begin(self, *, connection: Any = None, timeout_s: float | None = None) -> AbstractContextManager[UnitOfWork]:
        """As `Store.begin`, without a lock."""
        self._check_open()
        if connection is not None:
            raise NotSupportedError(f"the {self.name} backend cannot join a transaction of a database")
        return OpenUnit(self._open_commit, self._limit(timeout_s))

    def _open_commit(self) -> OpenCommit[Any]:
        self._refuse_writing()
        leave = self._enter()
        try:
            return self._commit(leave)
        except BaseException:
            leave()
            raise

    @abstractmethod
    def _commit(self, release: Callable[[], None]) -> OpenCommit[Any]:
        """A commit of one unit; ``release`` is called at its end."""

    def _refuse_writing(self) -> None:
        if self._read_only:
            raise ReadOnlyError("the store was opened for reading only; connect without read_only to write")
