"""The times of a schedule in a range. That they are Temporal's is tested on a real server."""

from datetime import UTC, datetime, timedelta

import pytest
from flyteidl.admin import schedule_pb2

from flytetemporal.admin.base.temporal_schedules import Schedule
from flytetemporal.admin.schedules import grammar, occurrences
from flytetemporal.contracts.v1 import control_pb2

START = datetime(2026, 1, 1, tzinfo=UTC)


def of(expression: schedule_pb2.Schedule, anchor: timedelta = timedelta(), zone: str = "UTC") -> Schedule:
    timing = grammar.parse(expression)
    assert timing is not None
    return Schedule(
        argument=control_pb2.LaunchSchedule(),
        crons=timing.crons,
        every=timing.every,
        anchor=anchor,
        time_zone=timing.time_zone or zone,
        catch_up=timedelta(days=1),
        jitter=timedelta(),
    )


def between(schedule: Schedule, **length: float) -> list[str]:
    found = occurrences.between(schedule, START, START + timedelta(**length))
    return [f"{moment:%m-%dT%H:%M}" for moment in found]


def cron(expression: str) -> schedule_pb2.Schedule:
    return schedule_pb2.Schedule(cron_schedule=schedule_pb2.CronSchedule(schedule=expression))


def test_the_start_is_part_of_the_range_and_the_end_is_not() -> None:
    assert between(of(cron("0 */12 * * *")), days=1) == ["01-01T00:00", "01-01T12:00"]


def test_a_time_zone_moves_the_times() -> None:
    assert between(of(cron("0 6 * * *"), zone="Asia/Tokyo"), days=2) == ["01-01T21:00", "01-02T21:00"]


def test_a_time_that_matches_day_and_weekday_is_there_once() -> None:
    """The second of January 2026 is a Friday."""
    assert between(of(cron("0 0 2,3 * 5")), days=10) == ["01-02T00:00", "01-03T00:00", "01-09T00:00"]


def test_a_year_ends_an_expression_of_aws() -> None:
    schedule = of(schedule_pb2.Schedule(cron_expression="0 0 30,31 12 ? 2026"))

    assert between(schedule, days=1000) == ["12-30T00:00", "12-31T00:00"]


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [
        (timedelta(), ["01-01T00:00", "01-01T08:00", "01-01T16:00"]),
        (timedelta(hours=3, minutes=5), ["01-01T03:05", "01-01T11:05", "01-01T19:05"]),
    ],
)
def test_intervals_are_counted_from_their_anchor(anchor: timedelta, expected: list[str]) -> None:
    rate = schedule_pb2.Schedule(rate={"value": 8, "unit": schedule_pb2.HOUR})

    assert between(of(rate, anchor), days=1) == expected


def test_a_leap_day_is_found_after_years_without_one() -> None:
    schedule = of(cron("0 0 29 2 *"))
    start, end = datetime(2097, 1, 1, tzinfo=UTC), datetime(2105, 1, 1, tzinfo=UTC)

    assert list(occurrences.between(schedule, start, end)) == [datetime(2104, 2, 29, tzinfo=UTC)]
