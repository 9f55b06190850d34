"""The schedule of a launch plan follows its active version, and each of its times launches one execution."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flyteidl.admin import execution_pb2, launch_plan_pb2, project_pb2, schedule_pb2
from flyteidl.core import types_pb2
from google.protobuf import timestamp_pb2
from temporalio.testing import ActivityEnvironment

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import LaunchPlanRow
from flytetemporal.admin.base.temporal_schedules import schedule_id
from flytetemporal.admin.executions import workflow_executions
from flytetemporal.admin.executions.scheduled_launching import ScheduledLaunchActivities
from flytetemporal.admin.registry import launch_plans, tasks, workflows
from flytetemporal.admin.schedules import differences, reconciliation
from flytetemporal.admin.settings import projects
from flytetemporal.contracts.v1 import control_pb2, upkeep_pb2
from tests.fixtures.engine import RecordingEngine, RecordingSchedules
from tests.fixtures.registrations import DOMAIN, PROJECT, identifier, integer, node, plan, task, workflow

ACTIVE, INACTIVE = launch_plan_pb2.ACTIVE, launch_plan_pb2.INACTIVE
Mode = execution_pb2.ExecutionMetadata
ID = schedule_id(PROJECT, DOMAIN, "w")
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def cron(expression: str = "0 12 * * *", **fields: Any) -> schedule_pb2.Schedule:
    return schedule_pb2.Schedule(cron_schedule=schedule_pb2.CronSchedule(schedule=expression), **fields)


@pytest.fixture(autouse=True)
async def _registered_workflow(deps: Dependencies) -> None:
    await projects.register_defaults(deps)
    await tasks.create(deps, task())
    await workflows.create(deps, workflow())


async def register(deps: Dependencies, version: str = "v1", policy: str = "", **metadata: Any) -> None:
    request = plan(version=version, fixed={"a": integer(1)}, **(metadata or {"schedule": cron()}))
    if policy:
        request.spec.annotations.values["flytetemporal.io/schedule"] = policy
    await launch_plans.create(deps, request)


async def set_state(deps: Dependencies, version: str = "v1", state: launch_plan_pb2.LaunchPlanState = ACTIVE) -> None:
    request = launch_plan_pb2.LaunchPlanUpdateRequest(id=identifier("LAUNCH_PLAN", "w", version), state=state)
    await launch_plans.set_state(deps, request)


async def fire(deps: Dependencies, version: str = "v1", at: datetime = AT) -> control_pb2.ScheduledLaunchResult:
    moment = timestamp_pb2.Timestamp()
    moment.FromDatetime(at)
    launch = control_pb2.ScheduledLaunch(launch_plan=identifier("LAUNCH_PLAN", "w", version), scheduled_at=moment)
    return await ActivityEnvironment().run(ScheduledLaunchActivities(deps).launch_scheduled, launch)


async def execution(deps: Dependencies, result: control_pb2.ScheduledLaunchResult) -> execution_pb2.Execution:
    request = execution_pb2.WorkflowExecutionGetRequest(id=result.execution_id)
    return await workflow_executions.get(deps, request)


async def test_the_schedule_follows_the_active_version(deps: Dependencies, schedules: RecordingSchedules) -> None:
    await register(deps)
    await register(deps, "v2", schedule=cron("@hourly"))
    assert not schedules.existing

    await set_state(deps)
    assert schedules.existing[ID].crons == ("0 12 * * *",)

    await set_state(deps, "v2")
    assert schedules.existing[ID].crons == ("0 * * * *",)
    assert schedules.existing[ID].argument.launch_plan.version == "v2"

    await set_state(deps, "v2", INACTIVE)
    assert not schedules.existing


async def test_a_version_without_a_schedule_ends_that_of_the_version_before(
    deps: Dependencies, schedules: RecordingSchedules
) -> None:
    await register(deps)
    await launch_plans.create(deps, plan(version="v2"))
    await set_state(deps)

    await set_state(deps, "v2")

    assert not schedules.existing


async def test_what_temporal_missed_is_made_up_for_by_the_sweeper(
    deps: Dependencies, schedules: RecordingSchedules
) -> None:
    await register(deps)
    schedules.down = True
    await set_state(deps)
    schedules.down = False

    assert await reconciliation.apply_all(deps) == [ID]
    assert list(schedules.existing) == [ID]
    assert await reconciliation.apply_all(deps) == []

    schedules.down = True
    await set_state(deps, state=INACTIVE)
    schedules.down = False
    assert await reconciliation.apply_all(deps) == [ID]
    assert not schedules.existing


async def test_a_repeated_activation_makes_the_schedule_that_is_missing(
    deps: Dependencies, schedules: RecordingSchedules
) -> None:
    await register(deps)
    await set_state(deps)
    schedules.existing.clear()  # Admin died between the row and the schedule.

    await set_state(deps)

    assert list(schedules.existing) == [ID]


async def test_a_row_that_cannot_be_applied_does_not_hold_up_those_behind_it(
    deps: Dependencies, schedules: RecordingSchedules
) -> None:
    """A version that knew less has accepted its expression, and its schedule exists."""
    await register(deps)
    await set_state(deps)
    other = plan("x", fixed={"a": integer(1)}, schedule=cron("@hourly"))
    await launch_plans.create(deps, other)
    await launch_plans.set_state(
        deps, launch_plan_pb2.LaunchPlanUpdateRequest(id=identifier("LAUNCH_PLAN", "x"), state=ACTIVE)
    )
    del schedules.existing[schedule_id(PROJECT, DOMAIN, "x")]
    async with deps.sessions.begin() as session:
        row = await session.get_one(LaunchPlanRow, (PROJECT, DOMAIN, "w", "v1"))
        spec = launch_plan_pb2.LaunchPlanSpec.FromString(row.spec)
        spec.entity_metadata.schedule.cron_schedule.schedule = "0 0 30 2 *"
        row.spec = spec.SerializeToString()

    assert await reconciliation.apply_all(deps) == [schedule_id(PROJECT, DOMAIN, "x")]


async def test_policy_and_settings_decide_about_zone_catch_up_and_jitter(
    deps: Dependencies, schedules: RecordingSchedules
) -> None:
    await register(deps, policy="{time_zone: Asia/Tokyo, catch_up: 1h, jitter: 5s}")
    await register(deps, "v2", schedule=cron("TZ=Europe/Berlin @daily"), policy="{time_zone: Asia/Tokyo}")
    await set_state(deps)
    first = schedules.existing[ID]
    await set_state(deps, "v2")
    second = schedules.existing[ID]

    assert (first.time_zone, first.catch_up, first.jitter) == (
        "Asia/Tokyo",
        timedelta(hours=1),
        timedelta(seconds=5),
    )
    assert (second.time_zone, second.catch_up, second.jitter) == ("Europe/Berlin", timedelta(days=365), timedelta())


async def test_intervals_are_counted_from_the_activation(deps: Dependencies, schedules: RecordingSchedules) -> None:
    await register(deps, schedule=schedule_pb2.Schedule(rate={"value": 7, "unit": schedule_pb2.HOUR}))
    before = datetime.now(UTC)
    await set_state(deps)
    after = datetime.now(UTC)

    made = schedules.existing[ID]
    hours = timedelta(hours=7)
    assert made.every == hours
    # The second of the activation begins an interval.
    seconds = range(int(before.timestamp()), int(after.timestamp()) + 1)
    starts = [timedelta(seconds=second) % hours for second in seconds]
    assert made.anchor in starts


async def test_a_time_launches_one_execution_as_flytes_scheduler_does(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await register(deps)
    await set_state(deps)

    first, again = await fire(deps), await fire(deps)

    found = await execution(deps, first)
    assert (found.spec.metadata.mode, found.spec.metadata.scheduled_at.ToDatetime(UTC)) == (Mode.SCHEDULED, AT)
    assert found.spec.launch_plan == identifier("LAUNCH_PLAN", "w", "v1")
    assert again == first
    assert [argument.execution_id.name for argument in engine.started] == [first.execution_id.name]


@pytest.mark.parametrize("expression", [cron(), schedule_pb2.Schedule(rate={"value": 1, "unit": schedule_pb2.DAY})])
async def test_the_kickoff_input_is_the_time_of_the_schedule(
    deps: Dependencies, engine: RecordingEngine, expression: schedule_pb2.Schedule
) -> None:
    moment = types_pb2.LiteralType(simple=types_pb2.DATETIME)
    await tasks.create(deps, task("dated", input_type=moment))
    dated = workflow("dated", nodes=[node(task_name="dated")])
    dated.spec.template.interface.inputs.variables["a"].type.CopyFrom(moment)
    await workflows.create(deps, dated)
    expression.kickoff_time_input_arg = "a"
    request = plan(schedule=expression)
    request.spec.workflow_id.name = "dated"
    await launch_plans.create(deps, request)
    await set_state(deps)

    await fire(deps)

    (started,) = engine.started
    assert started.inputs.literals.literals["a"].scalar.primitive.datetime.ToDatetime(UTC) == AT


async def test_a_version_that_is_no_longer_active_launches_nothing(deps: Dependencies, engine: RecordingEngine) -> None:
    await register(deps)
    await register(deps, "v2")
    await set_state(deps)
    await set_state(deps, "v2")

    assert "not active" in (await fire(deps)).skipped
    assert "not active" in (await fire(deps, "unknown")).skipped
    assert not engine.started


async def test_an_archived_project_launches_nothing(deps: Dependencies, engine: RecordingEngine) -> None:
    await register(deps)
    await set_state(deps)
    archived = project_pb2.Project(id=PROJECT, state=project_pb2.Project.ARCHIVED)
    await projects.update(deps, archived)

    assert "is not active" in (await fire(deps)).skipped
    assert not engine.started


async def test_a_time_is_skipped_when_the_launch_plan_has_as_many_executions_as_it_allows(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    request = plan(fixed={"a": integer(1)}, schedule=cron())
    request.spec.concurrency_policy.max = 1
    request.spec.concurrency_policy.behavior = launch_plan_pb2.CONCURRENCY_LIMIT_BEHAVIOR_SKIP
    await launch_plans.create(deps, request)
    await set_state(deps)

    first, again, second = await fire(deps), await fire(deps), await fire(deps, at=AT + timedelta(days=1))

    assert again == first
    assert "concurrency limit (1) reached" in second.skipped
    assert len(engine.started) == 1


async def test_by_default_executions_overlap(deps: Dependencies, engine: RecordingEngine) -> None:
    await register(deps)
    await set_state(deps)

    await fire(deps)
    await fire(deps, at=AT + timedelta(days=1))

    assert len(engine.started) == 2


async def test_differences_between_rows_and_schedules_are_listed_both_ways(
    deps: Dependencies, schedules: RecordingSchedules
) -> None:
    await register(deps)
    await register(deps, "v2", schedule=cron("@hourly"))

    async def found() -> list[tuple[str, str, str]]:
        answer = await differences.list_differences(deps, upkeep_pb2.ListScheduleDifferencesRequest())
        kind = upkeep_pb2.ScheduleDifference.Kind.Name
        return [(kind(one.kind), one.schedule_id, one.launch_plan.version) for one in answer.differences]

    await set_state(deps)
    assert await found() == []

    schedules.existing.clear()
    assert await found() == [("MISSING", ID, "v1")]

    await reconciliation.apply_all(deps)
    kept = dict(schedules.existing)
    await set_state(deps, "v2")
    schedules.existing.update(kept)
    assert await found() == [("DIFFERENT", ID, "v2")]

    await set_state(deps, "v2", INACTIVE)
    schedules.existing.update(kept)
    assert await found() == [("UNWANTED", ID, "")]

    await reconciliation.apply_all(deps)
    assert await found() == []
