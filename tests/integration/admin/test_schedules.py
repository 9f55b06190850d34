"""The schedule of a launch plan follows its active version, and each of its times launches one execution."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from flyteidl.admin import execution_pb2, launch_plan_pb2, project_pb2, schedule_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2, types_pb2
from flyteidl.event import event_pb2
from google.protobuf import timestamp_pb2
from pydantic import ValidationError
from temporalio.testing import ActivityEnvironment

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import LaunchPlanRow
from flytetemporal.admin.base.temporal_schedules import schedule_id
from flytetemporal.admin.control import pauses, schedule_list, sweep_pending
from flytetemporal.admin.control.findings import Findings
from flytetemporal.admin.events import batches
from flytetemporal.admin.executions import admission, workflow_executions
from flytetemporal.admin.executions.scheduled_launching import ScheduledLaunchActivities
from flytetemporal.admin.registry import launch_plans, tasks, workflows
from flytetemporal.admin.schedules import differences, reconciliation
from flytetemporal.admin.settings import projects
from flytetemporal.config.admin import AdminSettings
from flytetemporal.contracts.v1 import control_pb2, events_pb2, pauses_pb2, schedules_pb2, upkeep_pb2
from flytetemporal.idl import times
from tests.fixtures.engine import NEXT, RecordingEngine, RecordingSchedules
from tests.fixtures.registrations import DOMAIN, PROJECT, identifier, integer, node, plan, task, workflow
from tests.fixtures.waiting import eventually

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


async def report(
    deps: Dependencies,
    result: control_pb2.ScheduledLaunchResult,
    phase: core_execution_pb2.WorkflowExecution.Phase,
    direct: bool = True,
) -> None:
    """Report the end of an execution as its workflow does. ``direct`` False: the call dies when it is recorded."""
    event = event_pb2.WorkflowExecutionEvent(
        execution_id=result.execution_id, phase=phase, occurred_at=times.timestamp(datetime.now(UTC))
    )
    record = admission.record_events if direct else batches.record_events
    await record(deps, events_pb2.RecordEventsRequest(events=[events_pb2.Event(workflow=event)]))


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


DAYS = [AT + timedelta(days=day) for day in range(4)]
W = core_execution_pb2.WorkflowExecution
Target = pauses_pb2.PauseTarget


async def test_overlap_skip_drops_times_while_an_execution_of_the_schedule_runs(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await register(deps, policy="{overlap: skip}")
    await set_state(deps)

    first, second = await fire(deps), await fire(deps, at=DAYS[1])

    assert "an execution of the schedule of launch plan flytesnacks:development:w still runs" in second.skipped
    await report(deps, first, W.SUCCEEDED)
    assert (await fire(deps, at=DAYS[2])).HasField("execution_id")
    assert len(engine.started) == 2


async def test_overlap_buffer_one_keeps_one_time_and_drops_the_next(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await register(deps, policy="{overlap: buffer_one}")
    await set_state(deps)

    fired = [await fire(deps, at=day) for day in DAYS[:3]]
    again = await fire(deps, at=DAYS[1])

    assert "waits for a place of the schedule of launch plan" in fired[2].skipped
    assert again == fired[1]
    await report(deps, fired[0], W.SUCCEEDED)
    names = [result.execution_id.name for result in fired[:2]]
    await eventually(lambda: [argument.execution_id.name for argument in engine.started] == names)


async def test_overlap_buffer_all_runs_every_time_one_after_the_other(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await register(deps, policy="{overlap: buffer_all}")
    await set_state(deps)

    fired = [await fire(deps, at=day) for day in DAYS]

    for done, result in enumerate(fired, start=1):
        assert [argument.execution_id for argument in engine.started] == [one.execution_id for one in fired[:done]]
        await report(deps, result, W.FAILED)
        if done < len(fired):
            await eventually(partial(has_started, engine, done + 1))


async def test_overlap_cancel_other_replaces_the_execution_that_runs(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await register(deps, policy="{overlap: cancel_other}")
    await set_state(deps)

    first, second = await fire(deps), await fire(deps, at=DAYS[1])

    (cancelled,) = engine.cancelled
    assert cancelled[0] == first.execution_id.name
    assert f"replaced by execution {second.execution_id.name}" in cancelled[1]


async def test_overlap_counts_what_the_schedule_has_launched_and_nothing_else(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await register(deps, policy="{overlap: skip}")
    await set_state(deps)
    await launch_by_hand(deps)

    assert (await fire(deps)).HasField("execution_id")
    await launch_by_hand(deps)
    assert len(engine.started) == 3


@pytest.mark.parametrize("direct", [True, False])
async def test_a_failed_execution_pauses_its_schedule_until_it_is_resumed(
    deps: Dependencies, engine: RecordingEngine, direct: bool
) -> None:
    await register(deps, policy="{pause_on_failure: true}")
    await set_state(deps)
    failed, running = await fire(deps), await fire(deps, at=DAYS[1])
    await report(deps, failed, W.FAILED, direct)

    skipped = await fire(deps, at=DAYS[2])

    reason = f"execution {failed.execution_id.name} of the schedule has failed"
    assert skipped.skipped == f"the schedule of launch plan w is paused by flytetemporal: {reason}"
    assert await fire(deps, at=DAYS[1]) == running  # What was launched stays launched.
    assert engine.cancelled == []

    assert (await pauses.resume(deps, pauses_pb2.ResumeRequest(target=of("SCHEDULE")))).was_paused
    resumed = await fire(deps, at=DAYS[2])
    await report(deps, resumed, W.FAILED, direct)
    assert "has failed" in (await fire(deps, at=DAYS[3])).skipped


async def test_without_the_policy_or_of_other_executions_a_failure_pauses_nothing(deps: Dependencies) -> None:
    await register(deps)
    await set_state(deps)
    await report(deps, await fire(deps), W.FAILED)
    assert (await fire(deps, at=DAYS[1])).HasField("execution_id")

    await register(deps, "v2", policy="{pause_on_failure: true}")
    await set_state(deps, "v2")
    await report(deps, control_pb2.ScheduledLaunchResult(execution_id=await launch_by_hand(deps, "v2")), W.FAILED)

    # Not for what has failed before the activation either.
    assert (await fire(deps, "v2", at=DAYS[2])).HasField("execution_id")


@pytest.mark.parametrize("kind", ["SCHEDULE", "LAUNCH_PLAN", "PROJECT"])
async def test_a_schedule_launches_nothing_while_it_or_what_it_belongs_to_is_paused(
    deps: Dependencies, engine: RecordingEngine, kind: str
) -> None:
    await register(deps)
    await set_state(deps)
    await pauses.pause(deps, pauses_pb2.PauseRequest(target=of(kind), paused_by="ann", reason="moving"))

    assert "is paused by ann: moving" in (await fire(deps)).skipped
    assert engine.started == []

    await pauses.resume(deps, pauses_pb2.ResumeRequest(target=of(kind)))
    assert (await fire(deps)).HasField("execution_id")


async def test_resuming_a_launch_plan_resumes_its_schedule(deps: Dependencies) -> None:
    await register(deps)
    await set_state(deps)
    await pauses.pause(deps, pauses_pb2.PauseRequest(target=of("SCHEDULE")))

    assert (await pauses.resume(deps, pauses_pb2.ResumeRequest(target=of("LAUNCH_PLAN")))).was_paused

    assert (await fire(deps)).HasField("execution_id")


async def test_a_paused_schedule_pauses_no_execution(deps: Dependencies, engine: RecordingEngine) -> None:
    await register(deps)
    await set_state(deps)
    await fire(deps)

    await pauses.pause(deps, pauses_pb2.PauseRequest(target=of("SCHEDULE")))
    await sweep_pending.deliver_pauses(deps, Findings())

    assert engine.paused == []


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ("{overlap: sometimes}", "at overlap: give 'allow', 'skip'"),
        ("{pause_on_failure: 1}", "at pause_on_failure: give true or false"),
    ],
)
async def test_a_policy_that_is_malformed_is_refused(deps: Dependencies, policy: str, problem: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=problem):
        await register(deps, policy=policy)


async def test_overlap_and_a_concurrency_limit_contradict_each_other(deps: Dependencies) -> None:
    request = plan(fixed={"a": integer(1)}, schedule=cron())
    request.spec.annotations.values["flytetemporal.io/schedule"] = "{overlap: skip}"
    request.spec.annotations.values["flytetemporal.io/concurrency"] = "{max: 1}"

    with pytest.raises(errors.InvalidRequest, match="sets overlap, and the launch plan limits its concurrency"):
        await launch_plans.create(deps, request)


async def test_activations_at_once_do_not_exceed_the_number_of_schedules(
    deps: Dependencies, schedules: RecordingSchedules
) -> None:
    deps = replace(deps, settings=deps.settings.model_copy(update={"max_active_schedules": 2}))
    names = [f"w{number}" for number in range(5)]
    for name in names:
        await launch_plans.create(deps, plan(name, fixed={"a": integer(1)}, schedule=cron()))
        await launch_plans.create(deps, plan(name, "v2", fixed={"a": integer(1)}, schedule=cron("@hourly")))

    answers = await asyncio.gather(*(activate(deps, name) for name in names), return_exceptions=True)

    refused = [answer for answer in answers if isinstance(answer, errors.QuotaExceeded)]
    assert len(refused) == 3
    assert "2 launch plans with a schedule are active" in refused[0].message
    active = [name for name, answer in zip(names, answers, strict=True) if answer is None]
    assert sorted(schedules.existing) == [schedule_id(PROJECT, DOMAIN, name) for name in active]
    await activate(deps, active[0], "v2")  # Another version takes no more room.


async def test_the_list_of_schedules_has_next_times_pauses_and_last_executions(
    deps: Dependencies, schedules: RecordingSchedules
) -> None:
    await register(deps, policy="{time_zone: Asia/Tokyo, overlap: skip, pause_on_failure: true}")
    await set_state(deps)
    rate = schedule_pb2.Schedule(rate={"value": 2, "unit": schedule_pb2.HOUR})
    await launch_plans.create(deps, plan("x", fixed={"a": integer(1)}, schedule=rate))
    await activate(deps, "x")
    del schedules.existing[schedule_id(PROJECT, DOMAIN, "x")]
    failed = await fire(deps)
    await report(deps, failed, W.FAILED)

    request = schedules_pb2.ListSchedulesRequest(project=PROJECT, domain=DOMAIN, limit=1)
    first = await schedule_list.list_schedules(deps, request)
    request.token = first.token
    second = await schedule_list.list_schedules(deps, request)

    (one,), (other,) = first.schedules, second.schedules
    assert one.launch_plan == identifier("LAUNCH_PLAN", "w", "v1")
    assert (one.expression, one.time_zone, one.overlap) == ("0 12 * * *", "Asia/Tokyo", "skip")
    assert one.pause_on_failure
    assert [moment.ToDatetime(UTC) for moment in one.next_times] == [NEXT]
    assert one.pause.paused_by == "flytetemporal"
    assert (one.last_execution.id, one.last_execution.phase) == (failed.execution_id, W.FAILED)
    assert (other.expression, list(other.next_times)) == ("every 2 HOUR", [])
    assert "Temporal has no schedule" in other.problem
    assert not other.HasField("last_execution")
    by_name = schedules_pb2.ListSchedulesRequest(project=PROJECT, domain=DOMAIN, name="x")
    assert [found.launch_plan.name for found in (await schedule_list.list_schedules(deps, by_name)).schedules] == ["x"]


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "/etc/passwd"])
def test_a_default_time_zone_that_is_unknown_keeps_admin_from_starting(zone: str) -> None:
    with pytest.raises(ValidationError, match="give a name such as Europe/Berlin or UTC"):
        AdminSettings(schedule_time_zone=zone)


def of(kind: str) -> Target:
    target = Target(kind=kind, project=PROJECT)
    if kind != "PROJECT":
        target.domain, target.name = DOMAIN, "w"
    return target


async def activate(deps: Dependencies, name: str, version: str = "v1") -> None:
    request = launch_plan_pb2.LaunchPlanUpdateRequest(id=identifier("LAUNCH_PLAN", name, version), state=ACTIVE)
    await launch_plans.set_state(deps, request)


async def launch_by_hand(deps: Dependencies, version: str = "v1") -> identifier_pb2.WorkflowExecutionIdentifier:
    spec = execution_pb2.ExecutionSpec(launch_plan=identifier("LAUNCH_PLAN", "w", version))
    request = execution_pb2.ExecutionCreateRequest(project=PROJECT, domain=DOMAIN, spec=spec)
    return (await workflow_executions.create(deps, request)).id


def has_started(engine: RecordingEngine, number: int) -> bool:
    return len(engine.started) >= number
