"""Backends that hand everything on to another one.

Imports ``backends.contract`` and ``errors``.
"""

from __future__ import annotations

from typing import Any

from charter_persist.backends.contract import Diagnosis, LedgerBackend, Listener, Snapshot, Transaction
from charter_persist.errors import StoreClosedError


class DelegatingBackend:
    """Hands every call on; override what shall be different."""

    def __init__(self, backend: LedgerBackend) -> None:
        self.name = backend.name
        self.requires_network = backend.requires_network
        self.capabilities = backend.capabilities
        self._backend = backend

    def store_id(self) -> str:
        """That of the backend."""
        return self._backend.store_id()

    def snapshot(self) -> Snapshot:
        """A snapshot of the backend."""
        return self._backend.snapshot()

    def transaction(self, timeout_s: float) -> Transaction:
        """A transaction of the backend."""
        return self._backend.transaction(timeout_s)

    def listen(self) -> Listener:
        """Listen to the backend."""
        return self._backend.listen()

    def join(self, connection: Any, timeout_s: float) -> Transaction:
        """Join a connection, where the backend has any."""
        return self._backend.join(connection, timeout_s)

    def scrub(self, timeout_s: float) -> None:
        """Scrub the backend."""
        self._backend.scrub(timeout_s)

    def interrupt(self) -> None:
        """Interrupt the backend."""
        self._backend.interrupt()

    def diagnose(self) -> Diagnosis:
        """What the backend knows of its condition."""
        return self._backend.diagnose()

    def close(self) -> None:
        """Close the backend."""
        self._backend.close()


class SharedBackend(DelegatingBackend):
    """One of several handles on a backend that lives in one object; closing it leaves the backend open for the others."""

    def __init__(self, backend: LedgerBackend) -> None:
        super().__init__(backend)
        self._closed = False

    def snapshot(self) -> Snapshot:
        """A snapshot of the backend, while this handle is open."""
        self._require_open()
        return super().snapshot()

    def transaction(self, timeout_s: float) -> Transaction:
        """A transaction of the backend, while this handle is open."""
        self._require_open()
        return super().transaction(timeout_s)

    def close(self) -> None:
        """Close this handle only."""
        self._closed = True

    def _require_open(self) -> None:
        if self._closed:
            raise StoreClosedError
