"""A reader that remembers what it was told, and one transaction of etcd that writes if all of that is still true.

Cost: `commit` one round trip, whatever was read. Each key that was read is compared by its ``mod_revision``, which never
repeats, so a key that was deleted and created again is noticed. A range is compared as one: nothing in it may be newer
than the revision that was read. A deletion leaves nothing to compare in the range; the comparison of its key notices it.

Imports ``backends.contract``, ``errors`` and its neighbours. Source: KV-8, RELIABILITY 4.6, P7, P13.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from charter_persist.backends.contract.kv import KvEntryRow
from charter_persist.backends.etcd.channel import Cluster
from charter_persist.backends.etcd.reading import EtcdReader
from charter_persist.backends.etcd.rows import Keyspace, lease_number, stored_value
from charter_persist.backends.etcd.wire import EQUAL, LESS, MOD_REVISION, RANGE, TXN
from charter_persist.errors import (
    CharterError,
    CommitUnknownError,
    LimitExceededError,
    SerializationFailureError,
    StorageFullError,
    StoreClosedError,
)

VALUE_BYTES_MAX: Final = 1024 * 1024
UNIT_BYTES_MAX: Final = 5 * 1024 * 1024 // 4
OPERATIONS_MAX: Final = 128


class EtcdTransaction(EtcdReader):
    """`contract.KeyTransaction` of a cluster."""

    def __init__(self, cluster: Cluster, keyspace: Keyspace) -> None:
        super().__init__(cluster, keyspace)
        self._seen: dict[str, int] = {}
        self._covered: dict[bytes, bytes] = {}

    def get(self, key: str) -> KvEntryRow | None:
        """What a key holds, or None; either must still be so at the commit."""
        row = super().get(key)
        self._seen[key] = row.revision if row else 0
        return row

    def scan(self, prefix: str, *, after: str | None = None, limit: int | None = None) -> Iterator[KvEntryRow]:
        """Keys that begin so; as far as they were asked for they must still be the same at the commit."""
        start, end = self._span(prefix, after)
        count = 0
        for row in super().scan(prefix, after=after, limit=limit):
            count += 1
            self._seen[row.key] = row.revision
            self._cover(start, self._keyspace.key(row.key) + b"\0")
            yield row
        if count != limit:
            self._cover(start, end)

    def commit(self, changes: Mapping[str, KvEntryRow | None]) -> int:
        """Write all changes at once, if nothing that was read changed since; in the order in which they are given."""
        if self._closed:
            raise StoreClosedError()
        self._closed = True
        request = self._request(changes)
        try:
            answer = self._cluster.tell(TXN, request)
        except StorageFullError as exc:
            if not self._untouched(changes):
                raise CommitUnknownError(
                    "the quota of the etcd cluster is used up; this unit may still be in it"
                ) from exc
            raise
        if not answer.succeeded:
            raise SerializationFailureError("what this unit read was changed meanwhile; nothing was written, try again")
        return int(answer.header.revision)

    def rollback(self) -> None:
        """End without a trace."""
        self.close()

    def _cover(self, start: bytes, end: bytes) -> None:
        """Remember that what lies between was looked at."""
        if start < end:
            self._covered[start] = max(end, self._covered.get(start, end))

    def _request(self, changes: Mapping[str, KvEntryRow | None]) -> Any:
        request = TXN.request()
        for key, revision in self._seen.items():
            request.compare.add(result=EQUAL, target=MOD_REVISION, key=self._keyspace.key(key), mod_revision=revision)
        for start, end in self._covered.items():
            request.compare.add(
                result=LESS, target=MOD_REVISION, key=start, range_end=end, mod_revision=self._revision + 1
            )
        for key, row in changes.items():
            operation = request.success.add()
            if row is None:
                operation.request_delete_range.key = self._keyspace.key(key)
                continue
            _check("kv_value_bytes_max", VALUE_BYTES_MAX, len(row.value))
            put = operation.request_put
            put.key, put.value = self._keyspace.key(key), stored_value(row)
            put.lease = lease_number(row.lease) if row.lease else 0
        _check("transaction_operations_max", OPERATIONS_MAX, max(len(request.compare), len(request.success)))
        _check("etcd_unit_bytes_max", UNIT_BYTES_MAX, request.ByteSize())
        return request

    def _untouched(self, changes: Mapping[str, KvEntryRow | None]) -> bool:
        """Whether it is known that the commit wrote nothing.

        etcd refuses by its quota in two places, before it proposes a transaction and after it has applied one that came
        while the rest was used up. So a key that the commit would have changed is looked at: its revision was read. One
        that was there is the better witness; one that was not may have been made and deleted by now.
        """
        read = [
            (self._seen[key], key) for key, row in changes.items() if key in self._seen and (row or self._seen[key])
        ]
        if not read:
            return False
        seen, key = max(read)
        try:
            found = self._cluster.ask(RANGE, RANGE.request(key=self._keyspace.key(key), keys_only=True)).kvs
        except CharterError:
            return False  # Nothing is known, which the caller says.
        return (found[0].mod_revision if found else 0) == seen


def _check(limit: str, maximum: int, actual: int) -> None:
    if actual > maximum:
        raise LimitExceededError(limit=limit, maximum=maximum, actual=actual)
