"""One page of a listing by name; the cursor is the last name of the page.

Imports ``model`` and what stands beside it. Source: KV-4, DESIGN 3 (one page and a cursor).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import TypeVar

from charter_persist.model.records import Page
from charter_persist.repositories.base import ReadContext, page_size
from charter_persist.repositories.cursors import decode_name, encode_name

R = TypeVar("R")
T = TypeVar("T")


def page_by_name(
    context: ReadContext,
    limit: int,
    cursor: str | None,
    rows_behind: Callable[[str | None, int], Iterable[R]],
    *,
    name: Callable[[R], str],
    item: Callable[[R], T],
) -> Page[T]:
    """Return one page.

    Args:
        context: of the view or unit.
        limit: 1 to ``page_items_max``.
        cursor: of the page before; None for the first page.
        rows_behind: gives at least so many rows behind a name, by name, if there are so many.
        name: of a row.
        item: what a row is for callers.

    Raises:
        LimitExceededError: the page is too large.
        InvalidInputError: limit or cursor are not valid.
    """
    size = page_size(limit, context.options)
    rows = list(islice(rows_behind(decode_name(cursor), size + 1), size + 1))
    more = encode_name(name(rows[size - 1])) if len(rows) > size else None
    return Page(tuple(map(item, rows[:size])), more, context.revision())


def behind(name: str | None) -> tuple[str] | None:
    """A name as the bound of a scan."""
    return None if name is None else (name,)
