"""Backends that carry one kind of store and no journal: keys with their own transactions and watch, archives.

What is a rule stays above: names, limits, versions, conflicts that a caller asked for. A backend reads, remembers what
it read where that matters, and writes.

Imports nothing but its neighbours. Source: DESIGN 1 (two kinds of backend), KV-8, CCOS-2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from charter_persist.backends.contract.kv import KvEntryRow
from charter_persist.backends.contract.ledger import BackendCapabilities, Diagnosis, Listener

OWN_KEYS: Final = "/\x00"
"""Keys that begin so are the store's own: `KeyReader.get` and commits take them, no scan and no feed tells of them.

No caller can use one, since no name holds a control character.
"""


class SingleBackend(Protocol):
    """What every backend of one store has."""

    name: str
    requires_network: bool
    capabilities: BackendCapabilities

    def diagnose(self) -> Diagnosis:
        """Look at settings and sizes; reads only.

        Raises:
            BackendError: it cannot be reached.
        """
        ...

    def close(self) -> None:
        """Give back every connection; a second call does nothing."""
        ...


class KeyReader(Protocol):
    """Keys at one revision; whatever is read through it was true then.

    Rows have the revision that changed them last, the version, both times and the lease; ``position`` is 0.
    """

    @property
    def revision(self) -> int:
        """That is read; the newest one when it was first needed."""
        ...

    def get(self, key: str) -> KvEntryRow | None:
        """What a key holds, or None."""
        ...

    def scan(self, prefix: str, *, after: str | None = None, limit: int | None = None) -> Iterator[KvEntryRow]:
        """Keys that begin so, by their UTF-8 bytes, fetched page by page in constant memory."""
        ...

    def at(self, revision: int) -> KeyReader:
        """The same keys at an older revision.

        Raises:
            CompactedError: where they are read, if it is not kept any more.
        """
        ...

    def close(self) -> None:
        """End it; a second call does nothing."""
        ...


class KeyTransaction(KeyReader, Protocol):
    """A reader that remembers what it was asked, and writes if all of that is still true.

    It holds no lock. Both what was read and what was not found there counts, and so does what a scan covered.
    """

    def commit(self, changes: Mapping[str, KvEntryRow | None]) -> int:
        """Write all changes at once, if nothing that was read changed since; durable on return.

        Args:
            changes: for each key the row that it shall hold, of which value, times and lease count, or None to
                delete it; a key that is absent already stays so. Never empty.

        Returns:
            The revision that it became.

        Raises:
            SerializationFailureError: something that was read changed; nothing was written.
            LimitExceededError: it is more than the backend takes in one transaction; nothing was written.
            NotFoundError: a lease is gone; nothing was written.
            CommitUnknownError: the answer was lost.
            BackendError: nothing was written.
        """
        ...

    def rollback(self) -> None:
        """End without a trace; harmless after the end."""
        ...


class KeyChange(NamedTuple):
    """What one revision did to a key; None where it was absent before or after."""

    key: str
    before: KvEntryRow | None
    after: KvEntryRow | None


class KeyChanges(NamedTuple):
    """All changes that one revision made to the keys of a feed, in the order in which it made them."""

    revision: int
    changes: tuple[KeyChange, ...]


class KeyFeed(Listener, Protocol):
    """Changes as they come, from a revision on: each once, in order, a revision's changes together.

    It holds a bounded number of them for a reader that is slow and asks for the others later. It reconnects by itself
    and goes on where it was.
    """

    def take(self) -> Sequence[KeyChanges]:
        """What has come since the last call, without waiting; empty where nothing has.

        Raises:
            CompactedError: the revisions that come next are not kept any more; ``oldest`` is the oldest one that is.
            BackendError: it cannot go on now; a later call tries again.
        """
        ...

    @property
    def revision(self) -> int:
        """Up to which revision everything was taken, as far as the server has told."""
        ...


class LeaseBackend(Protocol):
    """Leases: a time to live that keys are attached to, and that is made longer as long as somebody lives."""

    def grant(self, ttl_s: float) -> str:
        """Make a lease that ends after ``ttl_s`` seconds unless it is kept alive; returns its id."""
        ...

    def keep_alive(self, lease: str) -> float:
        """Begin its time to live anew; returns the seconds that it has now.

        Raises:
            NotFoundError: it has ended; its keys are gone, or go now.
        """
        ...

    def revoke(self, lease: str) -> None:
        """End it; its keys are deleted in one revision. A lease that has ended already is no error."""
        ...

    def time_to_live(self, lease: str) -> float | None:
        """How many seconds it has left; None where it has ended."""
        ...


class KeyBackend(SingleBackend, LeaseBackend, Protocol):
    """A backend that keeps keys, with transactions, a watch and leases of its own."""

    value_bytes_max: int
    unit_bytes_max: int
    operations_max: int

    def snapshot(self) -> KeyReader:
        """The keys as they are when the first of them is read, by all that was acknowledged before."""
        ...

    def transaction(self) -> KeyTransaction:
        """As `snapshot`, to write by."""
        ...

    def feed(self, prefix: str, after: int | None) -> KeyFeed:
        """Changes of keys that begin with ``prefix``, after a revision, or from now on where it is None."""
        ...

    def compact(self, upto: int) -> None:
        """Drop what newer changes replaced at or below a revision.

        Raises:
            CompactedError: it was compacted beyond that already.
            NotFoundError: there is no such revision yet.
        """
        ...


class Stored(NamedTuple):
    """What an archive knows of one entity without reading it; ``stored_at`` in microseconds since 1970 UTC."""

    content_hash: str
    size: int
    stored_at: int


class ArchiveReading(Protocol):
    """Bytes by their hash, apart for each kind."""

    def get(self, kind: str, content_hash: str) -> bytes | None:
        """The bytes as they are now, unchecked, or None."""
        ...

    def stat(self, kind: str, content_hash: str) -> Stored | None:
        """What is known of them without reading them, or None."""
        ...

    def scan(self, kind: str, *, after: str = "") -> Iterator[Stored]:
        """All of a kind behind a hash, by hash, in constant memory where the backend can."""
        ...

    def strays(self, kind: str) -> Iterator[str]:
        """The places among a kind where something lies that is not under a hash, and so is never read."""
        ...


class ArchiveBackend(SingleBackend, ArchiveReading, Protocol):
    """A backend that keeps bytes by their hash, apart for each kind."""

    def put(self, kind: str, content_hash: str, data: bytes) -> bool:
        """Keep bytes; durable on return, and no reader ever sees half of them. Returns whether the place was empty.

        Other bytes that stand in their place can only be damaged ones, and are replaced. What another writer is about
        to make durable is made durable here as well, before anybody is told that it is there.

        Raises:
            StorageFullError: there is no room; nothing is there.
            ReadOnlyError: it was opened for reading only.
            BackendError: they may be there, where ``applied`` says "unknown"; putting them again is harmless.
        """
        ...

    def delete(self, kind: str, content_hash: str) -> bool:
        """Remove bytes; durable on return. Returns whether they were there."""
        ...

    def kinds(self) -> list[str]:
        """The kinds that something is kept of, in order."""
        ...


class ContentBackend(ArchiveBackend, Protocol):
    """A backend of archives that can also hold what is too large for the rows of a ledger."""

    def renew(self, kind: str, content_hash: str, data: bytes) -> None:
        """Write bytes whatever is in their place, so that they are dated now; durable on return.

        A reader sees what was there or what is there now, and nothing else.

        Raises:
            StorageFullError: there is no room; what was there is there.
            ReadOnlyError: it was opened for reading only.
            BackendError: what was there is there, dated as it was, or, where ``applied`` says "unknown", dated now.
        """
        ...
