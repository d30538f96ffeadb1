"""The back door: rows read and written behind the package's back.

So `put` is never judged by `get` alone, and damage can be planted. A back door shares nothing with the backend under
test but the place where rows are kept.

Imports ``backends.contract`` only.
"""

from __future__ import annotations

from typing import Any, Protocol

from charter_persist.backends.contract import Key, Relation, Row


class BackDoor(Protocol):
    """Raw access to the committed rows of one store, past every rule and guard.

    It is used while no unit of work is open. A wrong implementation asks the backend itself: then a backend that keeps
    rows in memory and writes nothing passes every test.
    """

    def raw_get(self, relation: Relation[Row], key: Key) -> Row | None:
        """The stored row of that key, or None."""
        ...

    def raw_rows(self, relation: Relation[Row]) -> list[Row]:
        """Every stored row, in any order."""
        ...

    def raw_put(self, relation: Relation[Any], row: tuple[Any, ...]) -> None:
        """Store a row in place of the one with its key, whatever the rules say."""
        ...

    def raw_delete(self, relation: Relation[Any], key: Key) -> None:
        """Remove the row of that key, whatever the rules say."""
        ...
