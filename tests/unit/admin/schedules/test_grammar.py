from datetime import timedelta

import pytest
from flyteidl.admin import schedule_pb2

from flytetemporal.admin.schedules import grammar
from flytetemporal.admin.schedules.grammar import Timing
from flytetemporal.errors import InvalidRequest


def cron(expression: str, offset: str = "") -> schedule_pb2.Schedule:
    return schedule_pb2.Schedule(cron_schedule=schedule_pb2.CronSchedule(schedule=expression, offset=offset))


@pytest.mark.parametrize(
    ("expression", "crons"),
    [
        ("0 9 * * 1-5", ("0 9 * * 1-5",)),
        (" 0  9 ? * MON-FRI ", ("0 9 * * MON-FRI",)),
        ("10/15 * * * *", ("10-59/15 * * * *",)),
        ("0 8/4,20 * jan-mar,12 7", ("0 8-23/4,20 * jan-mar,12 7",)),
        ("@daily", ("0 0 * * *",)),
        ("hours", ("0 * * * *",)),
        ("@annually", ("0 0 1 1 *",)),
        ("@weekly", ("0 0 * * 0",)),
        # Either field may match, if both are restricted.
        ("0 0 13 * 5", ("0 0 13 * *", "0 0 * * 5")),
        ("0 0 */2 * 5", ("0 0 */2 * *", "0 0 * * 5")),
        ("0 0 */1 * 5", ("0 0 */1 * 5",)),
    ],
)
def test_cron_expressions_become_temporals(expression: str, crons: tuple[str, ...]) -> None:
    assert grammar.parse(cron(expression)) == Timing(crons)


@pytest.mark.parametrize("prefix", ["TZ", "CRON_TZ"])
def test_an_expression_can_name_its_time_zone(prefix: str) -> None:
    assert grammar.parse(cron(f"{prefix}=Europe/Berlin @daily")) == Timing(("0 0 * * *",), time_zone="Europe/Berlin")


def test_every_drops_what_is_less_than_a_second() -> None:
    assert grammar.parse(cron("@every 1m30.9s")) == Timing(every=timedelta(seconds=90))


def test_an_offset_delays_the_launch() -> None:
    assert grammar.parse(cron("@daily", "PT1H30M")) == Timing(("0 0 * * *",), delay=timedelta(minutes=90))


@pytest.mark.parametrize(
    ("unit", "every"),
    [
        (schedule_pb2.MINUTE, timedelta(minutes=90)),
        (schedule_pb2.HOUR, timedelta(hours=90)),
        (schedule_pb2.DAY, timedelta(days=90)),
    ],
)
def test_a_fixed_rate_is_an_interval(unit: schedule_pb2.FixedRateUnit, every: timedelta) -> None:
    assert grammar.parse(schedule_pb2.Schedule(rate={"value": 90, "unit": unit})) == Timing(every=every)


@pytest.mark.parametrize(
    ("expression", "crons"),
    [
        ("0 10 * * ? *", ("0 10 * * * *",)),
        ("cron(0 18 ? * 2-6 *)", ("0 18 * * 1-5 *",)),
        ("15 12 * * 1,7/2 2027-2030", ("15 12 * * 0,6-6/2 2027-2030",)),
        ("0 8 1 * ? 2030", ("0 8 1 * * 2030",)),
        ("0 9 * * 1-5", ("0 9 * * 1-5",)),
    ],
)
def test_the_older_expressions_are_those_of_aws(expression: str, crons: tuple[str, ...]) -> None:
    assert grammar.parse(schedule_pb2.Schedule(cron_expression=expression)) == Timing(crons)


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        (cron(""), "expected exactly 5 fields, found 0"),
        (cron("* * * *"), "found 4"),
        (cron("0 * * * * *"), "found 6"),
        (cron("* 24 * * *"), "a field that is not valid"),
        (cron("0 0 L * *"), "a field that is not valid"),
        (cron("0 0 * * 5#2"), "a field that is not valid"),
        (cron("0 0 30 2 *"), "never fires"),
        (cron("@sometimes"), "found 1"),
        (cron("@every 0.5s"), "not between 1s and 36500 days"),
        (cron("@every soon"), "is not a duration"),
        (cron("@every 9999999h"), "not between 1s and 36500 days"),
        (cron("TZ=Nowhere/City 0 0 * * *"), r"time zone \[Nowhere/City\] is unknown"),
        (cron("TZ=../../etc/passwd 0 0 * * *"), "is unknown"),
        (cron("TZ=. 0 0 * * *"), "is unknown"),
        (cron("* " * 600), "more than 1000 characters"),
        (cron("@daily", "tomorrow"), "is not an ISO 8601 duration"),
        (cron("@daily", "-PT1H"), "is negative or longer than a year"),
        (schedule_pb2.Schedule(rate={"value": 0}), "cannot fire every 0 units"),
        (schedule_pb2.Schedule(rate={"value": 5, "unit": 9}), "unit 9 is unknown"),
        (schedule_pb2.Schedule(rate={"value": 2**32 - 1, "unit": 2}), "less often than every 36500 days"),
        (schedule_pb2.Schedule(cron_expression="0 10 * * ? x"), "a year that is not valid"),
        (schedule_pb2.Schedule(cron_expression="0 10 * * 8 *"), "a field that is not valid"),
    ],
)
def test_what_cannot_fire_is_refused(schedule: schedule_pb2.Schedule, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        grammar.parse(schedule)


def test_a_launch_plan_may_have_no_expression() -> None:
    assert grammar.parse(schedule_pb2.Schedule(kickoff_time_input_arg="a")) is None
