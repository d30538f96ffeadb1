"""Reads of relations over one driver connection; shared by snapshots and transactions of both databases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

from charter_persist.backends.contract import Key, Relation, Row
from charter_persist.backends.sql.forks import this_process
from charter_persist.backends.sql.statements import KEYS_PER_STATEMENT, ScanShape, Statements
from charter_persist.errors import ForkedHandleError, StoreClosedError

PAGE_ROWS_FIRST: Final = 64
PAGE_ROWS_MAX: Final = 2_048
PAGE_BYTES: Final = 4 * 1024 * 1024


class Link(Protocol):
    """A driver connection that speaks in rows and in our errors."""

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """The first row, or None."""
        ...

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows."""
        ...

    def last(self, sql: str) -> None:
        """Run the statement that ends what is read; the link of SQLite refuses every later one."""
        ...


class ClosedLink:
    """What a reader holds after its end: every use says so."""

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """Refuse."""
        raise StoreClosedError("this view or unit of work has ended; open a new one")

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Refuse."""
        raise StoreClosedError("this view or unit of work has ended; open a new one")

    def last(self, sql: str) -> None:
        """Refuse."""
        raise StoreClosedError("this view or unit of work has ended; open a new one")


class SqlReader:
    """`contract.Reader` over a link: one statement a `get`, one a page of a `scan`; none of them in a forked child."""

    def __init__(self, link: Link, statements: Statements) -> None:
        self._own_link: Link = link
        self._process = this_process()
        self._statements = statements

    @property
    def _link(self) -> Any:
        """The link, in the process that opened it: what another one sends would end up in the parent's transaction."""
        if self._process.left:
            raise ForkedHandleError
        return self._own_link

    def get(self, relation: Relation[Row], key: Key) -> Row | None:
        """The row of that key, or None."""
        row = self._link.one(self._statements.get(relation), key)
        return None if row is None else relation.make(row)

    def get_many(self, relation: Relation[Row], keys: Sequence[Key]) -> list[Row]:
        """The rows that exist among the keys, each once; many keys share a statement."""
        rows = self._rows_of(relation, list(dict.fromkeys(keys)))
        return [relation.make(row) for row in rows]

    def _rows_of(self, relation: Relation[Any], keys: list[Key]) -> list[Any]:
        """Rows by keys, by statements of `KEYS_PER_STATEMENT` keys."""
        sql = self._statements.get_some(relation)
        rows: list[Any] = []
        for start in range(0, len(keys), KEYS_PER_STATEMENT):
            some = keys[start : start + KEYS_PER_STATEMENT]
            some += some[-1:] * (KEYS_PER_STATEMENT - len(some))
            rows += self._link.all(sql, [value for key in some for value in key])
        return rows

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
        """Rows in order, by pages that grow while rows are small."""
        places = relation.places[order][len(prefix) :]
        page = PAGE_ROWS_FIRST
        while limit is None or limit > 0:
            size = page if limit is None else min(page, limit)
            shape = ScanShape(order, len(prefix), after is not None, start is not None, stop is not None, reverse)
            parameters = (*prefix, *(after or ()), *(start or ()), *(stop or ()), size)
            rows = self._link.all(self._statements.scan(relation, shape), parameters)
            yield from map(relation.make, rows)
            if len(rows) < size:
                return
            last = rows[-1]
            after = tuple([last[i] for i in places])
            page = _next_page(relation, rows)
            limit = None if limit is None else limit - size


def _next_page(relation: Relation[Any], rows: list[Any]) -> int:
    """How many rows to fetch next so that a page stays near `PAGE_BYTES`."""
    if relation.payload is None:
        return PAGE_ROWS_MAX
    place = relation.columns.index(relation.payload)
    average = sum([len(row[place] or b"") for row in rows]) // len(rows) + 1
    return max(1, min(PAGE_ROWS_MAX, len(rows) * 8, PAGE_BYTES // average))
