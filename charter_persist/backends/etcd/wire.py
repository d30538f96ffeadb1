"""The part of etcd's protocol that is used: messages with their fields, and the calls.

The messages are made when this module is imported, in a descriptor pool of their own. So there is no generated code that
must fit the installed protobuf, and no clash with another library that carries etcd's messages. Names matter to nobody;
numbers and types are etcd's, which never change.

Imports ``google.protobuf`` only. Source: KV-8; etcd's rpc.proto, kv.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE: Final = "charter_etcd"

_MESSAGES: Final = """
KeyValue: key 1 bytes, create_revision 2 int64, mod_revision 3 int64, version 4 int64, value 5 bytes, lease 6 int64
Event: type 1 int32, kv 2 KeyValue, prev_kv 3 KeyValue
Header: cluster_id 1 uint64, member_id 2 uint64, revision 3 int64, raft_term 4 uint64

RangeRequest: key 1 bytes, range_end 2 bytes, limit 3 int64, revision 4 int64, keys_only 8 bool
RangeResponse: header 1 Header, kvs 2 *KeyValue, more 3 bool, count 4 int64
PutRequest: key 1 bytes, value 2 bytes, lease 3 int64
DeleteRangeRequest: key 1 bytes, range_end 2 bytes
RequestOp: request_put 2 PutRequest, request_delete_range 3 DeleteRangeRequest
Compare: result 1 int32, target 2 int32, key 3 bytes, mod_revision 6 int64, range_end 64 bytes
TxnRequest: compare 1 *Compare, success 2 *RequestOp
TxnResponse: header 1 Header, succeeded 2 bool
CompactionRequest: revision 1 int64
CompactionResponse: header 1 Header

WatchCreateRequest: key 1 bytes, range_end 2 bytes, start_revision 3 int64, progress_notify 4 bool, prev_kv 6 bool, \
fragment 8 bool
WatchRequest: create_request 1 WatchCreateRequest
WatchResponse: header 1 Header, watch_id 2 int64, created 3 bool, canceled 4 bool, compact_revision 5 int64, \
cancel_reason 6 string, fragment 7 bool, events 11 *Event

LeaseGrantRequest: TTL 1 int64, ID 2 int64
LeaseGrantResponse: header 1 Header, ID 2 int64, TTL 3 int64, error 4 string
LeaseRevokeRequest: ID 1 int64
LeaseRevokeResponse: header 1 Header
LeaseKeepAliveRequest: ID 1 int64
LeaseKeepAliveResponse: header 1 Header, ID 2 int64, TTL 3 int64
LeaseTimeToLiveRequest: ID 1 int64
LeaseTimeToLiveResponse: header 1 Header, ID 2 int64, TTL 3 int64, grantedTTL 4 int64

AuthenticateRequest: name 1 string, password 2 string
AuthenticateResponse: header 1 Header, token 2 string
StatusRequest:
StatusResponse: header 1 Header, version 2 string, dbSize 3 int64, leader 4 uint64, errors 8 *string, \
dbSizeInUse 9 int64
"""

_TYPES: Final = {
    name: getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{name.upper()}")
    for name in ("bytes", "string", "bool", "int32", "int64", "uint64")
}


class Method(NamedTuple):
    """A call of etcd: its path, and its messages."""

    path: str
    request: Any
    response: Any


def _fields(text: str) -> Iterator[descriptor_pb2.FieldDescriptorProto]:
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, number, kind = part.split()
        field = descriptor_pb2.FieldDescriptorProto(name=name, number=int(number))
        repeated = kind.startswith("*")
        field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
        kind = kind.removeprefix("*")
        if kind in _TYPES:
            field.type = _TYPES[kind]
        else:
            field.type, field.type_name = field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
        yield field


def _make() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto3")
    for line in filter(None, _MESSAGES.splitlines()):
        name, _, fields = line.partition(":")
        file.message_type.add(name=name).field.extend(_fields(fields))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindFileByName(file.name).message_types_by_name
    return {name: message_factory.GetMessageClass(descriptor) for name, descriptor in found.items()}


MESSAGES: Final = _make()


def _method(service: str, name: str) -> Method:
    """A call whose messages are named after it."""
    return Method(
        f"/etcdserverpb.{service}/{name}",
        MESSAGES[f"{name}Request"],
        MESSAGES[f"{name}Response"],
    )


RANGE: Final = _method("KV", "Range")
TXN: Final = _method("KV", "Txn")
COMPACT: Final = Method("/etcdserverpb.KV/Compact", MESSAGES["CompactionRequest"], MESSAGES["CompactionResponse"])
WATCH: Final = _method("Watch", "Watch")
LEASE_GRANT: Final = _method("Lease", "LeaseGrant")
LEASE_REVOKE: Final = _method("Lease", "LeaseRevoke")
LEASE_KEEP_ALIVE: Final = _method("Lease", "LeaseKeepAlive")
LEASE_TIME_TO_LIVE: Final = _method("Lease", "LeaseTimeToLive")
AUTHENTICATE: Final = _method("Auth", "Authenticate")
STATUS: Final = _method("Maintenance", "Status")

EQUAL: Final = 0
LESS: Final = 2
MOD_REVISION: Final = 2
PUT: Final = 0
