"""Units of work as clients make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from charter_persist import Store, UnitOfWork
from charter_persist.errors import SerializationFailureError

T = TypeVar("T")


def in_unit(store: Store, fn: Callable[[UnitOfWork], T], *, shared: bool = False) -> T:
    """Run a function as one unit, again while the backend says that another one came between.

    Args:
        store: where.
        fn: what the unit does.
        shared: through `Store.run`, where units that queue share a commit, in place of `Store.begin`.
    """
    if shared:
        return store.run(fn).value
    while True:
        try:
            with store.begin() as uow:
                value = fn(uow)
        except SerializationFailureError:
            continue
        return value
