"""A relation: a table, or some columns of one, as everyone above the backends sees it. Imports nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Row = TypeVar("Row", bound=tuple[Any, ...])

Key = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Relation(Generic[Row]):
    """A table, or some columns of one, as everyone above the backends sees it.

    Attributes:
        name: its name, the same in every backend.
        row: the named tuple of its columns; bytes, str, int and None only.
        key: the columns that identify a row.
        orders: the column sequences that it can be scanned in; each identifies a row by itself.
        mutable: True where a row may be replaced; False where rows are only ever added.
        payload: the column that may be large, if there is one; it bounds the size of a page.
        erasable: True where a row may be replaced by itself without its payload and its nonce, and by nothing else. A
            row whose payload is None is such an erasure wherever it is written: of the row with its key, which keeps
            every other column, or, where there is none, as a row that was erased elsewhere before it came here.
        columns: the names of the row.
        make: makes a row of its values in order.
        places: for the key and each order where its columns stand in a row.
    """

    name: str
    row: type[Row]
    key: tuple[str, ...]
    orders: tuple[tuple[str, ...], ...] = ()
    mutable: bool = False
    payload: str | None = None
    erasable: bool = False
    columns: tuple[str, ...] = field(init=False)
    make: Callable[[Iterable[Any]], Row] = field(init=False)
    places: Mapping[tuple[str, ...], tuple[int, ...]] = field(init=False)

    def __post_init__(self) -> None:
        kind: Any = self.row
        columns = kind._fields
        sequences = (self.key, *self.orders)
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "make", kind._make)
        object.__setattr__(self, "places", {s: tuple(columns.index(name) for name in s) for s in sequences})

    def key_of(self, row: Row) -> Key:
        """The key of a row."""
        return tuple([row[i] for i in self.places[self.key]])

    def is_erasure(self, row: Row) -> bool:
        """Whether writing that row takes the payload from the one with its key."""
        return self.erasable and getattr(row, str(self.payload)) is None

    def erased(self, row: Row) -> Row:
        """A row without its payload, and without what its commitment could be guessed with."""
        emptied: Any = row
        without: Row = emptied._replace(**{str(self.payload): None, "nonce": b""})
        return without
