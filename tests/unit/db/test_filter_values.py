"""Texts become values of their column's type, or are refused."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import BigInteger, DateTime, Integer, String

from flytetemporal import errors
from flytetemporal.db import filter_values

MOMENT = DateTime(timezone=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", timedelta(seconds=90)),
        ("1.5", timedelta(seconds=1.5)),
        ("-2", timedelta(seconds=-2)),
        ("90s", timedelta(seconds=90)),
        ("1h2m", timedelta(hours=1, minutes=2)),
        ("1h2m3.5s", timedelta(hours=1, minutes=2, seconds=3.5)),
        ("-1m", timedelta(minutes=-1)),
        ("250ms", timedelta(milliseconds=250)),
        ("7us", timedelta(microseconds=7)),
        ("7µs", timedelta(microseconds=7)),
        ("2000ns", timedelta(microseconds=2)),
        (".5s", timedelta(milliseconds=500)),
    ],
)
def test_durations_are_seconds_or_have_units(text: str, expected: timedelta) -> None:
    assert filter_values.duration(text) == expected


@pytest.mark.parametrize("text", ["", "s", "1d", "1 s", "1h 2m", "nan", "inf", "1e3", "9" * 20, "9" * 100, "٣s"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(errors.InvalidRequest) as failure:
        filter_values.duration(text)

    assert failure.value.message == f"Failed to parse duration [{text}]"


@given(st.text(max_size=30))
def test_no_text_breaks_a_parser(text: str) -> None:
    for column_type in (MOMENT, Integer(), BigInteger()):
        try:
            filter_values.parse(column_type, "x", text)
        except errors.InvalidRequest:
            continue


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-06T07:08:09Z", datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)),
        ("2024-05-06T07:08:09.25Z", datetime(2024, 5, 6, 7, 8, 9, 250_000, tzinfo=UTC)),
        ("2024-05-06T09:08:09+02:00", datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)),
        ("2024-05-06 07:08:09", datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)),
        ("2024-05-06", datetime(2024, 5, 6, tzinfo=UTC)),
    ],
)
def test_times_without_a_zone_are_utc(text: str, expected: datetime) -> None:
    assert filter_values.parse(MOMENT, "created_at", text) == expected


@pytest.mark.parametrize("text", ["", "now", "infinity", "2024-13-01", "0001-01-01T00:00:00+01:00", "1e9"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(errors.InvalidRequest, match="is not an RFC 3339 time"):
        filter_values.parse(MOMENT, "created_at", text)


def test_integers_must_fit_their_column() -> None:
    assert filter_values.parse(Integer(), "state", "-1") == -1
    assert filter_values.parse(BigInteger(), "id", str(2**63 - 1)) == 2**63 - 1
    with pytest.raises(errors.InvalidRequest, match="is not a 32-bit integer"):
        filter_values.parse(Integer(), "state", str(2**31))
    with pytest.raises(errors.InvalidRequest, match="is not a 64-bit integer"):
        filter_values.parse(BigInteger(), "id", str(2**63))


def test_texts_stay() -> None:
    assert filter_values.parse(String(255), "name", "é") == "é"
