"""Times: aware UTC datetimes in Python, whole microseconds since the epoch in storage, RFC 3339 in JSON.

All arithmetic is on integers, so no microsecond is lost between the three forms. The JSON form has one spelling for
each time: ``Z`` for the zone, no fraction when it is zero, else exactly six digits. Imports ``errors`` alone.

Source: DESIGN section 3; RFC 3339.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from charter_persist.errors import InvalidInputError

_SPELLING: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.(?!000000)[0-9]{6})?Z"
)
SECONDS_MAX: Final = 1_000_000.0
"""The longest that anything may be told to take: eleven days, which every database can count in milliseconds."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROS_PER_SECOND: Final = 1_000_000
_SECONDS_PER_DAY: Final = 86_400
_MICROS_MIN: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta.resolution
_MICROS_MAX: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta.resolution


def check_seconds(value: object, *, field: str) -> float:
    """Return how long something may take.

    Raises:
        InvalidInputError: it is not a number of seconds above 0, `SECONDS_MAX` at most; the message names ``field``.
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= SECONDS_MAX:
        raise InvalidInputError(
            f"{field} must be a number of seconds above 0, {SECONDS_MAX:.0f} at most; got {value!r}"
        )
    return float(value)


def utc_now() -> datetime:
    """The time now, aware and in UTC."""
    return datetime.now(UTC)


def to_micros(moment: datetime) -> int:
    """Turn a datetime into microseconds since the epoch, exactly.

    Args:
        moment: an aware datetime; a zone other than UTC is converted.

    Returns:
        Microseconds since 1970-01-01T00:00:00Z, negative before it.

    Raises:
        InvalidInputError: ``moment`` is naive, is not a datetime, or lies outside the years 1 to 9999 once in UTC.
    """
    if not isinstance(moment, datetime) or moment.utcoffset() is None:
        raise InvalidInputError(f"a time must be an aware datetime, got {moment!r}")
    elapsed = moment - _EPOCH
    micros = (elapsed.days * _SECONDS_PER_DAY + elapsed.seconds) * _MICROS_PER_SECOND + elapsed.microseconds
    return _check_micros(micros)


def from_micros(micros: int) -> datetime:
    """Turn microseconds since the epoch into an aware UTC datetime, exactly.

    Args:
        micros: microseconds since 1970-01-01T00:00:00Z, from year 1 to year 9999.

    Returns:
        The datetime, in UTC.

    Raises:
        InvalidInputError: ``micros`` is not exactly an ``int`` or lies outside those years.
    """
    return _EPOCH + timedelta(microseconds=_check_micros(micros))


def format_micros(micros: int) -> str:
    """Write microseconds since the epoch as RFC 3339 in UTC.

    Args:
        micros: microseconds since 1970-01-01T00:00:00Z, from year 1 to year 9999.

    Returns:
        Such as ``2026-11-21T08:46:00Z`` or ``2026-11-21T08:46:00.000001Z``.

    Raises:
        InvalidInputError: ``micros`` is not exactly an ``int`` or lies outside those years.
    """
    seconds, fraction = divmod(_check_micros(micros), _MICROS_PER_SECOND)
    return f"{_format_second(seconds)}.{fraction:06d}Z" if fraction else f"{_format_second(seconds)}Z"


def format_time(moment: datetime) -> str:
    """Write a datetime as RFC 3339 in UTC, the form that stands in JSON.

    Args:
        moment: an aware datetime; a zone other than UTC is converted.

    Returns:
        The text, see `format_micros`.

    Raises:
        InvalidInputError: ``moment`` is naive, is not a datetime, or lies outside the years 1 to 9999 once in UTC.
    """
    return format_micros(to_micros(moment))


def parse_time(text: str) -> datetime:
    """Read the one form that `format_time` writes, so that text and time map to each other one to one.

    Args:
        text: RFC 3339 with ``Z``, no fraction when it is zero, else exactly six digits.

    Returns:
        The datetime, in UTC.

    Raises:
        InvalidInputError: any other form (an offset, a lower-case letter, three digits, a fraction of zero), or
            a day or an hour that does not exist, or what is not a str.
    """
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError) as exc:
        raise InvalidInputError(f"{str(text)[:40]!r} is not an RFC 3339 time in UTC") from exc
    # fromisoformat reads many spellings, and more with each Python; one of them is ours.
    if _SPELLING.fullmatch(text) is None:
        raise InvalidInputError(
            f"{text[:40]!r} is not written YYYY-MM-DDTHH:MM:SS[.ffffff]Z, with a fraction only if not zero"
        )
    return moment


def _check_micros(micros: int) -> int:
    """Give the microseconds back where a datetime can hold them."""
    if type(micros) is not int:
        raise InvalidInputError(f"microseconds must be an int, got {type(micros).__name__}")
    if not _MICROS_MIN <= micros <= _MICROS_MAX:
        raise InvalidInputError("a time must lie in the years 1 to 9999 of UTC")
    return micros


@lru_cache(maxsize=1024)
def _format_second(seconds: int) -> str:
    """Write whole seconds since the epoch without the zone; a hot path asks for the same second again and again."""
    return from_micros(seconds * _MICROS_PER_SECOND).isoformat()[:19]
