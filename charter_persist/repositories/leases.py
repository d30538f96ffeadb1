"""Leases of a ledger: how long each lives, and the keys that live as long as it.

A lease is of the moment: the journal does not tell of it, and a copy of the store does not have it. That a key is
attached to one is part of what the key holds. So a key whose lease is missing has outlived it.

Cost: one row read or written a call. Imports ``backends.contract``, ``model`` and ``errors``. Source: DESIGN 1.2, KV-3.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from charter_persist.backends.contract import KV_LEASE, LEASE, LeaseRow
from charter_persist.errors import InvalidInputError, NotFoundError
from charter_persist.model.text import check_text
from charter_persist.repositories.base import ReadContext, WriteContext

TTL_S_MIN: Final = 0.1
TTL_S_MAX: Final = 30 * 86_400.0
_MICROS: Final = 1_000_000
BY_END: Final = ("expires_at", "lease")


def check_ttl(ttl_s: float) -> float:
    """Return a time to live.

    Raises:
        InvalidInputError: it is not a number of seconds from `TTL_S_MIN` to `TTL_S_MAX`.
    """
    if type(ttl_s) not in (int, float) or not TTL_S_MIN <= ttl_s <= TTL_S_MAX:
        raise InvalidInputError(f"ttl_s must be {TTL_S_MIN} to {TTL_S_MAX:.0f} seconds, got {ttl_s!r}")
    return float(ttl_s)


def ended(lease: str) -> NotFoundError:
    """The error that a lease has ended."""
    return NotFoundError(f"lease {lease} has ended, or never was; ask for a new one", lease=lease)


class LeaseReader:
    """Reads of leases."""

    def __init__(self, context: ReadContext) -> None:
        self._context = context

    def expires_at(self, lease: str) -> int | None:
        """When a lease ends unless it is kept alive, in microseconds since 1970 UTC; None where it was ended."""
        row = self._context.reader.get(LEASE, (check_text(lease, field="lease"),))
        return None if row is None else row.expires_at

    def keys(self, lease: str) -> Iterator[str]:
        """The keys that are attached to a lease, in order."""
        name = check_text(lease, field="lease")
        return (row.key for row in self._context.reader.scan(KV_LEASE, ("lease", "key"), prefix=(name,)))

    def overdue(self, moment: int) -> Iterator[str]:
        """Leases whose time was over at a moment, in microseconds since 1970 UTC, the oldest first."""
        return (row.lease for row in self._context.reader.scan(LEASE, BY_END, stop=(moment + 1, "")))

    def missing(self) -> Iterator[str]:
        """Leases that keys are attached to and that are not there, as after a restore; costs a look at each such key."""
        rows = self._context.reader.scan(KV_LEASE, ("lease", "key"))
        return (lease for lease, _ in groupby(rows, key=lambda row: row.lease) if self.expires_at(lease) is None)

    def next_end(self) -> int | None:
        """When the next lease ends, in microseconds since 1970 UTC; None where there is none."""
        row = next(self._context.reader.scan(LEASE, BY_END, limit=1), None)
        return None if row is None else row.expires_at


class LeaseRepository(LeaseReader):
    """Leases of a unit of work."""

    _context: WriteContext

    def __init__(self, context: WriteContext) -> None:
        super().__init__(context)

    def grant(self, ttl_s: float) -> str:
        """Make a lease that ends after ``ttl_s`` seconds by the clock of the store, unless it is kept alive.

        Args:
            ttl_s: 0.1 to 2,592,000 seconds.

        Returns:
            Its id.

        Raises:
            InvalidInputError: ``ttl_s`` is out of range.
        """
        ttl = round(check_ttl(ttl_s) * _MICROS)
        self._context.check_open()
        row = LeaseRow(self._context.sources.new_id(), ttl, self._context.now + ttl)
        self._context.write.put(LEASE, row)
        return row.lease

    def keep_alive(self, lease: str) -> float:
        """Begin its time to live anew, counted from this unit.

        Returns:
            The seconds that it has now.

        Raises:
            NotFoundError: it has ended, or its time is over.
        """
        self._context.check_open()
        row = self._context.reader.get(LEASE, (check_text(lease, field="lease"),))
        if row is None or row.expires_at <= self._context.now:
            raise ended(lease)
        self._context.write.put(LEASE, row._replace(expires_at=self._context.now + row.ttl))
        return row.ttl / _MICROS

    def end(self, lease: str) -> None:
        """Forget a lease; whoever ends one deletes its keys in the same unit. An absent one is no error."""
        self._context.check_open()
        self._context.write.delete(LEASE, (check_text(lease, field="lease"),))
