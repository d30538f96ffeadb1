"""A store on a backend that keeps keys and nothing else, as etcd does: no journal, no proofs, its own watch and leases.

A unit holds no lock. It writes if all that it read is still true, in one call; `run` begins it anew where it is not.

Cost: a view one round trip a read; a unit one more when it ends.

Source: DESIGN 1 (two kinds of backend), KV-8, RELIABILITY P7.
"""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, TypeVar

import stamina

from charter_persist.backends.contract import KvEntryRow
from charter_persist.backends.contract.single import OWN_KEYS, KeyBackend, KeyReader, KeyTransaction
from charter_persist.errors import (
    CharterError,
    CommitUnknownError,
    CompactedError,
    NotFoundError,
    NotSupportedError,
    SerializationFailureError,
)
from charter_persist.lease.lease import Guard, Lease
from charter_persist.model.canonical import canonical_bytes, load_canonical
from charter_persist.model.limits import Options
from charter_persist.model.text import check_position, check_text
from charter_persist.repositories.base import Sources
from charter_persist.repositories.kv import KeyValueRepository
from charter_persist.repositories.kv_reader import KeyValueReader
from charter_persist.repositories.leases import check_ttl, ended
from charter_persist.stores.base import Health, worth_retrying
from charter_persist.stores.offers import KEY_STORES
from charter_persist.stores.single import SingleContext, SingleStore, SingleUnit, unsupported
from charter_persist.unit_of_work import OpenUnit, Outcome, ReadView, Receipt, UnitOfWork
from charter_persist.watch.delivery import Watch
from charter_persist.watch.key_feed import ChangeFeed
from charter_persist.watch.subjects import parse_subjects

R = TypeVar("R")
T = TypeVar("T")

# What became of named units is kept under keys that no caller can use.
OPERATION_KEYS: Final = OWN_KEYS + "operation:"
_GIVEN_UP: Final = b""


class KeyView:
    """`unit_of_work.ViewContext` over the keys of a backend."""

    def __init__(self, backend: str, keys: KeyReader, options: Options) -> None:
        self._backend = backend
        self._keys = keys
        self.options = options
        self.close = keys.close

    def revision(self) -> int:
        """That is read."""
        return self._keys.revision

    def head(self) -> None:
        """There is no journal."""

    def open(self, store: str, _make: Callable[[Any], R]) -> Any:
        """The reader of keys."""
        if store not in KEY_STORES:
            raise unsupported(self._backend, store)
        return KeyValueReader(self._keys, self.options)


class KeyUnitContext(SingleContext):
    """A unit of work over the keys of a backend.

    Attributes:
        transaction: that it reads by and that its changes end.
        changes: for each key what it shall hold.
        compacted: the revision that history shall be dropped up to when the unit ends.
    """

    offers = KEY_STORES
    backend: KeyBackend

    def __init__(self, backend: KeyBackend, transaction: KeyTransaction, sources: Sources, deadline: float) -> None:
        super().__init__(backend, sources, deadline)
        self.transaction = transaction
        self.changes: dict[str, KvEntryRow | None] = {}
        self.compacted: int | None = None

    def _repository(self) -> KeyValueRepository:
        return KeyValueRepository(BackendKeyLog(self), self)


class BackendKeyLog:
    """`repositories.kv.KeyLog` over the transaction of a backend."""

    def __init__(self, context: KeyUnitContext) -> None:
        self._context = context
        self.keys: KeyReader = context.transaction

    @property
    def revision(self) -> int:
        """The least that the unit can become; its receipt says which it became."""
        return self.keys.revision + 1

    def check_lease(self, lease: str) -> None:
        """Ask the backend; the commit asks again."""
        if self._context.backend.time_to_live(lease) is None:
            raise ended(lease)

    def write(self, key: str, before: KvEntryRow | None, after: KvEntryRow | None) -> None:
        """Remember it for the commit."""
        self._context.changes[key] = after

    def compact(self, *, upto: int | None, before: int | None, prefix: str) -> None:
        """Drop history up to a revision when the unit ends, whatever becomes of it; how much, the backend does not tell."""
        backend = self._context.backend
        if upto is None or prefix:
            raise NotSupportedError(f"the {backend.name} backend compacts all keys, up to a revision; give upto alone")
        check_known(upto, backend.snapshot())
        self._context.compacted = upto

    def erase(self, key: str) -> int:
        """Past values go with a compaction alone."""
        name = self._context.backend.name
        raise NotSupportedError(f"the {name} backend keeps past values until it is compacted; delete {key} and compact")


class KeyCommit:
    """`unit_of_work.OpenCommit` over the transaction of a backend."""

    def __init__(self, backend: KeyBackend, sources: Sources, release: Callable[[], None]) -> None:
        self._backend = backend
        self._sources = sources
        self._release = release
        self._transaction = backend.transaction()

    def unit(self, timeout_s: float) -> KeyUnit:
        """The unit of work."""
        return KeyUnit(KeyUnitContext(self._backend, self._transaction, self._sources, time.monotonic() + timeout_s))

    def end(self, unit: KeyUnit) -> Receipt | None:
        """Write what it changed, if all that it read is still true."""
        context = unit._context
        try:
            context.finish()
            if context.compacted is not None:
                with suppress(CompactedError):  # beyond that already, so nothing is left to drop
                    self._backend.compact(context.compacted)
            return Receipt(self._transaction.commit(context.changes)) if context.changes else None
        finally:
            self.abort()

    def abort(self) -> None:
        """End without a trace, or after the end."""
        try:
            self._transaction.rollback()
        finally:
            self._release()


class KeyUnit(SingleUnit):
    """A unit of work over the keys of a backend."""

    _context: KeyUnitContext


class KeyStore(SingleStore):
    """A store on a backend that keeps keys.

    The end of a unit raises `SerializationFailureError` where what it read was changed meanwhile.
    """

    _backend: KeyBackend

    def __init__(
        self, backend: KeyBackend, sources: Sources, *, unit_timeout_s: float = 30.0, read_only: bool = False
    ) -> None:
        limited = _within(backend, sources)
        super().__init__(backend, limited, unit_timeout_s=unit_timeout_s, read_only=read_only)

    def _commit(self, release: Callable[[], None]) -> KeyCommit:
        return KeyCommit(self._backend, self._sources, release)

    def read(self, *, as_of: int | None = None) -> ReadView:
        """As `Store.read`; a view of the present is of the moment of its first read."""
        self._check_open()
        keys = self._backend.snapshot()
        if as_of is not None:
            keys = keys.at(check_known(check_position(as_of, field="as_of"), keys))
        return ReadView(KeyView(self.name, keys, self._sources.options))

    def watch(self, pattern: str, *, after: int | None = None) -> Watch:
        """As `Store.watch`, of keys."""
        subjects = parse_subjects(pattern)
        self._check_open()
        if subjects.store != "kv":
            raise unsupported(self.name, f"watching {subjects.store}")
        wanted = None if after is None else check_position(after, field="after")
        return self._watched(Watch(ChangeFeed(self._backend.feed(subjects.pattern.prefix, wanted), subjects)))

    def run(self, fn: Callable[[UnitOfWork], T], *, operation_id: str | None = None) -> Outcome[T]:
        """As `Store.run`; the function is called again for as long as others change what it reads."""
        self._check_open()
        self._refuse_nesting()
        context = contextvars.copy_context()
        kept = None if operation_id is None else OPERATION_KEYS + check_text(operation_id, field="operation_id")
        attempts = stamina.retry_context(
            on=worth_retrying,
            attempts=None,
            timeout=self._timeout_s,
            wait_initial=0.002,
            wait_max=0.2,
            wait_jitter=0.01,
        )
        try:
            for attempt in attempts:
                with attempt:
                    return context.copy().run(self._attempt, fn, kept)
        except CommitUnknownError as exc:
            raise CommitUnknownError(exc.message, operation_id=operation_id) from exc
        raise SerializationFailureError

    def _attempt(self, fn: Callable[[UnitOfWork], T], kept: str | None) -> Outcome[T]:
        with OpenUnit(self._open_commit, self._timeout_s) as uow:
            context = uow._context
            row = None if kept is None else context.transaction.get(kept)
            if row is not None and row.value != _GIVEN_UP:
                return _kept_outcome(row)
            value = fn(uow)
            if kept is not None:
                # Asked for here, so that the record says whether the function changed anything.
                context.finish()
                context.changes[kept] = _record(context, kept, value)
        changed = bool(context.changes.keys() - {kept})
        return Outcome(value, uow.receipt if changed else None)

    def resolve(self, operation_id: str) -> Outcome[Any] | None:
        """As `Store.resolve`; where it was not committed it leaves a mark that keeps it from being so later."""
        self._check_open()
        self._refuse_writing()
        self._refuse_nesting()
        kept = OPERATION_KEYS + check_text(operation_id, field="operation_id")
        attempts = stamina.retry_context(on=_may_be_resolved, attempts=None, timeout=self._timeout_s)
        try:
            for attempt in attempts:
                with attempt:
                    return self._resolve(kept)
        except CommitUnknownError as exc:
            raise CommitUnknownError(exc.message, operation_id=operation_id) from exc
        raise SerializationFailureError

    def _resolve(self, kept: str) -> Outcome[Any] | None:
        transaction = self._backend.transaction()
        try:
            row = transaction.get(kept)
            if row is None:
                transaction.commit({kept: KvEntryRow(kept, _GIVEN_UP, 1, 0, 0, 0, 0)})
            return None if row is None or row.value == _GIVEN_UP else _kept_outcome(row)
        finally:
            transaction.rollback()

    def health_check(self) -> Health:
        """As `Store.health_check`; a store that works tells what is wrong with its servers all the same."""
        try:
            self._check_open()
            next(self._backend.snapshot().scan("", limit=1), None)
            problems = self._backend.diagnose().problems
        except CharterError as exc:
            return Health(ok=False, problem=exc.message)
        return Health(ok=True, problem=next(iter(problems), None))

    def _lease(self, ttl_s: float, guard: Guard) -> Lease:
        """As `Store.lease`."""
        self._check_open()
        self._refuse_writing()
        wanted = guard(check_ttl)  # asked before, because a lease stands as soon as it is granted
        return self._kept(Lease(self._backend, lambda ttl: self._backend.grant(wanted(ttl)), ttl_s))


def check_known(revision: int, keys: KeyReader) -> int:
    """Return a revision that there is already.

    Raises:
        NotFoundError: there is none yet.
    """
    newest = keys.revision
    if revision > newest:
        raise NotFoundError(f"there is no revision {revision}; the newest is {newest}", newest=newest)
    return revision


def _within(backend: KeyBackend, sources: Sources) -> Sources:
    """The same with limits that the backend keeps too."""
    options = replace(
        sources.options,
        kv_value_bytes_max=min(sources.options.kv_value_bytes_max, backend.value_bytes_max),
        transaction_operations_max=min(sources.options.transaction_operations_max, backend.operations_max),
    )
    return replace(sources, options=options)


def _may_be_resolved(error: Exception) -> bool:
    """Whether asking again may tell; a mark of which nobody knows whether it was left does no harm twice."""
    return worth_retrying(error) or isinstance(error, CommitUnknownError)


def _record(context: KeyUnitContext, key: str, value: Any) -> KvEntryRow:
    """What is kept of a named unit."""
    content = {"changed": bool(context.changes), "value": value}
    data = canonical_bytes(content, options=context.options, limit="operation_value_bytes_max")
    return KvEntryRow(key, data, 1, 0, context.now, context.now, 0)


def _kept_outcome(row: KvEntryRow) -> Outcome[Any]:
    content = load_canonical(row.value)
    return Outcome(content["value"], Receipt(row.revision) if content["changed"] else None, repeated=True)
