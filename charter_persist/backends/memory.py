"""The memory backend: plain dictionaries, and the executable specification of every other ledger backend.

Each row is kept with the number of the commit that wrote it. A snapshot remembers a commit number and sees, of every
key, the newest row that is not younger. Rolling back removes what the open transaction wrote.

Source: DESIGN 1.5, RELIABILITY 4.6.
"""

from __future__ import annotations

import bisect
import os
import threading
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Final

from charter_persist.backends.contract import (
    JOURNAL,
    RELATIONS,
    BackendCapabilities,
    Changes,
    Diagnosis,
    Head,
    Key,
    Relation,
    Row,
)
from charter_persist.backends.wakeup import Bell, Wakeup
from charter_persist.errors import (
    ForkedHandleError,
    IntegrityError,
    NotSupportedError,
    ReadOnlyError,
    StoreBusyError,
    StoreClosedError,
)

PAGE_ROWS: Final = 1_024
Version = tuple[int, Any]  # number of the commit, row or None


class _Table:
    """One relation: the versions of each key, and for each order the sorted list of (columns, key)."""

    def __init__(self, relation: Relation[Any]) -> None:
        self.relation = relation
        self.versions: dict[Key, list[Version]] = {}
        self.entries: dict[tuple[str, ...], list[tuple[Key, Key]]] = {order: [] for order in relation.orders}
        self.known: dict[tuple[str, ...], set[tuple[Key, Key]]] = {order: set() for order in relation.orders}
        self.unsorted: set[tuple[str, ...]] = set()

    def write(self, commit: int, key: Key, row: Any) -> None:
        """Add a version; a later one of the same commit replaces it."""
        versions = self.versions.setdefault(key, [])
        if versions and versions[-1][1] is not None and row is not None and not self.relation.mutable:
            if not self.relation.is_erasure(row):
                raise IntegrityError(f"{self.relation.name} already holds a row with that key")
            row = self.relation.erased(versions[-1][1])
        versions.append((commit, row))
        if row is None:
            return
        for order, known in self.known.items():
            entry = (self.columns(order, row), key)
            if entry not in known:
                known.add(entry)
                entries = self.entries[order]
                if entries and entry < entries[-1]:
                    self.unsorted.add(order)
                entries.append(entry)

    def take_back(self, key: Key) -> None:
        """Remove the newest version of a key, and what the orders know of it where it was the only one."""
        versions = self.versions[key]
        _, row = versions.pop()
        if versions:
            return
        del self.versions[key]
        if row is None:
            return
        for order, known in self.known.items():
            entry = (self.columns(order, row), key)
            known.discard(entry)
            entries = self.entries[order]
            # Rows are taken back newest first, so an entry is at the end unless a scan has sorted meanwhile.
            if entries[-1] == entry:
                entries.pop()
            else:
                entries.remove(entry)

    def columns(self, order: tuple[str, ...], row: Any) -> Key:
        """The values that an order sorts a row by."""
        return tuple([_sortable(row[i]) for i in self.relation.places[order]])

    def read(self, commit: int, key: Key) -> Any:
        """The row of a key as that commit left it, or None."""
        for number, row in reversed(self.versions.get(key, ())):
            if number <= commit:
                return row
        return None

    def sorted_entries(self, order: tuple[str, ...]) -> list[tuple[Key, Key]]:
        """The entries of an order; sorting what is almost sorted is cheap."""
        if order in self.unsorted:
            self.entries[order].sort()
            self.unsorted.discard(order)
        return self.entries[order]


def _sortable(value: Any) -> Any:
    """Text by its UTF-8 bytes, as every backend sorts it."""
    return value.encode() if isinstance(value, str) else value


def _narrowed(relation: Relation[Row], row: Any) -> Row:
    """The columns of a row that a relation shows."""
    if type(row) is relation.row:
        return row
    return relation.make([getattr(row, name) for name in relation.columns])


class _Reader:
    """Reads as of one commit."""

    def __init__(self, backend: MemoryBackend, commit: int) -> None:
        self._backend = backend
        self._commit = commit
        self._open = True
        self._process = os.getpid()

    @property
    def _forked(self) -> bool:
        """Whether this is a forked child, whose copy of the store nobody else sees."""
        return self._process != os.getpid()

    def _table(self, relation: Relation[Any]) -> _Table:
        if self._forked:
            raise ForkedHandleError
        if not self._open:
            raise StoreClosedError("this view or unit of work has ended; open a new one")
        return self._backend.tables[relation.name]

    def get(self, relation: Relation[Row], key: Key) -> Row | None:
        """The row of that key, or None."""
        table = self._table(relation)
        with self._backend.guard:
            row = table.read(self._commit, key)
        return None if row is None else _narrowed(relation, row)

    def get_many(self, relation: Relation[Row], keys: Sequence[Key]) -> list[Row]:
        """The rows that exist among the keys."""
        return [row for key in keys if (row := self.get(relation, key)) is not None]

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
        """Rows in order, by pages, so that a writer is never kept waiting."""
        head = tuple([_sortable(value) for value in prefix])
        low = head + tuple([_sortable(value) for value in start or ()])
        high = head + tuple([_sortable(value) for value in stop]) if stop is not None else None
        mark: Any = None
        if after is not None:
            columns = head + tuple([_sortable(value) for value in after])
            mark = (columns,) if reverse else (columns, _Above())
        while limit is None or limit > 0:
            size = PAGE_ROWS if limit is None else min(limit, PAGE_ROWS)
            found, mark, more = self._page(relation, order, head, (low, high, mark), reverse=reverse, size=size)
            yield from (_narrowed(relation, row) for row in found)
            limit = None if limit is None else limit - len(found)
            if not more:
                return

    def _page(
        self,
        relation: Relation[Any],
        order: tuple[str, ...],
        head: Key,
        bounds: tuple[Key, Key | None, Any],
        *,
        reverse: bool,
        size: int,
    ) -> tuple[list[Any], Any, bool]:
        """Rows of up to ``size`` entries within the bounds, the new mark, and whether there may be more."""
        low, high, mark = bounds
        table = self._table(relation)
        with self._backend.guard:
            entries = table.sorted_entries(order)
            first = bisect.bisect_left(entries, (low,))
            last = _end(entries, head) if high is None else bisect.bisect_left(entries, (high,))
            if mark is not None and reverse:
                last = min(last, bisect.bisect_left(entries, mark))
            elif mark is not None:
                first = max(first, bisect.bisect_right(entries, mark))
            page = entries[max(first, last - size) : last] if reverse else entries[first : min(last, first + size)]
            if reverse:
                page.reverse()
            found = [
                row
                for columns, key in page
                if (row := table.read(self._commit, key)) is not None and table.columns(order, row) == columns
            ]
        return found, page[-1] if page else mark, last - first > size


class _Above:
    """Greater than every key."""

    def __lt__(self, other: object) -> bool:
        return False

    def __gt__(self, other: object) -> bool:
        return True


def _end(entries: list[tuple[Key, Key]], head: Key) -> int:
    """Where the entries that begin with these columns end."""
    return bisect.bisect_right(entries, head, key=lambda entry: entry[0][: len(head)]) if head else len(entries)


class MemorySnapshot(_Reader):
    """The state after the last commit."""

    def head(self) -> None:
        """Nothing is kept beside the journal."""

    def close(self) -> None:
        """Give the snapshot back."""
        self._open = False


class MemoryTransaction(_Reader):
    """The one open write."""

    def __init__(self, backend: MemoryBackend) -> None:
        super().__init__(backend, backend.commits + 1)
        self._written: list[tuple[_Table, Key]] = []
        last = next(self.scan(JOURNAL, ("position",), reverse=True, limit=1), None)
        self.position, self.revision = (last.position, last.revision) if last else (0, 0)

    def apply(self, changes: Changes) -> None:
        """Write each row; they become visible with the commit."""
        self._check_open()
        with self._backend.guard:
            for relation, rows in changes.items():
                table = self._table(relation)
                for key, row in rows.items():
                    table.write(self._commit, key, row)
                    self._written.append((table, key))

    def commit(self, changes: Changes, head: Head | None) -> None:
        """Make it visible: a snapshot that begins now sees this commit's number."""
        self.apply(changes)
        self._backend.commits = self._commit
        self._backend.wakeup.ring()
        self._end()

    def rollback(self) -> None:
        """End without a trace; a forked child leaves its copy, whose locks may never be released, as it is."""
        if self._open and not self._forked:
            with self._backend.guard:
                for table, key in reversed(self._written):
                    table.take_back(key)
            self._end()

    def _check_open(self) -> None:
        if self._forked:
            raise ForkedHandleError
        if not self._open or self._backend.closed:
            raise StoreClosedError("this unit of work has ended, or its store was closed; begin a new one")

    def _end(self) -> None:
        self._open = False
        self._backend.lock.release()


class MemoryBackend:
    """A ledger backend that lives and dies with the process."""

    name = "memory"
    requires_network = False
    capabilities = BackendCapabilities(
        supports_transactions=True, supports_ordering=True, supports_append_only=True, supports_snapshots=True
    )

    def __init__(self, *, read_only: bool = False) -> None:
        self.tables = {relation.name: _Table(relation) for relation in RELATIONS}
        self.commits = 0
        self.guard = threading.RLock()
        self.lock = threading.Lock()
        self.wakeup = Wakeup()
        self._read_only = read_only
        self.closed = False
        self._store_id = str(uuid.uuid4())

    def store_id(self) -> str:
        """An identity of its own for each store."""
        return self._store_id

    def snapshot(self) -> MemorySnapshot:
        """A view of the last committed state."""
        if self.closed:
            raise StoreClosedError
        return MemorySnapshot(self, self.commits)

    def transaction(self, timeout_s: float) -> MemoryTransaction:
        """Take the writer lock and begin."""
        if self.closed:
            raise StoreClosedError
        if self._read_only:
            raise ReadOnlyError("the store is open for reading only; connect without read_only")
        if not self.lock.acquire(timeout=timeout_s):
            raise StoreBusyError
        try:
            return MemoryTransaction(self)
        except BaseException:
            self.lock.release()
            raise

    def listen(self) -> Bell:
        """Every commit rings."""
        return self.wakeup.listen()

    def join(self, connection: Any, timeout_s: float) -> MemoryTransaction:
        """Refuse: there is no connection to join."""
        raise NotSupportedError("the memory backend has no database connection to join; use SQLite or Postgres")

    def scrub(self, timeout_s: float) -> None:
        """There is no file."""

    def interrupt(self) -> None:
        """There is no statement that takes time."""

    def diagnose(self) -> Diagnosis:
        """Row counts."""
        return Diagnosis((), {name: len(table.versions) for name, table in self.tables.items()})

    def close(self) -> None:
        """Forget nothing yet: open views end by themselves, new ones are refused."""
        self.closed = True
