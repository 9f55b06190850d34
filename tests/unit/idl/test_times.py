from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf import duration_pb2
from hypothesis import given
from hypothesis import strategies as st

from flytetemporal.idl import times


@given(st.timedeltas())
def test_what_is_written_in_gos_form_reads_back(delta: timedelta) -> None:
    assert times.from_go_text(times.go_text(delta)) == delta


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2h30m", 9000),
        ("90s", 90),
        ("0", 0),
        ("-0", 0),
        ("+5s", 5),
        ("-1m", -60),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("1.s", 1),
        ("1h1h", 7200),
        ("3us", 3e-6),
        ("3\u00b5s", 3e-6),
        ("3\u03bcs", 3e-6),
        ("1500ns", 2e-6),
    ],
)
def test_gos_forms_are_read(text: str, seconds: float) -> None:
    assert times.from_go_text(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "-", "h", ".s", "1d", "1 s", " 1s", "1s ", "1s2", "--1s", "\u0661s", "1e3s", "9" * 30 + "h"]
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration such as|is too long"):
        times.from_go_text(text)


@pytest.mark.parametrize(
    ("seconds", "limit"),
    [(0, 0), (5, 5), (315_576_000_000, 315_576_000_000), (315_576_000_001, 0), (2**62, 0), (-(2**62), 0)],
)
def test_a_timeout_of_more_than_10000_years_is_none(seconds: int, limit: int) -> None:
    assert times.limit(duration_pb2.Duration(seconds=seconds)) == timedelta(seconds=limit)


def test_no_moment_is_later_than_the_year_9999() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)

    assert times.later(start, timedelta(days=1)) == datetime(2026, 1, 2, tzinfo=UTC)
    assert times.later(start, timedelta.max) == datetime.max.replace(tzinfo=UTC)
