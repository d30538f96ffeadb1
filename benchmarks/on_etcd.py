"""Keys on etcd beside a bare gRPC client that makes the same calls with the same messages; one node, on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc

from benchmarks.kv import compare_and_sets
from benchmarks.measure import Row, Work, compare
from benchmarks.on_sqlite import opened
from benchmarks.payload import OBJECT_BYTES
from charter_persist.backends.contract import KvEntryRow
from charter_persist.backends.contract.single import KeyBackend
from charter_persist.backends.etcd import open_etcd
from charter_persist.backends.etcd.wire import EQUAL, MOD_REVISION, RANGE, TXN, Method

VALUE = b"x" * OBJECT_BYTES
KEY = "/counter"


class Bare:
    """A channel and two calls."""

    def __init__(self, endpoint: str) -> None:
        self._channel = grpc.insecure_channel(endpoint)
        self._range, self._txn = (self._call(method) for method in (RANGE, TXN))

    def _call(self, method: Method) -> Callable[..., Any]:
        return self._channel.unary_unary(method.path, method.request.SerializeToString, method.response.FromString)

    def get(self) -> int:
        """The revision that changed the key last."""
        found = self._range(RANGE.request(key=KEY.encode()), timeout=10).kvs
        return found[0].mod_revision if found else 0

    def set(self, revision: int | None = None) -> None:
        """Write the key, if it still has that revision."""
        request = TXN.request()
        if revision is not None:
            request.compare.add(result=EQUAL, target=MOD_REVISION, key=KEY.encode(), mod_revision=revision)
        request.success.add().request_put.CopyFrom(_PUT)
        assert self._txn(request, timeout=10).succeeded

    def close(self) -> None:
        """End it."""
        self._channel.close()


_OPERATION = TXN.request().success.add()
_OPERATION.request_put.key, _OPERATION.request_put.value = KEY.encode(), VALUE
_PUT = _OPERATION.request_put


def row() -> KvEntryRow:
    """What is written."""
    return KvEntryRow(KEY, VALUE, 0, 0, 1, 2, 0)


def compare_and_set(backend: KeyBackend) -> None:
    """Read the key and write it, if it is still so."""
    transaction = backend.transaction()
    transaction.get(KEY)
    transaction.commit({KEY: row()})


def repeated(call: Callable[[], object], count: int) -> Work:
    """Calls one after another."""

    def work(_number: int) -> int:
        for _ in range(count):
            call()
        return count

    return work


def run(*, quick: bool) -> Iterator[Row]:
    """All rows of etcd."""
    from tests.etcd_server import EtcdServer

    rounds, calls = (2, 20) if quick else (9, 600)
    server = EtcdServer()
    backend, bare = open_etcd(server.url), Bare(server.endpoints[0])
    pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "get": (lambda: backend.snapshot().get(KEY), bare.get),
        "set": (lambda: backend.transaction().commit({KEY: row()}), bare.set),
        "compare-and-set": (lambda: compare_and_set(backend), lambda: bare.set(bare.get())),
    }
    try:
        for name, (ours, theirs) in pairs.items():
            subject, peer = repeated(ours, calls), repeated(theirs, calls)
            yield compare(f"etcd: {name}", subject, peer, peer_name="bare gRPC", wanted=">= 0.77", rounds=rounds)
        with tempfile.TemporaryDirectory(dir=".") as folder, opened(Path(folder), "kv.db") as store:
            name, subject = "Keys: compare-and-set on SQLite beside etcd", compare_and_sets(store, calls)
            yield compare(name, subject, peer, peer_name="etcd, bare gRPC", wanted=">= 3", rounds=rounds)
    finally:
        backend.close()
        bare.close()
        server.stop()
