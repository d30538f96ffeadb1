"""Names the field for which a value has no canonical JSON form.

The hot path only learns that something is wrong; this walk is slower, follows the order of the text, and says where and
why. Imports ``errors`` alone. Source: HASH-2, RELIABILITY P34.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from math import isfinite
from typing import Any, Final

from charter_persist.errors import InvalidInputError, LimitExceededError, NotCanonicalError

INTEGER_MAX: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exact; the smallest is its negative (RFC 7493)."""

_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_MESSAGE_PART_CHARACTERS_MAX: Final = 200


class Refused:
    """Stands in a parsed value for what the strict parser refuses, so that the error can name its path.

    Attributes:
        reason: why it is refused.
    """

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


def find_refusal(value: object, *, nesting_max: int) -> InvalidInputError:
    """Find the first field, in the order of the text, for which a value is refused.

    The time is bounded for any value: a container that was found good is not walked again at the same depth or a lesser
    one, so shared parts cost nothing, and a value that contains itself ends at the limit of nesting.

    Args:
        value: a value that an encoder or its walk refused.
        nesting_max: how many containers may stand inside each other.

    Returns:
        The error to raise: NotCanonicalError with ``path``, or LimitExceededError for ``nesting_max``.
    """
    error = _search(value, "$", 1, nesting_max, {})
    return error if error is not None else NotCanonicalError("$: the encoder refused the value", path="$")


def nesting_exceeded(where: str, depth: int, nesting_max: int) -> LimitExceededError:
    """Make the error for a value or a text that is nested too deep.

    Args:
        where: path or offset of the first container that stands too deep.
        depth: how deep it stands, 1 for the outermost.
        nesting_max: the limit.

    Returns:
        The error to raise.
    """
    message = f"{where}: nesting_max is at least {depth}, the maximum is {nesting_max}"
    return LimitExceededError(message, limit="nesting_max", maximum=nesting_max, actual=depth)


def quote(key: str) -> str:
    """Quote a key for a message, in ASCII and not longer than a message can bear.

    Args:
        key: any text, lone surrogates included.

    Returns:
        A JSON string.
    """
    return json.dumps(_shorten(key))


def _search(item: Any, path: str, depth: int, nesting_max: int, good: dict[int, int]) -> InvalidInputError | None:
    """Find the first refusal in one item; ``good`` holds the depth at which a container was found without any."""
    reason = _reason_against(item)
    if reason is not None:
        return NotCanonicalError(f"{_shorten(path)}: {reason}", path=path)
    if type(item) not in (dict, list) or good.get(id(item), 0) >= depth:
        return None
    if depth > nesting_max:
        return nesting_exceeded(_shorten(path), depth, nesting_max)
    for segment, part in _fields(item):
        error = _search(part, path + segment, depth + 1, nesting_max, good)
        if error is not None:
            return error
    good[id(item)] = depth
    return None


def _fields(container: dict[str, Any] | list[Any]) -> Iterator[tuple[str, Any]]:
    """Give each item of a container with its segment of the path: ``[3]``, ``.name``, or a quoted key."""
    if isinstance(container, list):
        return ((f"[{index}]", item) for index, item in enumerate(container))
    return (
        (f".{key}" if key.isascii() and key.isidentifier() else f"[{quote(key)}]", item)
        for key, item in container.items()
    )


def _reason_against(item: Any) -> str | None:
    """Say why one item, what it contains left aside, has no canonical form; None where it has."""
    kind = type(item)
    if kind is dict:
        return next(filter(None, map(_reason_against_key, item)), None)
    if kind is str:
        return "the text has a lone surrogate" if _SURROGATE.search(item) else None
    if kind is int:
        return None if -INTEGER_MAX <= item <= INTEGER_MAX else "the integer lies beyond ±(2^53−1)"
    if kind is float:
        return None if isfinite(item) else "the number is not finite"
    if kind is Refused:
        return str(item.reason)
    if item is None or kind is bool or kind is list:
        return None
    return f"{kind.__name__} is not a JSON type; exactly None, bool, int, float, str, list and dict are"


def _reason_against_key(key: Any) -> str | None:
    """Say why a key is refused; None where it is fine."""
    if type(key) is not str:
        return f"a key is of type {type(key).__name__}, keys are exactly str"
    return f"the key {quote(key)} has a lone surrogate" if _SURROGATE.search(key) else None


def _shorten(text: str) -> str:
    """Keep the two ends of a text that is too long for a message."""
    half = _MESSAGE_PART_CHARACTERS_MAX // 2
    return text if len(text) <= 2 * half else f"{text[:half]}…{text[-half:]}"
