"""Stores on an etcd cluster for tests, each in a namespace of its own, and a back door that speaks another protocol.

The back door asks etcd's JSON gateway, so it shares nothing with the backend but the cluster.

Imports ``store`` and ``backends.contract``. Source: KV-8.
"""

from __future__ import annotations

import base64
import json
import struct
import urllib.request
import uuid
from functools import partial
from typing import Any, Final

from charter_persist.backends.contract import KV_ENTRY, Key, KvEntryRow, Relation, Row
from charter_persist.store import connect
from charter_persist.testing.fixtures import Place, Requirement

_HEADER: Final = struct.Struct(">Bqq")
_FORM: Final = 0xC1


class EtcdBackDoor:
    """Raw access to the keys of one namespace.

    Args:
        endpoint: ``host:port`` of a member that needs neither TLS nor a password.
        namespace: of the store.
    """

    def __init__(self, endpoint: str, namespace: str) -> None:
        self._root = f"http://{endpoint}/v3/kv/"
        self._namespace = namespace.encode()

    def raw_get(self, relation: Relation[Row], key: Key) -> Row | None:
        """The stored row of that key, or None."""
        return next((row for row in self.raw_rows(relation) if relation.key_of(row) == key), None)

    def raw_rows(self, relation: Relation[Any]) -> list[Any]:
        """Every key of the namespace; there are no rows but these."""
        if relation is not KV_ENTRY:
            return []
        start = self._namespace + b"/"
        answer = self._ask("range", key=start, range_end=start[:-1] + b"0")
        return [self._row(kv) for kv in answer.get("kvs", [])]

    def raw_put(self, relation: Relation[Any], row: tuple[Any, ...]) -> None:
        """Give a key a value, with its times."""
        if relation is not KV_ENTRY:
            raise NotImplementedError(f"etcd keeps no {relation.name}")
        entry = KvEntryRow(*row)
        value = _HEADER.pack(_FORM, entry.created_at, entry.updated_at) + entry.value
        self._ask("put", key=self._namespace + entry.key.encode(), value=value)

    def raw_delete(self, relation: Relation[Any], key: Key) -> None:
        """Delete a key."""
        if relation is KV_ENTRY:
            self._ask("deleterange", key=self._namespace + key[0].encode())

    def _row(self, kv: dict[str, str]) -> KvEntryRow:
        key, data = (base64.b64decode(kv.get(name, "")) for name in ("key", "value"))
        _, created_at, updated_at = _HEADER.unpack_from(data)
        lease = int(kv.get("lease", 0))
        return KvEntryRow(
            key=key[len(self._namespace) :].decode(),
            value=data[_HEADER.size :],
            version=int(kv["version"]),
            revision=int(kv["mod_revision"]),
            created_at=created_at,
            updated_at=updated_at,
            position=0,
            lease=format(lease, "x") if lease else None,
        )

    def _ask(self, what: str, **fields: bytes) -> dict[str, Any]:
        body = json.dumps({name: base64.b64encode(value).decode() for name, value in fields.items()}).encode()
        request = urllib.request.Request(self._root + what, body)  # noqa: S310  # http, to the cluster under test
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
        return found


class EtcdPlaces:
    """Namespaces of a cluster, each new one empty.

    Args:
        endpoint: ``host:port`` of a member that needs neither TLS nor a password.
    """

    lacks = frozenset({Requirement.JOURNAL})

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def new(self) -> Place:
        """A namespace that nobody used."""
        namespace = f"conformance-{uuid.uuid4().hex}"
        url = f"etcd://{self._endpoint}/{namespace}"
        return Place(partial(connect, url), EtcdBackDoor(self._endpoint, namespace), url, lambda: None)

    def close(self) -> None:
        """What is left lies in namespaces that nobody asks for again."""
