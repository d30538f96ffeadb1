"""Keys at one revision: the first answer fixes it, and every later one is as of it.

Cost: `get` one round trip, `scan` one a page. Each is linearizable: the member asks the leader how far it must be. A page
is what about `PAGE_BYTES` hold, by the page before it, since etcd bounds pages by keys alone. No order is asked for: etcd
keeps keys in the order of their bytes, and sorts only after it has fetched everything if it is told to sort.

Imports ``backends.contract``, ``errors`` and its neighbours. Source: KV-4, KV-8, RELIABILITY P14.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from charter_persist.backends.contract.kv import KvEntryRow
from charter_persist.backends.etcd.channel import Cluster
from charter_persist.backends.etcd.faults import RevisionCompactedError
from charter_persist.backends.etcd.history import compacted
from charter_persist.backends.etcd.rows import Keyspace, wire_revision
from charter_persist.backends.etcd.wire import RANGE
from charter_persist.errors import InvalidInputError, StoreClosedError

PAGE_KEYS_FIRST: Final = 128
PAGE_KEYS_MAX: Final = 1024
PAGE_BYTES: Final = 4 * 1024 * 1024


class EtcdReader:
    """`contract.KeyReader` of a cluster.

    Args:
        revision: to read at; 0 stands for the newest one when something is first read.
    """

    def __init__(self, cluster: Cluster, keyspace: Keyspace, revision: int = 0) -> None:
        self._cluster = cluster
        self._keyspace = keyspace
        self._revision = revision
        self._closed = False

    @property
    def revision(self) -> int:
        """That is read."""
        if not self._revision:
            self._range(key=self._keyspace.probe, keys_only=True)
        return self._revision

    def get(self, key: str) -> KvEntryRow | None:
        """What a key holds, or None."""
        found = self._range(key=self._keyspace.key(key)).kvs
        return self._keyspace.row(found[0]) if found else None

    def scan(self, prefix: str, *, after: str | None = None, limit: int | None = None) -> Iterator[KvEntryRow]:
        """Keys that begin so, by their UTF-8 bytes."""
        start, end = self._span(prefix, after)
        keys = PAGE_KEYS_FIRST
        while start < end and limit != 0:
            page = self._range(key=start, range_end=end, limit=keys if limit is None else min(keys, limit))
            for kv in page.kvs:
                yield self._keyspace.row(kv)
            if not page.more:
                return
            limit = None if limit is None else limit - len(page.kvs)
            start = page.kvs[-1].key + b"\0"
            keys = min(PAGE_KEYS_MAX, max(1, PAGE_BYTES * len(page.kvs) // page.ByteSize()))

    def at(self, revision: int) -> EtcdReader:
        """The same keys at an older revision; before the first change of the cluster, at 1, there are none.

        Raises:
            InvalidInputError: it is negative.
        """
        if revision < 0:
            raise InvalidInputError(f"revision {revision} must not be negative")
        return EtcdReader(self._cluster, self._keyspace, wire_revision(revision))

    def close(self) -> None:
        """End it."""
        self._closed = True

    def _span(self, prefix: str, after: str | None) -> tuple[bytes, bytes]:
        start, end = self._keyspace.span(prefix)
        return (start if after is None else max(start, self._keyspace.key(after) + b"\0")), end

    def _range(self, **fields: Any) -> Any:
        if self._closed:
            raise StoreClosedError()
        try:
            answer = self._cluster.ask(RANGE, RANGE.request(revision=self._revision, **fields))
        except RevisionCompactedError as exc:
            raise compacted(self._cluster, self._keyspace) from exc
        self._revision = self._revision or answer.header.revision
        return answer
