"""The changes of one unit of work, and reads that see them before they are written.

Every repository reads and writes through this. Rows wait here until the unit ends, so a small unit costs its backend
one `commit`, and a failed one costs it nothing. A large unit is passed on in parts inside the same transaction, so
memory stays constant.

Imports ``backends.contract`` and ``bounds``. Source: STO-5, DESIGN 1.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

from charter_persist.backends.contract import Changes, Key, Reader, Relation, Row
from charter_persist.repositories.bounds import Bounds

# Few enough that the rows are gone before Python's collector moves them to its oldest generation.
ROWS_MAX: Final = 1_000
BYTES_MAX: Final = 8 * 1024 * 1024


class Below(Reader, Protocol):
    """What a write set lies over: an open transaction, or the write set that gathers several units."""

    def apply(self, changes: Changes) -> None:
        """Write the changes, after all that was written before."""
        ...


class WriteSet:
    """Buffered changes over an open transaction, or over another write set.

    Attributes:
        changes: what is buffered, by relation and key; None for a row that is removed.
        written: whether anything was passed on, or was to be.
        refused: the error with which it was refused; then nothing of all this may be committed.
    """

    __slots__ = ("_below", "_bytes", "_rows", "changes", "refused", "written")

    def __init__(self, below: Below) -> None:
        self._below = below
        self.changes: dict[Relation[Any], dict[Key, Any]] = {}
        self.written = False
        self.refused: BaseException | None = None
        self._rows = 0
        self._bytes = 0

    @property
    def full(self) -> bool:
        """True when it is time to pass the changes on."""
        return self._rows >= ROWS_MAX or self._bytes >= BYTES_MAX

    @property
    def dirty(self) -> bool:
        """True when anything was changed since the beginning."""
        return self.written or bool(self.changes)

    def put(self, relation: Relation[Row], row: Row, *, size: int = 0) -> None:
        """Write a row; ``size`` bytes of payload count towards the limit of the buffer."""
        self._change(relation, relation.key_of(row), row)
        self._bytes += size

    def delete(self, relation: Relation[Any], key: Key) -> None:
        """Remove the row of that key."""
        self._change(relation, key, None)

    def _change(self, relation: Relation[Any], key: Key, row: Any) -> None:
        rows = self.changes.get(relation)
        if rows is None:
            rows = self.changes[relation] = {}
        rows[key] = row
        self._rows += 1

    def flush(self) -> None:
        """Pass the buffered changes on."""
        if self.changes:
            self._pass_on(self.take())

    def apply(self, changes: Changes) -> None:
        """Pass on what is buffered here, then these changes."""
        self.flush()
        self._pass_on(changes)

    def _pass_on(self, changes: Changes) -> None:
        """Write changes below; where that is refused they are lost, so what they belong to must not commit."""
        self.written = True
        try:
            self._below.apply(changes)
        except BaseException as exc:
            self.refused = exc
            raise

    def absorb(self, other: WriteSet) -> None:
        """Take over what is buffered in a set that lies over this one."""
        self._rows += other._rows
        self._bytes += other._bytes
        for relation, rows in other.take().items():
            self.changes.setdefault(relation, {}).update(rows)
        if self.full:
            self.flush()

    def take(self) -> dict[Relation[Any], dict[Key, Any]]:
        """Hand over the buffered changes and begin anew."""
        changes, self.changes = self.changes, {}
        self._rows = self._bytes = 0
        return changes

    def get(self, relation: Relation[Row], key: Key) -> Row | None:
        """As `Reader.get`, with the changes of this unit."""
        rows = self.changes.get(relation)
        if rows is not None and key in rows:
            row: Row | None = rows[key]
            return row
        return self._below.get(relation, key)

    def get_many(self, relation: Relation[Row], keys: Sequence[Key]) -> list[Row]:
        """As `Reader.get_many`, with the changes of this unit."""
        rows = self.changes.get(relation)
        if not rows:
            return self._below.get_many(relation, keys)
        here = [rows[key] for key in keys if rows.get(key) is not None]
        return here + self._below.get_many(relation, [key for key in keys if key not in rows])

    def scan(self, relation: Relation[Row], order: tuple[str, ...], **bounds: Any) -> Iterator[Row]:
        """As `Reader.scan`, with the changes of this unit, which are passed on first where there are any of the table.

        A look-up of one row passes nothing on: else the rows of several units could not be written together.
        """
        if bounds.get("limit") == 1 and relation in self.changes:
            return self._first(relation, order, **bounds)
        if any(changed.name == relation.name for changed in self.changes):
            self.flush()
        return self._below.scan(relation, order, **bounds)

    def _first(self, relation: Relation[Row], order: tuple[str, ...], *, limit: int, **bounds: Any) -> Iterator[Row]:
        """The first row within the bounds, of those that wait here and those below that are not changed here."""
        changed = dict(self.changes[relation])
        within, places = Bounds(**bounds), relation.places[order]

        def columns(row: Row) -> Key:
            return tuple([row[place] for place in places])

        # One row at a time: below may be another set of changes, which passes nothing on for a look-up either.
        stored = next(self._below.scan(relation, order, limit=limit, **bounds), None)
        while stored is not None and relation.key_of(stored) in changed:
            bounds["after"] = columns(stored)[len(within.prefix) :]
            stored = next(self._below.scan(relation, order, limit=limit, **bounds), None)
        found = [row for row in changed.values() if row is not None and within.admit(columns(row))]
        if stored is not None:
            found.append(stored)
        if found:
            yield (max if within.reverse else min)(found, key=columns)
