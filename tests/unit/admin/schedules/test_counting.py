"""The times of a schedule are counted without computing each; the number is that of all of them."""

from datetime import UTC, datetime, timedelta

import pytest
from flyteidl.admin import schedule_pb2

from flytetemporal.admin.schedules import counting, occurrences
from tests.fixtures import effort
from tests.unit.admin.schedules.test_occurrences import cron, of

MOST = 1_000_000
EXPRESSIONS = (
    "*/20 0-3 * * *", "0 12 * * *", "30 2 * * *", "0 0 29 2 *", "0 6 * * 1-5", "15,45 1-3 1,15 * *", "0 0 13 * 5",
)  # fmt: skip
ZONES = ("UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu")


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_number_of_times_is_that_of_all_of_them(expression: str, zone: str) -> None:
    schedule = of(cron(expression), zone=zone)
    start, end = datetime(2017, 9, 3, 4, 17, tzinfo=UTC), datetime(2018, 12, 2, 21, 3, tzinfo=UTC)
    times = list(occurrences.between(schedule, start, end))

    found = counting.count(schedule, start, end, MOST)

    expected = (len(times), times[0], times[-1]) if times else (0, None, None)
    assert (found.number, found.first, found.last) == expected


def test_expressions_of_aws_are_counted_with_their_year() -> None:
    for expression in ("0 0 30,31 12 ? 2017", "0 10 1-7 * ? *"):
        schedule = of(schedule_pb2.Schedule(cron_expression=expression), zone="Europe/Berlin")
        start, end = datetime(2016, 1, 1, tzinfo=UTC), datetime(2019, 1, 1, tzinfo=UTC)
        times = list(occurrences.between(schedule, start, end))

        assert counting.count(schedule, start, end, MOST).number == len(times) > 0


@pytest.mark.parametrize("hours", [1, 7, 24])
def test_intervals_are_counted_by_arithmetic(hours: int) -> None:
    rate = schedule_pb2.Schedule(rate={"value": hours, "unit": schedule_pb2.HOUR})
    schedule = of(rate, timedelta(minutes=5))
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, 0, 5, tzinfo=UTC)
    times = list(occurrences.between(schedule, start, end))

    found = counting.count(schedule, start, end, MOST)

    assert (found.number, found.first, found.last) == (len(times), times[0], times[-1])


def test_a_count_stops_above_its_limit() -> None:
    start, end = datetime(1970, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)

    found = counting.count(of(cron("* * * * *")), start, end, 10_000)

    assert (found.number, found.first, found.last, found.is_more) == (10_000, start, None, True)


def test_ten_years_of_minutes_cost_days_and_not_minutes() -> None:
    schedule = of(cron("* 0-11 * * *"), zone="Europe/Berlin")
    end = datetime(2026, 1, 1, tzinfo=UTC)

    def cost(years: int) -> int:
        return effort.calls(lambda: counting.count(schedule, end - timedelta(days=365 * years), end, 10**9))

    one, day = cost(1), effort.calls(lambda: list(occurrences.between(schedule, end - timedelta(days=1), end)))

    # Clocks change on two days of a year.
    assert one < 10 * day
    assert cost(10) < 10.5 * one
