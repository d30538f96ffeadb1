"""Cursors of listings: opaque texts outside, a position or a name inside."""

from __future__ import annotations

import base64
from typing import Final

from charter_persist.errors import InvalidInputError
from charter_persist.model.text import PREFIX_BYTES_MAX, check_text

# Of a position or a revision.
_DIGITS_MAX: Final = 18


def encode_name(name: str) -> str:
    """A cursor behind a name."""
    return base64.urlsafe_b64encode(name.encode()).decode()


def decode_name(cursor: str | None, *, maximum: int = PREFIX_BYTES_MAX) -> str | None:
    """The name of a cursor, of at most ``maximum`` bytes.

    Raises:
        InvalidInputError: it is not a cursor of ours.
    """
    if cursor is None:
        return None
    try:
        name = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
        return check_text(name, field="cursor", maximum=maximum)
    except (ValueError, AttributeError) as exc:
        raise InvalidInputError(f"{cursor!r} is not a cursor of this listing; use the one of the page before") from exc


def encode_position(position: int) -> str:
    """A cursor behind a journal position."""
    return encode_name(str(position))


def decode_position(cursor: str | None) -> int:
    """The position of a cursor; 0 for the beginning.

    Raises:
        InvalidInputError: it is not a cursor of ours.
    """
    name = decode_name(cursor)
    if name is None:
        return 0
    if not (name.isascii() and name.isdigit() and len(name) <= _DIGITS_MAX):
        raise InvalidInputError(f"{cursor!r} is not a cursor of this listing; use the one of the page before")
    return int(name)


def encode_place(revision: int, key: str) -> str:
    """A cursor behind a key, as of a revision."""
    return encode_name(f"{revision}{key}")


def decode_place(cursor: str | None) -> tuple[int, str] | None:
    """The revision and the key of a cursor; None for the beginning.

    Raises:
        InvalidInputError: it is not a cursor of ours.
    """
    name = decode_name(cursor, maximum=PREFIX_BYTES_MAX + _DIGITS_MAX)
    if name is None:
        return None
    digits, slash, rest = name.partition("/")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS_MAX and slash):
        raise InvalidInputError(f"{cursor!r} is not a cursor of this listing; use the one of the page before")
    return int(digits), slash + rest
