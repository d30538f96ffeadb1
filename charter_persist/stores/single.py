"""What stores on a backend of one kind share: units without a lock, and the refusal of everything else.

Source: DESIGN 1 (two kinds of backend).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from charter_persist.backends.contract.single import SingleBackend
from charter_persist.errors import NotSupportedError, ReadOnlyError
from charter_persist.repositories.base import Sources
from charter_persist.stores.base import Store
from charter_persist.unit_of_work import OpenCommit, OpenUnit, UnitOfWork


def unsupported(backend: str, store: str) -> NotSupportedError:
    """The error that a backend does not offer a store."""
    return NotSupportedError(
        f"the {backend} backend does not offer {store}; use SQLite or Postgres", backend=backend, store=store
    )


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
        return OpenUnit(self._open_commit, timeout_s or self._timeout_s)

    def _open_commit(self) -> OpenCommit[Any]:
        self._refuse_writing()
        self._refuse_nesting()
        self._open_here.unit = True
        try:
            return self._commit(self._leave)
        except BaseException:
            self._leave()
            raise

    @abstractmethod
    def _commit(self, release: Callable[[], None]) -> OpenCommit[Any]:
        """A commit of one unit; ``release`` is called at its end."""

    def _refuse_writing(self) -> None:
        if self._read_only:
            raise ReadOnlyError("the store was opened for reading only; connect without read_only to write")
