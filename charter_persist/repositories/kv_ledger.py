"""Keys in a ledger: what each holds now, over a log of every change that the journal commits to.

Cost of a change: three rows (the change, the entry, the journal entry), and one more where a lease comes or goes.

Source: KV-3, KV-4, DESIGN 1.2 and 4, REQUIREMENTS 8 (erasure).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from charter_persist.backends.contract import (
    KV_CHANGE,
    KV_ENTRY,
    KV_LEASE,
    LEASE,
    KvChangeRow,
    KvEntryRow,
    KvLeaseRow,
    Reader,
)
from charter_persist.model.text import prefix_end
from charter_persist.repositories import compaction
from charter_persist.repositories.base import ReadContext, WriteContext
from charter_persist.repositories.compaction import BY_KEY
from charter_persist.repositories.kv import KeyValueRepository
from charter_persist.repositories.kv_change import CREATE, DELETE, ERASE, STORE, UPDATE, change_bytes
from charter_persist.repositories.kv_reader import KeyValueReader
from charter_persist.repositories.leases import ended
from charter_persist.repositories.past import PastReader, last_position, last_position_before


class LedgerKeys:
    """`contract.single.KeyReader` over the relations of a ledger."""

    def __init__(self, reader: Reader, revision: Callable[[], int]) -> None:
        self._reader = reader
        self._revision = revision

    @property
    def revision(self) -> int:
        """That is read; inside a unit its own."""
        return self._revision()

    def get(self, key: str) -> KvEntryRow | None:
        """What a key holds, or None."""
        return self._reader.get(KV_ENTRY, (key,))

    def scan(self, prefix: str, *, after: str | None = None, limit: int | None = None) -> Iterator[KvEntryRow]:
        """Keys that begin so, in order."""
        end = prefix_end(prefix)
        return self._reader.scan(
            KV_ENTRY,
            ("key",),
            after=None if after is None else (after,),
            start=(prefix,),
            stop=None if end is None else (end,),
            limit=limit,
        )

    def at(self, revision: int) -> LedgerKeys:
        """The same keys at an older revision."""
        return LedgerKeys(PastReader(self._reader, revision), lambda: revision)

    def close(self) -> None:
        """Nothing is held."""


class LedgerKeyLog:
    """`repositories.kv.KeyLog` over the relations of a ledger."""

    def __init__(self, context: WriteContext) -> None:
        self._context = context
        self.keys = LedgerKeys(context.reader, context.revision)

    @property
    def revision(self) -> int:
        """Of this unit."""
        return self._context.journal.revision

    def check_lease(self, lease: str) -> None:
        """Raise where there is no such lease, or its time is over."""
        row = self._context.reader.get(LEASE, (lease,))
        if row is None or row.expires_at <= self._context.now:
            raise ended(lease)

    def write(self, key: str, before: KvEntryRow | None, after: KvEntryRow | None) -> None:
        """Log the change and bring the entry to it."""
        self._attach(key, before, after)
        if after is not None:
            self._log_value(after, CREATE if before is None else UPDATE)
        else:
            self._log_absence(key, DELETE)
            self._context.write.delete(KV_ENTRY, (key,))

    def compact(self, *, upto: int | None, before: int | None, prefix: str) -> int:
        """Drop replaced changes; recorded where there were any."""
        reader, write = self._context.reader, self._context.write
        position = last_position_before(reader, before or 0) if upto is None else last_position(reader, upto)
        with self._context.whole():
            dropped = compaction.drop_replaced(write, KV_CHANGE, position, prefix)
            if dropped:
                self._log_record(compaction.record_key(prefix), compaction.record_value(position))
                compaction.drop_older_records(write, KV_CHANGE, prefix)
        return dropped

    def erase(self, key: str) -> int:
        """Log the erasure and drop every change before it; nothing is recorded where there was no value."""
        write = self._context.write
        if all(row.value is None for row in write.scan(KV_CHANGE, BY_KEY, prefix=(key,))):
            return 0
        with self._context.whole():
            self._attach(key, self.keys.get(key), None)
            position = self._log_absence(key, ERASE)
            write.delete(KV_ENTRY, (key,))
            older = write.scan(KV_CHANGE, BY_KEY, prefix=(key,), stop=(position,), reverse=True)
            return compaction.drop(write, KV_CHANGE, older)

    def _attach(self, key: str, before: KvEntryRow | None, after: KvEntryRow | None) -> None:
        """Bring the keys of a lease to what the key is attached to now."""
        old, new = before and before.lease, after and after.lease
        if old == new:
            return
        if old is not None:
            self._context.write.delete(KV_LEASE, (old, key))
        if new is not None:
            self._context.write.put(KV_LEASE, KvLeaseRow(new, key))

    def _log_value(self, row: KvEntryRow, operation: str) -> None:
        key, value, version, revision, created_at, updated_at, _, lease = row
        nonce = self._context.sources.nonce()
        change = KvChangeRow(0, key, version, revision, nonce, value, created_at, updated_at, lease)
        position = self._log(operation, change)
        self._context.write.put(KV_ENTRY, row._replace(position=position), size=len(value))

    def _log_absence(self, key: str, operation: str) -> int:
        now = self._context.now
        return self._log(operation, KvChangeRow(0, key, 0, self.revision, b"", None, now, now, None))

    def _log_record(self, key: str, value: bytes) -> None:
        nonce, now = self._context.sources.nonce(), self._context.now
        self._log(compaction.OPERATION, KvChangeRow(0, key, 1, self.revision, nonce, value, now, now, None))

    def _log(self, operation: str, row: KvChangeRow) -> int:
        context = self._context
        position = context.record_value(STORE, row.key, operation, change_bytes(row), row.nonce)
        context.write.put(KV_CHANGE, row._replace(position=position), size=len(row.value or b""))
        return position


def ledger_key_reader(context: ReadContext) -> KeyValueReader:
    """The keys of a view."""
    return KeyValueReader(LedgerKeys(context.reader, context.revision), context.options)


def ledger_key_repository(context: WriteContext) -> KeyValueRepository:
    """The keys of a unit of work."""
    return KeyValueRepository(LedgerKeyLog(context), context)
