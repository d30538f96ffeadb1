"""Changes of keys: the rules, whatever keeps the keys.

A unit of work changes a key once, as seen from outside: changes wait until the unit ends, and what they come to is one
change, one version. So a page, a check and a transaction inside a unit see its own changes.

Cost: `compare_and_set` one look-up, and at the end of the unit what `KeyLog.write` says. A unit holds the values that
it set in memory until it ends.

Source: KV-1 to KV-3, KV-7, KV-9, REQUIREMENTS 8 (erasure).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import NamedTuple, Protocol

from charter_persist.backends.contract import KvEntryRow
from charter_persist.backends.contract.single import KeyReader
from charter_persist.errors import (
    AlreadyExistsError,
    InvalidInputError,
    LimitExceededError,
    TransactionFailedError,
    VersionConflictError,
)
from charter_persist.model.entry import CheckRevision, CheckVersion, Delete, KvOperation, Set
from charter_persist.model.items import check_iterable
from charter_persist.model.key import check_key_prefix, check_writable_key
from charter_persist.model.text import check_position, check_text
from charter_persist.model.time import to_micros
from charter_persist.repositories.base import UnitContext
from charter_persist.repositories.kv_reader import KeyValueReader, absent


class KeyLog(Protocol):
    """What keeps the keys of a unit of work."""

    @property
    def keys(self) -> KeyReader:
        """As they are before the unit."""
        ...

    @property
    def revision(self) -> int:
        """That the unit will have; where it is not known before the commit, the least that it can have."""
        ...

    def check_lease(self, lease: str) -> None:
        """Raise where keys cannot be attached to a lease.

        Raises:
            NotFoundError: there is none, or it has ended.
        """
        ...

    def write(self, key: str, before: KvEntryRow | None, after: KvEntryRow | None) -> None:
        """Make of a key what a unit made of it; not both are None."""
        ...

    def compact(self, *, upto: int | None, before: int | None, prefix: str) -> int | None:
        """Drop replaced changes up to a revision or a time in microseconds, of which one is given; how many, if known."""
        ...

    def erase(self, key: str) -> int:
        """Remove all that a key ever held; returns how many changes were removed."""
        ...


class _Draft(NamedTuple):
    """What a unit makes of a key: the row before the unit, and the row that it will be; None where absent."""

    before: KvEntryRow | None
    after: KvEntryRow | None


class KeyValueRepository(KeyValueReader):
    """Keys of a unit of work."""

    def __init__(self, log: KeyLog, unit: UnitContext) -> None:
        super().__init__(log.keys, unit.options)
        self._log = log
        self._unit = unit
        self._drafts: dict[str, _Draft] = {}
        self._logged: set[str] = set()
        unit.before_end.append(self._log_drafts)

    def set(self, key: str, value: bytes, *, lease: str | None = None) -> int:
        """Give a key a value, whatever it held; durable when the unit has committed.

        Args:
            key: starts with ``/``, has no empty segment; at most ``key_bytes_max`` bytes of UTF-8.
            value: opaque; at most ``kv_value_bytes_max`` bytes.
            lease: id of the lease that the key shall live as long as; None for good, whatever held it before.

        Returns:
            The new version: 1 where the key was absent, else one more than before this unit.

        Raises:
            InvalidKeyError: the key does not follow the grammar, or is kept by the store itself.
            InvalidInputError: the value is not ``bytes``, or the unit changed the key before a flush.
            LimitExceededError: key or value are too large.
            NotFoundError: there is no such lease, or it has ended.

        Spec: KV-2, KV-3
        """
        return self._change(self._writable(key), self._checked(value), self._living(lease))

    def compare_and_set(
        self,
        key: str,
        value: bytes,
        *,
        expected: int | None = None,
        expected_revision: int | None = None,
        lease: str | None = None,
    ) -> int:
        """Give a key a value if it is as expected; exactly one of racing callers wins.

        Args:
            key: as for `set`.
            value: as for `set`.
            expected: the version it has now; 0 where it must be absent. A key that was deleted and created again
                may have this version and another value.
            expected_revision: the revision that changed it last, which never repeats; 0 where it must be absent.
            lease: as for `set`.

        Returns:
            The new version.

        Raises:
            VersionConflictError: the key is not as expected; ``actual`` is its version, or its revision where that
                was asked for.
            InvalidInputError: not exactly one of the two was given.

        Spec: KV-2, KV-3
        """
        if (expected is None) == (expected_revision is None):
            raise InvalidInputError("give either expected, a version, or expected_revision")
        wanted = check_position(expected if expected_revision is None else expected_revision, field="expected")
        name, data = self._writable(key), self._checked(value)
        self._living(lease)
        what = "version" if expected_revision is None else "revision"
        actual = _counter(self._current(name), what)
        if actual != wanted:
            raise VersionConflictError(
                f"key {name} has {what} {actual}, expected was {wanted}; read it and decide anew",
                expected=wanted,
                actual=actual,
            )
        return self._change(name, data, lease)

    def create_if_not_exists(self, key: str, value: bytes, *, lease: str | None = None) -> int:
        """Give an absent key a value; exactly one of racing callers wins.

        Returns:
            The version: 1, unless this unit deleted the key before.

        Raises:
            AlreadyExistsError: the key holds something.
        """
        name, data = self._writable(key), self._checked(value)
        self._living(lease)
        if self._current(name) is not None:
            raise AlreadyExistsError(f"key {name} exists; read it, or use set to replace what it holds", key=name)
        return self._change(name, data, lease)

    def delete(self, key: str, *, missing_ok: bool = False) -> bool:
        """Remove a key; what it held stays in the log until it is compacted or erased.

        Args:
            key: as for `set`.
            missing_ok: an absent key is no error.

        Returns:
            Whether it was there.

        Raises:
            NotFoundError: the key is absent, and ``missing_ok`` is not set.
        """
        name = self._writable(key)
        if self._current(name) is None:
            if missing_ok:
                return False
            raise absent(name)
        self._change(name, None, None)
        return True

    def transaction(self, operations: Iterable[KvOperation]) -> None:
        """Make all checks against the keys as they are now, then do the rest in order; all of it or nothing.

        Args:
            operations: `Set`, `Delete`, `CheckVersion`, `CheckRevision`; at most ``transaction_operations_max``.

        Raises:
            TransactionFailedError: a check failed; ``index`` and ``check`` are those of the first one. The unit can
                go on without it.
            LimitExceededError: there are too many operations, or a key or a value is too large.
            InvalidKeyError: a key does not follow the grammar, or is kept by the store itself.
            InvalidInputError: something is not an operation, or the unit changed a key before a flush.

        Where it fails behind its checks, the unit can no longer commit.

        Spec: KV-2
        """
        maximum = self._options.transaction_operations_max
        wanted = list(islice(check_iterable(operations, field="operations"), maximum + 1))
        if len(wanted) > maximum:
            raise LimitExceededError(limit="transaction_operations_max", maximum=maximum, actual=len(wanted))
        for operation in wanted:
            self._check_form(operation)
        for index, check in enumerate(wanted):
            if isinstance(check, CheckVersion | CheckRevision):
                self._check(index, check)
        with self._unit.whole():
            for operation in wanted:
                if isinstance(operation, Set):
                    self._change(operation.key, operation.value, operation.lease)
                elif isinstance(operation, Delete) and self._current(operation.key) is not None:
                    self._change(operation.key, None, None)

    def compact(self, *, upto: int | None = None, before: datetime | None = None, prefix: str = "") -> int | None:
        """Drop logged changes that newer ones replaced; what keys hold stays, and so does every journal entry.

        Afterwards the keys are known as of ``upto`` and later, and as of no revision before it. The compaction is
        itself a journal entry. A second one of the same changes does nothing.

        Args:
            upto: a revision; changes that it or an earlier one replaced are dropped.
            before: a time in place of ``upto``: its newest revision is that of the last unit before it, by the clock
                of the units.
            prefix: only of keys that begin so.

        Returns:
            How many changes were dropped; None where the backend does not tell.

        Raises:
            NotFoundError: there is no such revision yet.
            InvalidInputError: not exactly one of ``upto`` and ``before`` was given.
        """
        start = check_key_prefix(prefix)
        if (upto is None) == (before is None):
            raise InvalidInputError("give either upto, a revision, or before, a time")
        revision = None if upto is None else check_position(upto, field="upto")
        self._unit.check_open()
        return self._log.compact(upto=revision, before=None if before is None else to_micros(before), prefix=start)

    def erase(self, key: str) -> int:
        """Remove every value that a key ever held, and what its commitments could be guessed with; the key is absent.

        The journal entries stay, so every proof over them still verifies; the erasure is one itself. As of earlier
        revisions the key is absent as well. Call `Store.scrub` after the commit, so that no file holds the values;
        backups that were made before still do. Keys themselves are not erasable.

        Returns:
            How many changes were removed; 0 where there was no value, and then nothing is recorded.

        Raises:
            InvalidKeyError: the key does not follow the grammar.
            InvalidInputError: the unit changed the key before a flush.

        Spec: P28
        """
        name = self._writable(key)
        self._refuse_second_change(name)
        self._drafts.pop(name, None)
        self._unit.check_open()
        removed = self._log.erase(name)
        if removed:
            self._logged.add(name)
        return removed

    # What a unit makes of its keys

    def _current(self, key: str) -> KvEntryRow | None:
        draft = self._drafts.get(key)
        return super()._current(key) if draft is None else draft.after

    def _rows(self, prefix: str, after: str | None, limit: int | None) -> Iterator[KvEntryRow]:
        drafts = dict(self._drafts)
        mine = sorted(key for key in drafts if key.startswith(prefix) and (after is None or key > after))
        rows = super()._rows(prefix, after, None if limit is None else limit + len(mine))
        stored = (row for row in rows if row.key not in drafts)
        changed = (row for key in mine if (row := drafts[key].after) is not None)
        return merge(stored, changed, key=attrgetter("key"))

    def _change(self, key: str, value: bytes | None, lease: str | None) -> int:
        """Remember what a key shall hold when the unit ends; returns its version."""
        self._unit.check_open()
        self._refuse_second_change(key)
        draft = self._drafts.get(key)
        before = super()._current(key) if draft is None else draft.before
        after = None
        if value is not None:
            now = self._unit.now
            version, created_at = (1, now) if before is None else (before.version + 1, before.created_at)
            after = KvEntryRow(key, value, version, self._log.revision, created_at, now, 0, lease)
        self._drafts[key] = _Draft(before, after)
        return 0 if after is None else after.version

    def _refuse_second_change(self, key: str) -> None:
        if key in self._logged:
            raise InvalidInputError(
                f"this unit changed {key} and was flushed, or erased it; change a key once, or in another unit", key=key
            )

    def _log_drafts(self) -> None:
        drafts, self._drafts = self._drafts, {}
        with self._unit.whole():
            for key, (before, after) in drafts.items():
                if before is not None or after is not None:
                    self._log.write(key, before, after)
                    self._logged.add(key)

    # Checks before any I/O

    def _writable(self, key: str) -> str:
        return check_writable_key(key, maximum=self._options.key_bytes_max)

    def _checked(self, value: bytes) -> bytes:
        if type(value) is not bytes:
            raise InvalidInputError(f"a value must be bytes, got {type(value).__name__}")
        maximum = self._options.kv_value_bytes_max
        if len(value) > maximum:
            raise LimitExceededError(limit="kv_value_bytes_max", maximum=maximum, actual=len(value))
        return value

    def _living(self, lease: str | None) -> str | None:
        if lease is not None:
            self._log.check_lease(check_text(lease, field="lease"))
        return lease

    def _check_form(self, operation: KvOperation) -> None:
        if isinstance(operation, Set):
            self._checked(operation.value)
            self._living(operation.lease)
        elif isinstance(operation, CheckVersion | CheckRevision):
            self._key(operation.key)
            check_position(operation.expected, field="expected")
            return
        elif not isinstance(operation, Delete):
            raise InvalidInputError(f"{operation!r} is no Set, Delete, CheckVersion or CheckRevision")
        self._refuse_second_change(self._writable(operation.key))

    def _check(self, index: int, check: CheckVersion | CheckRevision) -> None:
        what = "version" if isinstance(check, CheckVersion) else "revision"
        actual = _counter(self._current(check.key), what)
        if actual != check.expected:
            raise TransactionFailedError(
                f"operation {index}: key {check.key} has {what} {actual}, expected was {check.expected}; nothing was done",
                index=index,
                check=check,
            )


def _counter(row: KvEntryRow | None, what: str) -> int:
    """Version or revision of a row; 0 where there is none."""
    if row is None:
        return 0
    return row.version if what == "version" else row.revision
