"""From which revision on the cluster still knows its keys.

A read of a compacted revision fails without saying which ones are kept; a watch from the first revision does say it.
One stream, opened only after something failed; etcd answers it within a tenth of a second.

Imports ``errors`` and its neighbours. Source: KV-5, RELIABILITY P18.
"""

from __future__ import annotations

import threading

import grpc

from charter_persist.backends.etcd.channel import Cluster
from charter_persist.backends.etcd.faults import fault
from charter_persist.backends.etcd.rows import Keyspace
from charter_persist.backends.etcd.wire import WATCH
from charter_persist.errors import CompactedError, UnavailableError


def compacted(cluster: Cluster, keyspace: Keyspace) -> CompactedError:
    """The error for a revision that is not kept any more, with the oldest one that is."""
    oldest = oldest_revision(cluster, keyspace)
    return CompactedError(
        f"the history at that point was compacted; the oldest revision that the cluster keeps is {oldest}",
        oldest=oldest,
    )


def oldest_revision(cluster: Cluster, keyspace: Keyspace) -> int:
    """The revision that the cluster was compacted to; every one from it on can be read.

    Raises:
        UnavailableError: the cluster did not say it in time; it is known to have been compacted.
    """
    request = WATCH.request()
    request.create_request.key = keyspace.probe
    request.create_request.start_revision = 1
    link = cluster.link
    call = link.stream(WATCH, iter([request]), cluster.metadata())
    timer = threading.Timer(cluster.timeout_s, call.cancel)
    timer.start()
    try:
        for response in call:
            if response.compact_revision:
                return int(response.compact_revision)
            if response.canceled:
                break
    except grpc.RpcError as exc:
        if exc.code() is not grpc.StatusCode.CANCELLED:
            raise fault(exc, link.endpoint, cluster.user) from exc
    finally:
        timer.cancel()
        call.cancel()
    raise UnavailableError(f"{link.endpoint} did not say which revision the etcd cluster was compacted to")
