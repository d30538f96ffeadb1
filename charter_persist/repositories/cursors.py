"""Cursors of listings: opaque texts outside, a position or a name inside."""

from __future__ import annotations

import base64

from charter_persist.errors import InvalidInputError
from charter_persist.model.text import PREFIX_BYTES_MAX, check_text


def encode_name(name: str) -> str:
    """A cursor behind a name."""
    return base64.urlsafe_b64encode(name.encode()).decode()


def decode_name(cursor: str | None) -> str | None:
    """The name of a cursor.

    Raises:
        InvalidInputError: it is not a cursor of ours.
    """
    if cursor is None:
        return None
    try:
        name = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
        return check_text(name, field="cursor", maximum=PREFIX_BYTES_MAX)
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
    if not (name.isascii() and name.isdigit() and len(name) < 19):
        raise InvalidInputError(f"{cursor!r} is not a cursor of this listing; use the one of the page before")
    return int(name)
