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
from typing import Generic, Protocol, TypeVar

from charter_persist.errors import CommitUnknownError, TimedOutError
from charter_persist.lease.lease import Guard, Lease, unguarded
from charter_persist.model.entry import CheckRevision
from charter_persist.model.key import check_writable_key
from charter_persist.model.limits import Options
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


class Losable(Protocol):
    """A lease, as far as a leadership asks it by itself."""

    @property
    def lost(self) -> bool:
        """Whether it may have ended."""
        ...


L = TypeVar("L", bound=Losable)


@dataclass(frozen=True, slots=True)
class Elected(Generic[L]):
    """What is known of having been elected, whichever way it is waited for and ended.

    Attributes:
        key: that was created.
        value: that it was given, for others to read.
        revision: that created it; the fencing token, larger than that of every leader before.
        lease: that the key is attached to.
    """

    key: str
    value: bytes = field(repr=False)
    revision: int
    lease: L = field(repr=False)

    @property
    def lost(self) -> bool:
        """Whether another may lead already; once True it stays so."""
        return self.lease.lost

    @property
    def check(self) -> CheckRevision:
        """For `uow.kv.transaction`: what follows is done only while this leadership stands."""
        return CheckRevision(self.key, self.revision)


class Leadership(Elected[Lease]):
    """Having been elected; it ends with `resign`, with its block, or when the lease is lost."""

    __slots__ = ()

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


class Candidate:
    """Who stands for a key: what each attempt does, and how long to wait for the next one.

    Args:
        options: of the store.
        key: that candidates compete for.
        value: that the key is given.
        ttl_s: of the lease; also how long a change that was not told of can go unnoticed.
        timeout_s: how long to stand, from now on; None without end.

    Raises:
        InvalidKeyError: the key does not follow the grammar.
    """

    def __init__(self, options: Options, key: str, value: bytes, *, ttl_s: float, timeout_s: float | None) -> None:
        check_writable_key(key, maximum=options.key_bytes_max)
        self.key = key
        self.value = value
        self.ttl_s = ttl_s
        self._timeout_s = timeout_s
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s

    @property
    def subject(self) -> str:
        """What to watch. Begin before the first attempt, so that no resignation falls between it and the wait."""
        return f"kv:{literal(self.key)}"

    @property
    def left_s(self) -> float | None:
        """How long it still stands; None without end."""
        return None if self._deadline is None else self._deadline - time.monotonic()

    def claim(self, store: Units, lease: Lease, guard: Guard = unguarded) -> int | None:
        """Create the key if nobody leads; the revision that created it for this lease, or None."""

        def create(uow: UnitOfWork) -> None:
            if not uow.kv.exists(self.key):
                uow.kv.set(self.key, self.value, lease=lease.id)

        with suppress(CommitUnknownError):  # what stands there says what became of it
            store.run(guard(create))
        with store.read() as view:
            entry = view.kv.get(self.key)
        return entry.revision if entry is not None and entry.lease == lease.id else None

    def patience_s(self, lease: Lease) -> float:
        """How long to wait for a change after an attempt in vain.

        Raises:
            NotFoundError: the lease has ended.
            TimedOutError: it stood for long enough.
        """
        if lease.lost:
            raise ended(lease.id)
        left = self.left_s
        if left is None:
            return self.ttl_s
        if left <= 0:
            raise self.too_late()
        return min(left, self.ttl_s)

    def too_late(self) -> TimedOutError:
        """The error that it stood for long enough."""
        return TimedOutError(f"{self.key} was led by another for {self._timeout_s} s; nobody resigned", key=self.key)


def elect(store: Electorate, key: str, value: bytes, *, ttl_s: float, timeout_s: float | None) -> Leadership:
    """Wait until this caller is elected; see `Store.elect`."""
    candidate = Candidate(store.options, key, value, ttl_s=ttl_s, timeout_s=timeout_s)
    lease = store.lease(ttl_s)
    try:
        with store.watch(candidate.subject) as watch:
            while (revision := candidate.claim(store, lease)) is None:
                watch.poll(candidate.patience_s(lease))
    except BaseException:
        lease.revoke()
        raise
    return Leadership(key, value, revision, lease)
