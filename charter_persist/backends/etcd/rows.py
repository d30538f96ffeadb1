"""How a key stands on the cluster: its name below a namespace, and its times before its value.

etcd keeps version, revision and lease itself, so a row is what one answer of it says: reading needs no second round
trip and writing no additional one. The value begins with 17 bytes: one that says which form it has, then the times of
creation and of the last change, in microseconds since 1970, signed, most significant byte first.

Imports ``backends.contract`` and ``errors``. Source: KV-8.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from charter_persist.backends.contract.kv import KvEntryRow
from charter_persist.backends.contract.single import OWN_KEYS
from charter_persist.errors import IntegrityError, InvalidInputError

# No text in UTF-8 begins with this byte, and no value of MessagePack or CBOR's common types does.
_FORM: Final = 0xC1
_HEADER: Final = struct.Struct(">Bqq")
_INT64_MAX: Final = (1 << 63) - 1


class Keyspace:
    """Names below a namespace. A key of ours begins with ``/``, so no namespace holds another one's keys."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self._namespace = namespace.encode()
        # The keys of the store itself stand before those of callers, so one range has all of the latter.
        self._behind_own = after_prefix(self.key(OWN_KEYS))

    def key(self, key: str) -> bytes:
        """What the cluster knows a key as."""
        return self._namespace + key.encode()

    def name(self, key: bytes) -> str:
        """What callers know a key of the cluster as; bytes that are no text can only be a foreign writer's."""
        return key[len(self._namespace) :].decode("utf-8", "backslashreplace")

    def span(self, prefix: str) -> tuple[bytes, bytes]:
        """Where the keys of callers that begin so start, and where they have ended."""
        start = self.key(prefix or "/")
        return max(start, self._behind_own), after_prefix(start)

    @property
    def probe(self) -> bytes:
        """A key that is inside the namespace and never holds anything."""
        return self.key("/")

    def row(self, kv: Any) -> KvEntryRow:
        """The row that a key-value pair of the cluster stands for.

        Raises:
            IntegrityError: something else wrote it.
        """
        name, value = self.name(kv.key), kv.value
        if len(value) < _HEADER.size or value[0] != _FORM:
            raise IntegrityError(
                f"key {name} of namespace {self.namespace} on etcd was not written by charter_persist; "
                "delete it with etcdctl, or use another namespace",
                key=name,
            )
        _, created_at, updated_at = _HEADER.unpack_from(value)
        return KvEntryRow(
            key=name,
            value=value[_HEADER.size :],
            version=kv.version,
            revision=kv.mod_revision,
            created_at=created_at,
            updated_at=updated_at,
            position=0,
            lease=lease_text(kv.lease) if kv.lease else None,
        )


def stored_value(row: KvEntryRow) -> bytes:
    """The bytes that a row is kept as."""
    return _HEADER.pack(_FORM, row.created_at, row.updated_at) + row.value


def after_prefix(prefix: bytes) -> bytes:
    """The first key behind all that begin so: its last byte that can grow, grown. A prefix of ours always has one."""
    head = prefix.rstrip(b"\xff")
    return head[:-1] + bytes([head[-1] + 1])


def wire_revision(revision: int) -> int:
    """A revision as it can be sent; one that is too large for that is as far from existing as the largest."""
    return min(max(revision, 1), _INT64_MAX)


def lease_text(number: int) -> str:
    """A lease as callers know it."""
    return format(number, "x")


def lease_number(lease: str) -> int:
    """A lease as etcd knows it.

    Raises:
        InvalidInputError: it is not the id of a lease.
    """
    try:
        number = int(lease, 16)
    except ValueError:
        number = 0
    if not 0 < number <= _INT64_MAX or lease_text(number) != lease:
        raise InvalidInputError(f"{lease!r} is not the id of a lease; give what grant returned")
    return number
