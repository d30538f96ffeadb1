"""Reading one snapshot and writing one transaction. Source: DESIGN 1.3 and 5."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from charter_persist.backends.contract.journal import HeadRow
from charter_persist.backends.contract.relation import Key, Relation, Row

Changes = Mapping[Relation[Any], Mapping[Key, Any]]
"""A write set: by relation and key the row to write, or None to delete it; see `Relation.erasable` for erasures."""


class Head(Protocol):
    """Where the journal ends after a commit."""

    @property
    def revision(self) -> int:
        """Of the last unit of work."""
        ...

    @property
    def size(self) -> int:
        """Number of entries; the position of the last one."""
        ...

    @property
    def root(self) -> bytes:
        """Merkle root over all entries; computed when it is asked for."""
        ...


class Reader(Protocol):
    """Reads of one snapshot: whatever is read through it was true at one and the same revision."""

    def get(self, relation: Relation[Row], key: Key) -> Row | None:
        """The row of that key, or None."""
        ...

    def get_many(self, relation: Relation[Row], keys: Sequence[Key]) -> list[Row]:
        """The rows that exist among the keys, in any order; one round trip for any number of keys."""
        ...

    def scan(
        self,
        relation: Relation[Row],
        order: tuple[str, ...],
        *,
        prefix: Key = (),
        after: Key | None = None,
        start: Key | None = None,
        stop: Key | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> Iterator[Row]:
        """Rows in the order of the given columns, text by its UTF-8 bytes, fetched page by page in constant memory.

        Args:
            relation: what to read.
            order: one of ``relation.orders``.
            prefix: values that the first columns of the order must equal.
            after: values of the columns behind the prefix; only rows beyond them, in the direction of the scan.
            start: only rows at or above these values.
            stop: only rows below these values.
            reverse: from the end to the beginning.
            limit: at most so many rows.
        """
        ...


class Snapshot(Reader, Protocol):
    """A reader with an end."""

    def head(self) -> HeadRow | None:
        """What the backend keeps of the journal's end beside the journal; None where it keeps nothing.

        fsck compares it with the entries of the same snapshot.
        """
        ...

    def close(self) -> None:
        """Give the snapshot back; a second call does nothing."""
        ...


class Transaction(Reader, Protocol):
    """The one open write of a store: it holds the writer lock from its first moment to its end.

    Reads see what was applied before. A transaction that ends without `commit` leaves nothing.
    """

    @property
    def position(self) -> int:
        """The last journal position, read under the lock."""
        ...

    @property
    def revision(self) -> int:
        """The last revision, read under the lock."""
        ...

    def apply(self, changes: Changes) -> None:
        """Write the changes inside this transaction. When it raises, the transaction can only be rolled back."""
        ...

    def commit(self, changes: Changes, head: Head | None) -> None:
        """Apply the last changes and make all of it durable and visible at once; the transaction has ended then.

        Args:
            changes: what was not applied yet.
            head: where the journal ends now; None where it did not grow.

        Raises:
            CommitUnknownError: the answer to the commit was lost.
            BackendError: nothing was written.
        """
        ...

    def rollback(self) -> None:
        """End without a trace; harmless after the end."""
        ...
