"""Leases of etcd: it counts in whole seconds, and the leader's clock decides.

Each call is one round trip and may be repeated: a lease that was granted by a lost answer ends by itself.

Imports ``errors`` and its neighbours. Source: KV-8, RELIABILITY 4.6.
"""

from __future__ import annotations

import math
from typing import Any, Final

from charter_persist.backends.etcd.channel import Cluster
from charter_persist.backends.etcd.rows import lease_number, lease_text
from charter_persist.backends.etcd.wire import LEASE_GRANT, LEASE_KEEP_ALIVE, LEASE_REVOKE, LEASE_TIME_TO_LIVE
from charter_persist.errors import InvalidInputError, NotFoundError

TTL_S_MAX: Final = 9_000_000_000


class Leases:
    """`contract.LeaseBackend` of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def grant(self, ttl_s: float) -> str:
        """Make a lease that ends after ``ttl_s`` seconds, rounded up to whole ones, unless it is kept alive.

        etcd makes it longer where it is shorter than one and a half elections: 2 seconds by default.

        Raises:
            InvalidInputError: that is no time.
        """
        if not 0 < ttl_s <= TTL_S_MAX:
            raise InvalidInputError(f"a lease of {ttl_s} s is none; give seconds above 0, at most {TTL_S_MAX}")
        answer = self._cluster.ask(LEASE_GRANT, LEASE_GRANT.request(TTL=math.ceil(ttl_s)))
        return lease_text(answer.ID)

    def keep_alive(self, lease: str) -> float:
        """Begin its time to live anew; returns the seconds that it has now."""
        answer = self._cluster.ask(LEASE_KEEP_ALIVE, LEASE_KEEP_ALIVE.request(ID=lease_number(lease)))
        if answer.TTL <= 0:
            raise NotFoundError(f"lease {lease} has ended; grant another one")
        return float(answer.TTL)

    def revoke(self, lease: str) -> None:
        """End it, and delete its keys in one revision."""
        try:
            self._cluster.ask(LEASE_REVOKE, LEASE_REVOKE.request(ID=lease_number(lease)))
        except NotFoundError:
            return

    def time_to_live(self, lease: str) -> float | None:
        """How many seconds it has left, rounded down; None where it has ended, or is a text that no lease has."""
        try:
            number = lease_number(lease)
        except InvalidInputError:
            return None
        answer: Any = self._cluster.ask(LEASE_TIME_TO_LIVE, LEASE_TIME_TO_LIVE.request(ID=number))
        return None if answer.TTL < 0 else float(answer.TTL)
