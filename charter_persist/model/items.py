"""What callers give to be taken one after another. Imports ``errors``. Source: RELIABILITY 1.6."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from charter_persist.errors import InvalidInputError

T = TypeVar("T")


def check_iterable(items: Iterable[T], *, field: str) -> Iterator[T]:
    """Return what is to be taken, before any of it is; what taking it raises passes through.

    Raises:
        InvalidInputError: nothing can be taken from it; the message names ``field``.
    """
    try:
        return iter(items)
    except TypeError as exc:
        raise InvalidInputError(f"{field} must be a list or another iterable, got {type(items).__name__}") from exc
