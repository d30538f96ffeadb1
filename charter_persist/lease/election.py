"""The election of a leader: whoever creates the key leads for as long as the lease lives that the key is attached to.

At most one process has the key at any moment. That the one that believes to lead is that one, nobody can promise: it may
have been stopped for longer than its lease lived. So a leader's writes check the key's revision in the same unit, which
`Leadership.check` makes; it never repeats, so it is a fencing token for other systems too.

Cost: an election is one lease, one watch and one unit; each further attempt is one unit.

Imports ``unit_of_work``, ``watch`` and ``lease``. Source: RELIABILITY 4.6, univrs-storage (leader election).
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol

from charter_persist.errors import CommitUnknownError, TimedOutError
from charter_persist.lease.lease import Lease
from charter_persist.model.entry import CheckRevision
from charter_persist.model.key import check_writable_key
from charter_persist.repositories.leases import ended
from charter_persist.unit_of_work import UnitOfWork, Units
from charter_persist.watch.delivery import Watch
from charter_persist.watch.subjects import literal


class Electorate(Units, Protocol):
    """What an election needs of a store."""

    def lease(self, ttl_s: float) -> Lease:
        """A lease that is kept alive."""
        ...

    def watch(self, pattern: str, *, after: int | None = None) -> Watch:
        """Watch keys."""
        ...


@dataclass(frozen=True, slots=True)
class Leadership:
    """Having been elected; it ends with `resign`, with its block, or when the lease is lost.

    Attributes:
        key: that was created.
        value: that it was given, for others to read.
        revision: that created it; the fencing token, larger than that of every leader before.
        lease: that the key is attached to.
    """

    key: str
    value: bytes = field(repr=False)
    revision: int
    lease: Lease = field(repr=False)

    @property
    def lost(self) -> bool:
        """Whether another may lead already; once True it stays so."""
        return self.lease.lost

    @property
    def check(self) -> CheckRevision:
        """For `uow.kv.transaction`: what follows is done only while this leadership stands."""
        return CheckRevision(self.key, self.revision)

    def wait_lost(self, timeout_s: float | None = None) -> bool:
        """Wait until another may lead, at most ``timeout_s`` seconds; whether one may."""
        return self.lease.wait_lost(timeout_s)

    def resign(self) -> None:
        """End it now; the key is deleted and the next one is elected. A second call does nothing.

        Raises:
            BackendError: it could not be told; it ends when the lease does.
        """
        self.lease.revoke()

    def __enter__(self) -> Leadership:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.resign()


def elect(store: Electorate, key: str, value: bytes, *, ttl_s: float, timeout_s: float | None) -> Leadership:
    """Wait until this caller is elected; see `Store.elect`."""
    check_writable_key(key, maximum=store.options.key_bytes_max)
    deadline = float("inf") if timeout_s is None else time.monotonic() + timeout_s
    lease = store.lease(ttl_s)
    try:
        # From before the first attempt, so that no resignation falls between an attempt and the wait.
        with store.watch(f"kv:{literal(key)}") as watch:
            while (revision := _claim(store, key, value, lease)) is None:
                if lease.lost:
                    raise ended(lease.id)
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimedOutError(f"{key} was led by another for {timeout_s} s; nobody resigned", key=key)
                watch.poll(min(left, ttl_s))
    except BaseException:
        lease.revoke()
        raise
    return Leadership(key, value, revision, lease)


def _claim(store: Electorate, key: str, value: bytes, lease: Lease) -> int | None:
    """Create the key if nobody leads; the revision that created it for this lease, or None."""

    def create(uow: UnitOfWork) -> None:
        if not uow.kv.exists(key):
            uow.kv.set(key, value, lease=lease.id)

    with suppress(CommitUnknownError):  # what stands there says what became of it
        store.run(create)
    with store.read() as view:
        entry = view.kv.get(key)
    return entry.revision if entry is not None and entry.lease == lease.id else None
