"""A store on a ledger: every kind of record, and the journal.

Cost: `begin` is one backend transaction, `read` one snapshot, `run` shares a commit with whatever queued meanwhile.

Source: DESIGN 1 and 3.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Final, TypeVar

import stamina

from charter_persist.backends.contract import Diagnosis, LedgerBackend, Listener
from charter_persist.batch import Batches, Job, find_operation
from charter_persist.commit import Commit, ledger_view
from charter_persist.errors import BackendError, StoreClosedError
from charter_persist.journal.ledger import Ledger
from charter_persist.lease.lease import Guard, Lease
from charter_persist.lease.ledger import LedgerLeases
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.digest import Digest, digest_bytes
from charter_persist.model.text import check_text
from charter_persist.repositories.base import Sources
from charter_persist.repositories.past import PastSnapshot
from charter_persist.stores.base import Health, Store, worth_retrying
from charter_persist.unit_of_work import OpenUnit, Outcome, ReadView, UnitOfWork
from charter_persist.watch.delivery import Watch
from charter_persist.watch.journal_feed import JournalFeed
from charter_persist.watch.subjects import parse_subjects

T = TypeVar("T")

ATTEMPTS_MAX: Final = 8


class LedgerStore(Store):
    """A store on a backend that carries every kind of record and the journal."""

    _backend: LedgerBackend

    def __init__(
        self, backend: LedgerBackend, sources: Sources, *, unit_timeout_s: float = 30.0, batching: bool = True
    ) -> None:
        super().__init__(backend, sources, unit_timeout_s=unit_timeout_s)
        self._ledger = Ledger()
        self._beside = sources.contents.backend
        self._batches = Batches(self._open_commit, unit_timeout_s, batching=batching)
        self._overdue = LedgerLeases(self, sources.clock)

    @property
    def requires_network(self) -> bool:
        """True where a server is talked to, be it for what lies beside the ledger."""
        return super().requires_network or (self._beside is not None and self._beside.requires_network)

    @property
    def store_id(self) -> str:
        """The identity that the store was given when it was made; the origin of its checkpoints."""
        return self._backend.store_id()

    def begin(self, *, connection: Any = None, timeout_s: float | None = None) -> AbstractContextManager[UnitOfWork]:
        """As `Store.begin`."""
        self._check_open()
        return OpenUnit(lambda: self._open_commit(connection), self._limit(timeout_s))

    def _open_commit(self, connection: Any = None) -> Commit:
        leave = self._enter()
        joined = connection is not None
        try:
            if joined:
                transaction = self._backend.join(connection, self._timeout_s)
            else:
                transaction = self._backend.transaction(self._timeout_s)
            return Commit(transaction, self._ledger, self._sources, release=leave, joined=joined)
        except BaseException:
            leave()
            raise

    def read(self, *, as_of: int | None = None) -> ReadView:
        """As `Store.read`."""
        self._check_open()
        snapshot = self._backend.snapshot()
        try:
            return ledger_view(
                snapshot if as_of is None else PastSnapshot(snapshot, as_of),
                self._sources.options,
                self._sources.clock,
                self._sources.contents,
            )
        except BaseException:
            snapshot.close()
            raise

    def watch(self, pattern: str, *, after: int | None = None) -> Watch:
        """As `Store.watch`."""
        subjects = parse_subjects(pattern)
        self._check_open()
        listen = self._listen_for_keys if subjects.store == "kv" else self._backend.listen
        return self._watched(Watch(JournalFeed(self, listen, subjects, after)))

    def _listen_for_keys(self) -> Listener:
        """Listen, and see to it meanwhile that leases end: their end is what a watcher of keys waits for as well."""
        return _Attended(self._backend.listen(), self._overdue.look_out())

    def interrupt(self) -> None:
        """As `Store.interrupt`."""
        self._backend.interrupt()

    def _lease(self, ttl_s: float, guard: Guard) -> Lease:
        """As `Store.lease`."""
        self._check_open()
        leases = self._overdue
        release = leases.look_out()
        try:
            return self._kept(Lease(leases, lambda ttl: leases.grant(ttl, guard), ttl_s, release))
        except BaseException:
            release()
            raise

    def run(self, fn: Callable[[UnitOfWork], T], *, operation_id: str | None = None) -> Outcome[T]:
        """As `Store.run`."""
        self._check_open()
        self._refuse_nesting()
        try:
            return self._batches.run(Job.of(fn, operation_id))
        except BackendError as exc:
            if not worth_retrying(exc):
                raise
        for attempt in stamina.retry_context(on=worth_retrying, attempts=ATTEMPTS_MAX - 1, timeout=self._timeout_s):
            with attempt:
                return self._batches.run(Job.of(fn, operation_id))
        raise StoreClosedError

    def resolve(self, operation_id: str) -> Outcome[Any] | None:
        """As `Store.resolve`."""
        self._check_open()
        self._refuse_nesting()
        identity = check_text(operation_id, field="operation_id")
        transaction = self._backend.transaction(self._timeout_s)
        try:
            return find_operation(transaction, identity)
        finally:
            transaction.rollback()

    def stage(self, object_type: str, content: Any) -> Digest:
        """As `Store.stage`."""
        self._check_open()
        self._refuse_nesting()
        data = canonical_bytes(content, options=self.options)
        raw = digest_bytes(object_type, data)
        self._sources.contents.stage(object_type, raw, data)
        return Digest(raw.hex())

    def health_check(self) -> Health:
        """As `Store.health_check`."""
        health = super().health_check()
        if not health.ok or self._beside is None:
            return health
        return Health(ok=True, problem=next(iter(self._beside.diagnose().problems), None))

    def diagnose(self) -> Diagnosis:
        """As `Store.diagnose`."""
        found = super().diagnose()
        if self._beside is None:
            return found
        beside = self._beside.diagnose()
        facts = {**found.facts, **{f"blobs {name}": value for name, value in beside.facts.items()}}
        return replace(found, problems=(*found.problems, *beside.problems), facts=facts)

    def close(self) -> None:
        """As `Store.close`."""
        is_first = not self._closed and self._pid == os.getpid()
        super().close()
        if is_first and self._beside is not None:
            self._beside.close()

    def scrub(self) -> None:
        """As `Store.scrub`."""
        self._check_open()
        self._refuse_nesting()
        self._backend.scrub(self._timeout_s)


class _Attended:
    """A listener, and what else ends with it."""

    def __init__(self, listener: Listener, release: Callable[[], None]) -> None:
        self.wait, self.wake = listener.wait, listener.wake
        self._ends = (listener.close, release)

    def close(self) -> None:
        """Listen no more; a second call does nothing."""
        for end in self._ends:
            end()
