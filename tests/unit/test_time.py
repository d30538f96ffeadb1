"""Times: exact microseconds, and one spelling in JSON."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charter_persist.errors import InvalidInputError
from charter_persist.model.time import format_micros, format_time, from_micros, parse_time, to_micros

FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)
moments = st.datetimes(timezones=st.just(UTC))
micros = st.integers(to_micros(FIRST), to_micros(LAST))

SPELLINGS = [
    (0, "1970-01-01T00:00:00Z"),
    (1, "1970-01-01T00:00:00.000001Z"),
    (-1, "1969-12-31T23:59:59.999999Z"),
    (-1_000_000, "1969-12-31T23:59:59Z"),
    (100_000, "1970-01-01T00:00:00.100000Z"),
    (1_795_250_760_000_000, "2026-11-21T08:46:00Z"),
    (1_795_250_760_123_456, "2026-11-21T08:46:00.123456Z"),
    (951_782_400_000_000, "2000-02-29T00:00:00Z"),
    (-62_135_596_800_000_000, "0001-01-01T00:00:00Z"),
    (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
]


@pytest.mark.parametrize(("value", "text"), SPELLINGS)
def test_a_time_has_one_spelling(value: int, text: str) -> None:
    assert format_micros(value) == text
    assert format_time(from_micros(value)) == text
    assert to_micros(parse_time(text)) == value


@given(moment=moments)
@example(moment=FIRST)
@example(moment=LAST)
def test_no_microsecond_is_lost(moment: datetime) -> None:
    assert from_micros(to_micros(moment)) == moment
    assert from_micros(to_micros(moment)).tzinfo is UTC
    assert parse_time(format_time(moment)) == moment


@given(first=micros, second=micros)
def test_texts_of_times_sort_as_the_seconds_they_stand_for(first: int, second: int) -> None:
    order = sorted((first // 1_000_000 * 1_000_000, second // 1_000_000 * 1_000_000))
    assert [format_micros(value) for value in order] == sorted(format_micros(value) for value in order)


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        (timezone(timedelta(hours=5, minutes=30)), "2026-11-21T03:16:00Z"),
        (timezone(-timedelta(microseconds=1)), "2026-11-21T08:46:00.000001Z"),
        (ZoneInfo("Europe/Berlin"), "2026-11-21T07:46:00Z"),
    ],
)
def test_another_zone_is_converted(zone: tzinfo, text: str) -> None:
    assert format_time(datetime(2026, 11, 21, 8, 46, tzinfo=zone)) == text


def test_the_repeated_hour_of_autumn_is_two_times() -> None:
    early = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert to_micros(early.replace(fold=1)) - to_micros(early) == 3_600_000_000


class NowhereZone(tzinfo):
    def utcoffset(self, moment: datetime | None) -> None:
        return None


NOT_TIMES: list[Any] = [
    datetime(2026, 11, 21),
    datetime(2026, 11, 21, tzinfo=NowhereZone()),
    date(2026, 11, 21),
    "2026-11-21T08:46:00Z",
    1_795_250_760,
    None,
]


@pytest.mark.parametrize("moment", NOT_TIMES, ids=range(len(NOT_TIMES)))
def test_what_is_no_aware_datetime_is_refused(moment: Any) -> None:
    for refuse in (to_micros, format_time):
        with pytest.raises(InvalidInputError, match="aware datetime"):
            refuse(moment)


@pytest.mark.parametrize(
    "moment",
    [
        datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
        datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))),
    ],
)
def test_a_time_that_leaves_the_calendar_in_utc_is_refused(moment: datetime) -> None:
    for refuse in (to_micros, format_time):
        with pytest.raises(InvalidInputError, match="years 1 to 9999"):
            refuse(moment)


@pytest.mark.parametrize("value", [to_micros(FIRST) - 1, to_micros(LAST) + 1, 10**30, -(10**30)])
def test_microseconds_outside_the_calendar_are_refused(value: int) -> None:
    for refuse in (from_micros, format_micros):
        with pytest.raises(InvalidInputError, match="years 1 to 9999"):
            refuse(value)


@pytest.mark.parametrize("value", [1.5, True, "1", None])
def test_microseconds_are_exactly_an_int(value: Any) -> None:
    for refuse in (from_micros, format_micros):
        with pytest.raises(InvalidInputError, match="microseconds must be an int"):
            refuse(value)


OTHER_SPELLINGS: list[Any] = [
    "2026-11-21T08:46:00",
    "2026-11-21T08:46:00+00:00",
    "2026-11-21T08:46:00-00:00",
    "2026-11-21T09:46:00+01:00",
    "2026-11-21T08:46:00z",
    "2026-11-21t08:46:00Z",
    "2026-11-21 08:46:00Z",
    "2026-11-21T08:46:00.000000Z",
    "2026-11-21T08:46:00.1Z",
    "2026-11-21T08:46:00.123Z",
    "2026-11-21T08:46:00.1234567Z",
    "2026-11-21T08:46:00,123456Z",
    "2026-11-21T08:46Z",
    "2026-11-21T08Z",
    "2026-11-21",
    "20261121T084600Z",
    "2026-W47-6T08:46:00Z",
    "2026-11-21T24:00:00Z",
    "2026-11-20T24:00:00Z",
    "2026-11-21T08:46:60Z",
    "2026-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+05:00",
    " 2026-11-21T08:46:00Z",
    "2026-11-21T08:46:00Z\n",
    "2026-11-21T08:46:00Z\x00",
    "\u0662026-11-21T08:46:00Z",
    "2026-11-21T08:46:0\uff10Z",
    "2026-11-21\ud80008:46:00Z",
    "",
    "now",
    "x" * 100_000,
    None,
    1_795_250_760,
    b"2026-11-21T08:46:00Z",
]


@pytest.mark.parametrize("text", OTHER_SPELLINGS, ids=range(len(OTHER_SPELLINGS)))
def test_any_other_spelling_is_refused(text: Any) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_time(text)
    assert len(caught.value.message) < 400


@given(
    text=st.text()
    | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z", fullmatch=True)
)
def test_any_text_is_refused_or_comes_back_the_same(text: str) -> None:
    try:
        moment = parse_time(text)
    except InvalidInputError:
        return
    assert format_time(moment) == text
