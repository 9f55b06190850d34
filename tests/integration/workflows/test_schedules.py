"""Schedules on a real Temporal server: when they fire, and what each of their times starts."""

import asyncio
import math
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from flyteidl.admin import schedule_pb2
from flyteidl.core import identifier_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio import activity
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from flytetemporal.admin.base.temporal_schedules import Schedule, TemporalSchedules
from flytetemporal.admin.schedules import grammar, occurrences
from flytetemporal.cli.wiring.deadlock_timeout import set_deadlock_timeout
from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import control_pb2
from flytetemporal.idl import times
from flytetemporal.workflows.control.scheduled_launch import ScheduledLaunchWorkflow
from tests.fixtures.waiting import HANG_SECONDS
from tests.integration.workflows.conftest import record

YEAR = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


def cron(expression: str, offset: str = "") -> schedule_pb2.Schedule:
    return schedule_pb2.Schedule(cron_schedule=schedule_pb2.CronSchedule(schedule=expression, offset=offset))


def schedule(
    registered: schedule_pb2.Schedule | str,
    zone: str = "UTC",
    delay: timedelta = timedelta(),
    anchor: timedelta = timedelta(),
) -> Schedule:
    timing = grammar.parse(cron(registered) if isinstance(registered, str) else registered)
    assert timing is not None
    plan = identifier_pb2.Identifier(
        resource_type="LAUNCH_PLAN", project="p", domain="d", name=uuid.uuid4().hex, version="v"
    )
    waits = Duration()
    waits.FromTimedelta(delay or timing.delay)
    return Schedule(
        argument=control_pb2.LaunchSchedule(launch_plan=plan, delay=waits),
        crons=timing.crons,
        every=timing.every,
        anchor=anchor,
        time_zone=timing.time_zone or zone,
        catch_up=timedelta(days=1),
        jitter=timedelta(),
    )


@pytest.fixture
async def schedules(temporal: Client) -> AsyncIterator[TemporalSchedules]:
    made = TemporalSchedules(temporal)
    yield made
    async for identifier, _ in made.digests():
        await made.delete(identifier)


async def matching(client: Client, identifier: str) -> list[datetime]:
    """Return the times of a year at which a schedule fires, read day by day: an answer is bounded."""
    found: list[datetime] = []
    start, end = YEAR
    while start < end:
        first, last = Timestamp(), Timestamp()
        # The first time of the request is excluded, the last one is not.
        first.FromDatetime(start - timedelta(seconds=1))
        last.FromDatetime(min(start + timedelta(days=10), end) - timedelta(seconds=1))
        request = ListScheduleMatchingTimesRequest(
            namespace=client.namespace, schedule_id=identifier, start_time=first, end_time=last
        )
        answer = await client.workflow_service.list_schedule_matching_times(request)
        found += [times.moment(moment) for moment in answer.start_time]
        start += timedelta(days=10)
    return found


@pytest.mark.parametrize(
    ("expression", "oracle"),
    [
        ("@yearly", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
        ("30 6 * * MON-FRI", "30 6 * * 1-5"),
        ("0 0 ? * 7", "0 0 * * 0"),
        ("15 10/5 * feb,SEP *", "15 10,15,20 * 2,9 *"),
        ("0 12 13 * 5", "0 12 13 * 5"),
        ("0 0 29 2 *", "0 0 29 2 *"),
        ("0 0 31 * *", "0 0 31 * *"),
        ("*/20 8-10 1-7/3 */4 *", "*/20 8-10 1,4,7 1,5,9 *"),
        ("@annually", "0 0 1 1 *"),
        ("@midnight", "0 0 * * *"),
        ("monthly", "0 0 1 * *"),
        ("weeks", "0 0 * * 0"),
        ("1-59/29 3,21 * JAN-mar sun", "1,30,59 3,21 * 1-3 0"),
    ],
)
async def test_a_year_of_times_is_that_of_flytes_grammar(
    temporal: Client, schedules: TemporalSchedules, expression: str, oracle: str
) -> None:
    made = schedule(expression)
    await schedules.put(made)

    assert await matching(temporal, made.id) == year_of(oracle, "UTC")


@pytest.mark.parametrize(
    ("expression", "zone", "oracle", "in_zone"),
    [
        ("CRON_TZ=America/New_York 30 6 * * 1-5", "UTC", "30 6 * * 1-5", "America/New_York"),
        # The zone of the expression wins over that of the annotation.
        ("TZ=Asia/Kathmandu @daily", "Europe/Berlin", "0 0 * * *", "Asia/Kathmandu"),
        ("TZ=Europe/Berlin 0 12 13 * 5", "UTC", "0 12 13 * 5", "Europe/Berlin"),
        ("45 23 * * *", "Australia/Lord_Howe", "45 23 * * *", "Australia/Lord_Howe"),
        ("@monthly", "Pacific/Kiritimati", "0 0 1 * *", "Pacific/Kiritimati"),
        ("15 9 * * 0", "Africa/Casablanca", "15 9 * * 0", "Africa/Casablanca"),
        ("*/30 4-20 * * *", "America/Santiago", "*/30 4-20 * * *", "America/Santiago"),
    ],
)
async def test_a_year_of_times_in_a_zone_is_that_of_flytes_grammar(
    temporal: Client, schedules: TemporalSchedules, expression: str, zone: str, oracle: str, in_zone: str
) -> None:
    made = schedule(expression, zone)
    await schedules.put(made)

    assert await matching(temporal, made.id) == year_of(oracle, in_zone)


@pytest.mark.parametrize(
    ("expression", "oracle"),
    [
        ("cron(0 12 * * ? *)", "0 12 * * *"),
        ("0 18 ? * MON-FRI 2026", "0 18 * * 1-5"),
        ("15 6 ? * 1 2025-2027", "15 6 * * 0"),
        ("0/10 8 1 * ? *", "0-59/10 8 1 * *"),
        ("0 12 * * ? 2027", None),
    ],
)
async def test_a_year_of_times_of_six_fields_is_that_of_aws(
    temporal: Client, schedules: TemporalSchedules, expression: str, oracle: str | None
) -> None:
    made = schedule(schedule_pb2.Schedule(cron_expression=expression))
    await schedules.put(made)

    assert await matching(temporal, made.id) == (year_of(oracle, "UTC") if oracle else [])


@pytest.mark.parametrize(
    ("registered", "every"),
    [
        (schedule_pb2.Schedule(rate=schedule_pb2.FixedRate(value=45, unit=schedule_pb2.MINUTE)), timedelta(minutes=45)),
        (schedule_pb2.Schedule(rate=schedule_pb2.FixedRate(value=7, unit=schedule_pb2.HOUR)), timedelta(hours=7)),
        (schedule_pb2.Schedule(rate=schedule_pb2.FixedRate(value=3, unit=schedule_pb2.DAY)), timedelta(days=3)),
        (cron("@every 5h30m"), timedelta(hours=5, minutes=30)),
    ],
    ids=["minutes", "hours", "days", "@every"],
)
async def test_a_year_of_times_of_a_rate_is_counted_from_the_activation(
    temporal: Client, schedules: TemporalSchedules, registered: schedule_pb2.Schedule, every: timedelta
) -> None:
    activated = datetime(2025, 11, 3, 10, 17, 23, tzinfo=UTC)
    made = schedule(registered, anchor=(activated - datetime(1970, 1, 1, tzinfo=UTC)) % every)
    await schedules.put(made)

    first = activated + (YEAR[0] - activated) // every * every + every
    expected = [first + every * number for number in range(math.ceil((YEAR[1] - first) / every))]
    assert await matching(temporal, made.id) == expected


@pytest.mark.parametrize(("offset", "delay"), [("PT1H", timedelta(hours=1)), ("P2D", timedelta(days=2))])
async def test_an_offset_changes_the_launch_of_a_year_of_times_and_not_the_times(
    temporal: Client, schedules: TemporalSchedules, offset: str, delay: timedelta
) -> None:
    made = schedule(cron("0 6 * * MON", offset))
    await schedules.put(made)

    assert await matching(temporal, made.id) == year_of("0 6 * * 1", "UTC")
    assert made.argument.delay.ToTimedelta() == delay


def year_of(expression: str, zone: str) -> list[datetime]:
    """Return the times of a year as croniter computes them."""
    start = (YEAR[0] - timedelta(seconds=1)).astimezone(ZoneInfo(zone))
    expected = []
    for moment in croniter(expression, start, ret_type=datetime, max_years_between_matches=9):
        if moment >= YEAR[1]:
            break
        expected.append(moment.astimezone(UTC))
    return expected


async def test_a_time_that_does_not_exist_is_skipped_and_one_that_exists_twice_fires_once(
    temporal: Client, schedules: TemporalSchedules
) -> None:
    zone = ZoneInfo("Europe/Berlin")
    made = schedule("TZ=Europe/Berlin 30 2 * * *")
    await schedules.put(made)

    fired = [moment.astimezone(zone) for moment in await matching(temporal, made.id)]

    assert {(moment.hour, moment.minute) for moment in fired} == {(2, 30)}
    days = [moment.date() for moment in fired]
    assert datetime(2026, 3, 29, tzinfo=zone).date() not in days
    assert days.count(datetime(2026, 10, 25, tzinfo=zone).date()) == 1
    assert len(days) == 364


@pytest.mark.parametrize(
    ("expression", "zone"),
    [
        ("30 2 * * *", "Europe/Berlin"),
        ("15 * * * *", "Europe/Berlin"),
        ("*/20 1,2 * * *", "America/New_York"),
        ("*/20 * * * *", "Europe/Berlin"),
        ("30 1 * * *", "America/New_York"),
        ("15,45 * * * *", "Australia/Lord_Howe"),
        ("0 0 * * *", "Africa/Cairo"),
        ("0 12 13 * 5", "Asia/Kathmandu"),
        ("0 12 */10 feb-apr *", "UTC"),
        ("@every 5h", "UTC"),
    ],
)
async def test_times_that_have_passed_are_computed_as_temporal_fires(
    temporal: Client, schedules: TemporalSchedules, expression: str, zone: str
) -> None:
    made = schedule(expression, zone)
    await schedules.put(made)

    assert list(occurrences.between(made, *YEAR)) == await matching(temporal, made.id)


async def test_a_schedule_is_made_once_and_replaced_when_it_differs(
    temporal: Client, schedules: TemporalSchedules
) -> None:
    made = schedule("@daily")
    assert await schedules.put(made)
    assert not await schedules.put(made)

    first, second, *_ = await schedules.next_times(made.id) or []
    assert (first.hour, second - first) == (0, timedelta(days=1))

    other = schedule("@hourly")
    other.argument.launch_plan.name = made.argument.launch_plan.name
    assert await schedules.put(other)
    assert not await schedules.put(other)

    async with asyncio.timeout(HANG_SECONDS):
        while [one async for one in schedules.digests()] != [(other.id, other.digest)]:  # noqa: ASYNC110  a poll
            await asyncio.sleep(0.05)  # Temporal's list is late.
    assert await schedules.delete(other.id)
    assert not await schedules.delete(other.id)
    assert await schedules.next_times(other.id) is None


async def test_each_time_starts_a_workflow_that_knows_its_time(
    temporal: Client,
    schedules: TemporalSchedules,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    launched: list[control_pb2.ScheduledLaunch] = []

    @activity.defn
    async def launch_scheduled(launch: control_pb2.ScheduledLaunch) -> control_pb2.ScheduledLaunchResult:
        launched.append(launch)
        return control_pb2.ScheduledLaunchResult(skipped="only noted")

    queue = uuid.uuid4().hex
    monkeypatch.setattr(workflows, "CONTROL_QUEUE", queue)
    made = schedule("@every 2s", delay=timedelta(seconds=1))
    worker = Worker(
        temporal,
        task_queue=queue,
        workflows=[ScheduledLaunchWorkflow],
        activities=[launch_scheduled],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    async with set_deadlock_timeout(worker):
        await schedules.put(made)
        async with asyncio.timeout(HANG_SECONDS):
            while len(launched) < 2:  # noqa: ASYNC110  the activity only appends
                await asyncio.sleep(0.05)
        if request.config.getoption("--record-histories"):
            started = await temporal.list_workflows(f"WorkflowId STARTS_WITH '{made.id}'").__anext__()
            record(request, "0", await temporal.get_workflow_handle(started.id).fetch_history())

    first, second = sorted(launch.scheduled_at.seconds for launch in launched[:2])
    assert (first % 2, second - first) == (0, 2)
    assert launched[0].launch_plan == made.argument.launch_plan
