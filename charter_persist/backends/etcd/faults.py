"""What a failed call means: whether it may be sent again, whether it was applied, and what to do.

etcd says with a status and a sentence what it refused; a refusal that comes before a proposal, or in its place, wrote
nothing. Everything else that befalls a request that may have left, the loss of a leader, a deadline, a closed
connection, too much work, leaves the outcome open.

Imports ``grpc`` and ``errors``. Source: KV-7, RELIABILITY 4.6, P7; etcd's rpctypes/error.go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import grpc

from charter_persist.errors import (
    BackendError,
    CharterError,
    CommitUnknownError,
    CorruptStoreError,
    InvalidInputError,
    NotFoundError,
    ReadOnlyError,
    StorageFullError,
    StoreClosedError,
    UnavailableError,
)

COMPACTED: Final = "etcdserver: mvcc: required revision has been compacted"
NO_SPACE: Final = "etcdserver: mvcc: database space exceeded"
PERMISSION_DENIED: Final = "etcdserver: permission denied"

_STALE_TOKEN: Final = ("etcdserver: invalid auth token", "etcdserver: revision of auth store is old")

# Said by the client before anything of the request was written to a connection.
_NEVER_SENT: Final = ("failed to connect to all addresses", "DNS resolution failed", "errors resolving")

_REFUSALS: Final = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.OUT_OF_RANGE,
    }
)

_PASSING: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
    }
)

_SAID: Final[dict[str, Callable[[], CharterError]]] = {
    "etcdserver: requested lease not found": lambda: NotFoundError("the lease has ended; grant another one"),
    "etcdserver: mvcc: required revision is a future revision": lambda: NotFoundError("there is no such revision yet"),
    "etcdserver: too large lease TTL": lambda: InvalidInputError("the time to live of a lease is too long for etcd"),
    "etcdserver: request is too large": lambda: InvalidInputError(
        "the server takes less in one request than etcd does by default; raise its --max-request-bytes to 1572864"
    ),
    "etcdserver: too many operations in txn request": lambda: InvalidInputError(
        "the server takes fewer operations in one transaction than etcd does by default; raise its --max-txn-ops to 128"
    ),
    "etcdserver: corrupt cluster": lambda: CorruptStoreError(
        "the members of the etcd cluster differ; see `etcdctl alarm list`, and restore a snapshot"
    ),
    NO_SPACE: lambda: StorageFullError(
        "the quota of the etcd cluster is used up; nothing was written. Compact, defragment, then `etcdctl alarm disarm`"
    ),
}


class RevisionCompactedError(Exception):
    """The revision that was asked for is compacted; up to which one, the answer does not say."""


def is_stale_token(error: grpc.RpcError) -> bool:
    """Whether signing in again will help; the request was refused before anything else."""
    return error.details() in _STALE_TOKEN


def is_passing(error: grpc.RpcError) -> bool:
    """Whether a request that may be repeated is worth repeating, here or elsewhere."""
    return error.code() in _PASSING and error.details() != NO_SPACE


def never_left(error: grpc.RpcError) -> bool:
    """Whether the request was never sent, so that it may be sent elsewhere even if it must not be applied twice."""
    return error.code() is grpc.StatusCode.UNAVAILABLE and (error.details() or "").startswith(_NEVER_SENT)


def fault(error: grpc.RpcError, endpoint: str, user: str | None) -> Exception:
    """What a failed request means that changed nothing: because it cannot, or was refused, or never left."""
    said = error.details() or "no reason given"
    if said == COMPACTED:
        return RevisionCompactedError()
    if said in _SAID:
        return _SAID[said]()
    if said == PERMISSION_DENIED:
        return ReadOnlyError(f"user {user!r} of etcd has no right to do this; grant it on the namespace")
    code = error.code()
    if code is grpc.StatusCode.CANCELLED:
        return StoreClosedError()
    if code in _PASSING:
        return UnavailableError(f"the etcd cluster cannot be used: {endpoint} said {said!r}")
    if said.startswith(("etcdserver: auth", "etcdserver: user", "etcdserver: invalid auth", "etcdserver: revision")):
        return UnavailableError(f"the etcd cluster cannot be used: {endpoint} refused user {user!r}: {said}")
    return BackendError(f"etcd failed ({code.name}): {said}")


def write_fault(error: grpc.RpcError, endpoint: str, user: str | None) -> Exception:
    """What a failed write means: unknown, unless it never left or the server says that it refused it."""
    refused = error.code() in _REFUSALS and (error.details() or "").startswith("etcdserver: ")
    if refused or never_left(error) or error.details() == NO_SPACE:
        return fault(error, endpoint, user)
    return CommitUnknownError(
        f"the answer to the commit was lost: {endpoint} said {error.details()!r}; it may have been applied: read it again"
    )
