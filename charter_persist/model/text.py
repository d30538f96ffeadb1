"""Grammar of the names, identifiers and positions that callers give; the same on every backend.

Every text that becomes a column is checked here: it is UTF-8, holds no control character (Postgres cannot store NUL),
and keeps its limit in bytes. Source: REQUIREMENTS 9, RELIABILITY 1.6 and P47.
"""

from __future__ import annotations

import re
from typing import Final

from charter_persist.errors import InvalidInputError, InvalidKeyError, LimitExceededError

IDENTIFIER_BYTES_MAX: Final = 512
PREFIX_BYTES_MAX: Final = 1_024
POSITION_MAX: Final = 2**63 - 1

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_EVENT_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}")
_LAST_BEFORE_SURROGATES: Final = 0xD7FF
_FIRST_AFTER_SURROGATES: Final = 0xE000


def check_text(
    value: object, *, field: str, limit: str = "identifier_bytes_max", maximum: int = IDENTIFIER_BYTES_MAX
) -> str:
    """Return a text that can be a name: not empty, UTF-8, no control characters, at most ``maximum`` bytes.

    Raises:
        InvalidKeyError: it is not such a text; the message names ``field``.
        LimitExceededError: it is too long.
    """
    if type(value) is not str or not value:
        raise InvalidKeyError(f"{field} must be a text that is not empty, got {value!r}")
    found = _CONTROL.search(value)
    if found:
        raise InvalidKeyError(f"{field} must hold no control character; there is one at index {found.start()}")
    try:
        size = len(value.encode())
    except UnicodeEncodeError as exc:
        raise InvalidKeyError(f"{field} holds a lone surrogate at index {exc.start}") from exc
    if size > maximum:
        raise LimitExceededError(
            f"{field} is {size} bytes long, {limit} is {maximum}", limit=limit, maximum=maximum, actual=size
        )
    return value


def check_prefix(value: object, *, field: str = "prefix") -> str:
    """Return a text that names may begin with; the empty one begins all of them.

    Raises:
        InvalidKeyError: no name can begin so.
        LimitExceededError: it is longer than any name.
    """
    return "" if type(value) is str and not value else check_text(value, field=field, maximum=PREFIX_BYTES_MAX)


def check_position(value: object, *, field: str) -> int:
    """Return a journal position, a version or a revision, bounded by the largest one that a backend can hold.

    There is nothing at or behind that bound, so a larger number means the same.

    Raises:
        InvalidInputError: it is not an integer of 0 or more; the message names ``field``.
    """
    if type(value) is not int or value < 0:
        raise InvalidInputError(f"{field} must be an integer, 0 or more; got {value!r}")
    return min(value, POSITION_MAX)


def check_ref_name(name: object, *, maximum: int) -> str:
    """Return a ref name: segments divided by ``/``, none of them empty, at most ``maximum`` bytes.

    Raises:
        InvalidKeyError: it does not follow the grammar.
        LimitExceededError: it is too long.
    """
    text = check_text(name, field="ref name", limit="ref_name_bytes_max", maximum=maximum)
    if "" in text.split("/"):
        raise InvalidKeyError(f"ref name {text!r} has an empty segment; write it like area/x/authority")
    return text


def check_scope(scope: object) -> str:
    """Return an audit scope: ``GLOBAL`` or ``AREA:<id>``.

    Raises:
        InvalidInputError: it is neither.
    """
    if scope == "GLOBAL":
        return "GLOBAL"
    text = check_text(scope, field="scope")
    if not text.startswith("AREA:") or len(text) == len("AREA:"):
        raise InvalidInputError(f"scope must be GLOBAL or AREA:<area id>, got {text!r}")
    return text


def check_event_type(event_type: object) -> str:
    """Return the type of an audit event: a letter, then letters, digits, ``_``, ``.``, ``-``; at most 128.

    Raises:
        InvalidInputError: it does not follow the grammar.
    """
    if type(event_type) is not str or _EVENT_TYPE.fullmatch(event_type) is None:
        raise InvalidInputError(f"event type must be a word such as AREA_CREATED, got {event_type!r}")
    return event_type


def prefix_end(prefix: str) -> str | None:
    """The first text behind all that begin with ``prefix``, in UTF-8 byte order; None where there is no such text."""
    for end in range(len(prefix), 0, -1):
        last = ord(prefix[end - 1])
        if last < 0x10FFFF:
            following = _FIRST_AFTER_SURROGATES if last == _LAST_BEFORE_SURROGATES else last + 1
            return prefix[: end - 1] + chr(following)
    return None
