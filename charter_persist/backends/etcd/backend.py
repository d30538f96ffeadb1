"""`contract.KeyBackend` on an etcd cluster: what it offers, put together.

Imports ``grpc``, ``backends.contract``, ``errors`` and its neighbours. Source: KV-8, DESIGN 1 (two kinds of backend).
"""

from __future__ import annotations

from typing import Any, Final

import grpc

from charter_persist.backends.contract.ledger import BackendCapabilities, Diagnosis
from charter_persist.backends.etcd.channel import Cluster, Link
from charter_persist.backends.etcd.faults import RevisionCompactedError, fault
from charter_persist.backends.etcd.feed import EtcdFeed
from charter_persist.backends.etcd.history import compacted
from charter_persist.backends.etcd.lease import Leases
from charter_persist.backends.etcd.reading import EtcdReader
from charter_persist.backends.etcd.rows import Keyspace, wire_revision
from charter_persist.backends.etcd.target import TIMEOUT_S, EtcdTarget
from charter_persist.backends.etcd.transaction import OPERATIONS_MAX, UNIT_BYTES_MAX, VALUE_BYTES_MAX, EtcdTransaction
from charter_persist.backends.etcd.wire import COMPACT, STATUS
from charter_persist.errors import UnavailableError

VERSION_MIN: Final = (3, 4)


class EtcdBackend(Leases):
    """Keys, their watch and leases on a cluster. Safe for use by several threads, not after a fork.

    Args:
        target: where the cluster is.
        timeout_s: how long one request may take on all endpoints together, in seconds.

    Raises:
        InvalidInputError: a file that the target names cannot be read.
    """

    name = "etcd"
    requires_network = True
    capabilities = BackendCapabilities(
        supports_transactions=True, supports_ordering=True, supports_append_only=False, supports_snapshots=True
    )
    value_bytes_max = VALUE_BYTES_MAX
    unit_bytes_max = UNIT_BYTES_MAX
    operations_max = OPERATIONS_MAX

    def __init__(self, target: EtcdTarget, *, timeout_s: float = TIMEOUT_S) -> None:
        super().__init__(Cluster(target, timeout_s))
        self._keyspace = Keyspace(target.namespace)

    def snapshot(self) -> EtcdReader:
        """The keys as they are when the first of them is read."""
        return EtcdReader(self._cluster, self._keyspace)

    def transaction(self) -> EtcdTransaction:
        """As `snapshot`, to write by."""
        return EtcdTransaction(self._cluster, self._keyspace)

    def feed(self, prefix: str, after: int | None) -> EtcdFeed:
        """Changes of keys that begin with ``prefix``; where ``after`` is None, of what is committed after the call."""
        known = self.snapshot().revision if after is None else after
        return EtcdFeed(self._cluster, self._keyspace, prefix, known)

    def compact(self, upto: int) -> None:
        """Drop what newer changes replaced at or below a revision, of every namespace on the cluster."""
        try:
            self._cluster.ask(COMPACT, COMPACT.request(revision=wire_revision(upto)))
        except RevisionCompactedError as exc:
            error = compacted(self._cluster, self._keyspace)
            if error.oldest != upto:
                raise error from exc

    def diagnose(self) -> Diagnosis:
        """Ask every endpoint how it is."""
        problems: list[str] = []
        facts: dict[str, str | int | bool] = {
            "namespace": self._keyspace.namespace,
            "endpoints": len(self._cluster.links),
        }
        failures = []
        for number, link in enumerate(self._cluster.links, 1):
            try:
                status = link.call(STATUS, STATUS.request(), self._cluster.timeout_s, self._cluster.metadata())
            except grpc.RpcError as exc:
                failures.append(fault(exc, link.endpoint, self._cluster.user))
                problems.append(f"endpoint {link.endpoint} does not answer ({exc.details()}); start it or leave it out")
                continue
            facts |= {f"endpoint {number} {name}": value for name, value in _facts(link, status).items()}
            problems += _problems(link, status)
        if len(failures) == len(self._cluster.links):
            raise UnavailableError(f"no endpoint of the etcd cluster answers: {failures[0]}") from failures[0]
        return Diagnosis(problems=tuple(dict.fromkeys(problems)), facts=facts)

    def close(self) -> None:
        """Give back every connection; a second call does nothing."""
        self._cluster.close()


def _facts(link: Link, status: Any) -> dict[str, str | int | bool]:
    return {
        "address": link.endpoint,
        "version": status.version,
        "database bytes": status.dbSize,
        "database bytes in use": status.dbSizeInUse,
        "leads": status.leader == status.header.member_id,
    }


def _problems(link: Link, status: Any) -> list[str]:
    """What one member says is wrong, with what to do."""
    found = []
    if status.leader == 0:
        found.append(
            f"endpoint {link.endpoint} knows no leader; a majority of the members must run and reach each other"
        )
    if tuple(int(part) for part in status.version.split(".")[:2]) < VERSION_MIN:
        found.append(f"endpoint {link.endpoint} runs etcd {status.version}; upgrade it to 3.4 or newer")
    for error in status.errors:
        if "NOSPACE" in error:
            found.append(
                "the quota of the cluster is used up (alarm NOSPACE), so writes are refused; "
                "compact, defragment, then `etcdctl alarm disarm`"
            )
        elif "CORRUPT" in error:
            found.append("members of the cluster differ (alarm CORRUPT); restore a snapshot")
    return found
