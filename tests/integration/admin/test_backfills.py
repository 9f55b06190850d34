"""A backfill launches the times of a schedule in a range, a few at once, each once whatever dies in between."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flyteidl.admin import common_pb2, execution_pb2, launch_plan_pb2, project_pb2, schedule_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import types_pb2
from google.protobuf import timestamp_pb2
from sqlalchemy import select

from flytetemporal import errors
from flytetemporal.admin.backfills import advancing, changing, records, starting
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow, OperatorActionRow
from flytetemporal.admin.control import pauses
from flytetemporal.admin.executions import closing, launching, scheduled_launching, workflow_executions
from flytetemporal.admin.registry import launch_plans, tasks, workflows
from flytetemporal.admin.settings import projects
from flytetemporal.contracts.v1 import backfills_pb2, control_pb2, pauses_pb2
from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from flytetemporal.idl import identifiers, times
from tests.fixtures.engine import RecordingEngine
from tests.fixtures.registrations import DOMAIN, PROJECT, identifier, integer, node, plan, task, workflow

State, RunState = backfills_pb2.Backfill, backfills_pb2.BackfillRun
Phase = core_execution_pb2.WorkflowExecution
PLAN = identifier("LAUNCH_PLAN", "w", "v1")
FIRST = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def cron(expression: str = "0 12 * * *", **fields: Any) -> schedule_pb2.Schedule:
    return schedule_pb2.Schedule(cron_schedule=schedule_pb2.CronSchedule(schedule=expression), **fields)


@pytest.fixture(autouse=True)
async def _registered(deps: Dependencies) -> None:
    await projects.register_defaults(deps)
    await tasks.create(deps, task())
    await workflows.create(deps, workflow())
    await launch_plans.create(deps, plan(version="v1", fixed={"a": integer(1)}, schedule=cron()))


def wanted(days: int = 3, **fields: Any) -> backfills_pb2.StartBackfillRequest:
    """Return a request for the noons of the first days of 2026."""
    start, end = (times.timestamp(datetime(2026, 1, 1, tzinfo=UTC) + number * DAY) for number in (0, days))
    return backfills_pb2.StartBackfillRequest(**{"launch_plan": PLAN, "start": start, "end": end} | fields)


async def started(deps: Dependencies, days: int = 3, **fields: Any) -> backfills_pb2.BackfillId:
    return (await starting.start(deps, wanted(days, **fields))).backfill.id


async def advance(deps: Dependencies, backfill: backfills_pb2.BackfillId) -> backfills_pb2.Backfill:
    return await advancing.advance(deps, backfill)


async def end(
    deps: Dependencies, name: str, phase: core_execution_pb2.WorkflowExecution.Phase = Phase.SUCCEEDED
) -> None:
    execution_id = identifiers.execution_identifier((PROJECT, DOMAIN, name))
    assert await closing.close(deps, execution_id, contract_pb2.ExecutionOutcome(phase=phase))


async def set_state(
    deps: Dependencies, backfill: backfills_pb2.BackfillId, state: backfills_pb2.Backfill.State, **fields: Any
) -> backfills_pb2.SetBackfillStateResponse:
    return await changing.set_state(deps, backfills_pb2.SetBackfillStateRequest(id=backfill, state=state, **fields))


async def runs(deps: Dependencies, backfill: backfills_pb2.BackfillId) -> Sequence[backfills_pb2.BackfillRun]:
    return (await records.list_runs(deps, backfills_pb2.ListBackfillRunsRequest(id=backfill))).runs


def counts(backfill: backfills_pb2.Backfill) -> dict[str, int]:
    """Return the counts that are not zero."""
    return {field.name: value for field, value in backfill.counts.ListFields()}


def name_at(day: int) -> str:
    return scheduled_launching.execution_name(PLAN, int((FIRST + day * DAY).timestamp()))


def launched(engine: RecordingEngine) -> list[str]:
    return [argument.execution_id.name for argument in engine.started]


async def test_times_are_launched_oldest_first_and_not_more_at_once_than_asked(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    backfill = await started(deps, days=5, parallel=2)
    assert engine.backfills.woken == [backfill.name]

    first = await advance(deps, backfill)
    assert counts(first) == {"total": 5, "pending": 3, "running": 2}
    assert launched(engine) == [name_at(0), name_at(1)]
    assert counts(await advance(deps, backfill)) == counts(first)

    await end(deps, name_at(1))
    assert counts(await advance(deps, backfill)) == {"total": 5, "pending": 2, "running": 2, "succeeded": 1}
    assert launched(engine)[2:] == [name_at(2)]


async def test_the_newest_times_come_first_if_that_is_asked(deps: Dependencies, engine: RecordingEngine) -> None:
    backfill = await started(deps, days=5, parallel=2, newest_first=True)

    await advance(deps, backfill)

    assert launched(engine) == [name_at(4), name_at(3)]


async def test_an_execution_is_as_one_of_the_schedule_and_names_the_workflow_that_waits_for_it(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    backfill = await started(deps)
    await advance(deps, backfill)

    request = execution_pb2.WorkflowExecutionGetRequest(id=engine.started[0].execution_id)
    found = await workflow_executions.get(deps, request)
    assert found.spec.metadata.mode == execution_pb2.ExecutionMetadata.SCHEDULED
    assert found.spec.metadata.scheduled_at.ToDatetime(UTC) == FIRST
    assert list(found.spec.tags) == [f"backfill-{backfill.name}"]
    assert engine.started[0].launched_by == f"flyte-backfill:{PROJECT}:{DOMAIN}:{backfill.name}"


async def test_a_backfill_ends_with_its_last_execution(deps: Dependencies, engine: RecordingEngine) -> None:
    backfill = await started(deps, days=2, parallel=5)
    await advance(deps, backfill)
    await end(deps, name_at(0))
    assert not (await advance(deps, backfill)).HasField("ended_at")

    await end(deps, name_at(1))
    ended = await advance(deps, backfill)

    assert (ended.state, counts(ended)) == (State.SUCCEEDED, {"total": 2, "succeeded": 2})
    assert ended.HasField("ended_at")
    assert await advance(deps, backfill) == ended


async def test_a_backfill_with_an_execution_that_failed_has_failed(deps: Dependencies) -> None:
    backfill = await started(deps, days=3, parallel=3)
    await advance(deps, backfill)
    await end(deps, name_at(0), Phase.FAILED)
    await end(deps, name_at(1), Phase.ABORTED)
    await end(deps, name_at(2))

    ended = await advance(deps, backfill)

    assert (ended.state, counts(ended)) == (State.FAILED, {"total": 3, "succeeded": 1, "failed": 2})


async def test_times_that_ran_already_are_skipped(deps: Dependencies, engine: RecordingEngine) -> None:
    moment = timestamp_pb2.Timestamp()
    moment.FromDatetime(FIRST + DAY)
    launch = control_pb2.ScheduledLaunch(launch_plan=PLAN, scheduled_at=moment)
    await launching.create(deps, scheduled_launching.create_request(launch, ""))

    backfill = await started(deps, parallel=3)
    found = await advance(deps, backfill)

    assert counts(found) == {"total": 3, "running": 2, "skipped": 1}
    assert launched(engine)[1:] == [name_at(0), name_at(2)]
    skipped = (await runs(deps, backfill))[1]
    assert skipped.state == RunState.SKIPPED
    assert skipped.problem == f"it ran already: {name_at(1)} UNDEFINED"


async def test_many_times_that_ran_already_are_skipped_in_one_step(deps: Dependencies, engine: RecordingEngine) -> None:
    first = await started(deps, days=30, parallel=30)
    await advance(deps, first)

    second = await started(deps, days=31)

    assert counts(await advance(deps, second)) == {"total": 31, "running": 1, "skipped": 30}
    assert launched(engine)[-1] == name_at(30)


async def test_only_what_failed_is_launched_again_under_another_name_each_time(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    first = await started(deps, days=3, parallel=3)
    await advance(deps, first)
    await end(deps, name_at(0), Phase.FAILED)
    await end(deps, name_at(1))
    await advance(deps, first)

    second = await started(deps, days=4, parallel=9, failed_only=True)
    found = await advance(deps, second)
    assert counts(found) == {"total": 4, "running": 1, "skipped": 3}
    again = f"{name_at(0)[:-3]}001"
    assert launched(engine)[3:] == [again]
    assert [run.problem for run in (await runs(deps, second))[1:]] == [
        f"its execution has not failed: {name_at(1)} SUCCEEDED",
        f"its execution has not failed: {name_at(2)} UNDEFINED",
        "it has not run, so nothing has failed",
    ]

    await end(deps, again, Phase.TIMED_OUT)
    await advance(deps, second)
    third = await started(deps, days=1, failed_only=True)
    await advance(deps, third)
    assert launched(engine)[4:] == [f"{name_at(0)[:-3]}002"]


async def test_a_step_that_died_after_its_launch_is_repeated_without_another_one(
    deps: Dependencies, engine: RecordingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    backfill = await started(deps, parallel=2)

    async def die(*_: object) -> None:
        raise errors.Unavailable("the database is gone")

    with monkeypatch.context() as dying:
        dying.setattr(advancing, "_confirm", die)
        with pytest.raises(errors.Unavailable):
            await advance(deps, backfill)
    assert launched(engine) == [name_at(0)]

    assert counts(await advance(deps, backfill)) == {"total": 3, "pending": 1, "running": 2}
    assert launched(engine) == [name_at(0), name_at(1)]


async def test_two_steps_at_once_launch_each_time_once(deps: Dependencies, engine: RecordingEngine) -> None:
    backfill = await started(deps, days=10, parallel=10)

    from asyncio import gather

    await gather(advance(deps, backfill), advance(deps, backfill))

    assert sorted(launched(engine)) == sorted(name_at(day) for day in range(10))
    assert {run.state for run in await runs(deps, backfill)} == {RunState.RUNNING}


async def test_a_pause_of_the_backfill_lets_executions_end_and_launches_none(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    backfill = await started(deps)
    await advance(deps, backfill)
    assert (await set_state(deps, backfill, State.PAUSED, changed_by="ada")).has_changed
    assert not (await set_state(deps, backfill, State.PAUSED)).has_changed
    assert engine.backfills.woken == [backfill.name] * 3

    await end(deps, name_at(0))
    found = await advance(deps, backfill)
    assert (found.state, counts(found)) == (State.PAUSED, {"total": 3, "pending": 2, "succeeded": 1})

    await set_state(deps, backfill, State.RUNNING)
    assert counts(await advance(deps, backfill)) == {"total": 3, "pending": 1, "running": 1, "succeeded": 1}


@pytest.mark.parametrize(
    "target",
    [
        {"kind": "PROJECT", "project": PROJECT},
        {"kind": "PROJECT", "project": PROJECT, "domain": DOMAIN},
        {"kind": "LAUNCH_PLAN", "project": PROJECT, "domain": DOMAIN, "name": "w"},
    ],
)
async def test_a_pause_of_project_or_launch_plan_keeps_it_from_launching(
    deps: Dependencies, engine: RecordingEngine, target: dict[str, str]
) -> None:
    paused = pauses_pb2.PauseTarget(**target)
    await pauses.pause(deps, pauses_pb2.PauseRequest(target=paused, reason="audit", paused_by="ada"))
    backfill = await started(deps)

    found = await advance(deps, backfill)
    assert not engine.started
    assert found.waits_for.endswith("is paused by ada: audit")

    await pauses.resume(deps, pauses_pb2.ResumeRequest(target=paused))
    found = await advance(deps, backfill)
    assert (found.waits_for, launched(engine)) == ("", [name_at(0)])


async def test_a_cancelled_backfill_launches_nothing_more_and_waits_for_what_runs(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    backfill = await started(deps)
    await advance(deps, backfill)
    await set_state(deps, backfill, State.CANCELLED)

    found = await advance(deps, backfill)
    assert (found.state, counts(found)) == (State.CANCELLED, {"total": 3, "running": 1, "cancelled": 2})
    assert not found.HasField("ended_at")

    await end(deps, name_at(0))
    found = await advance(deps, backfill)
    assert (found.state, counts(found)) == (State.CANCELLED, {"total": 3, "succeeded": 1, "cancelled": 2})
    assert found.HasField("ended_at")
    assert not engine.cancelled


async def test_a_cancellation_can_abort_what_runs(deps: Dependencies, engine: RecordingEngine) -> None:
    backfill = await started(deps, parallel=2)
    await advance(deps, backfill)
    await set_state(deps, backfill, State.CANCELLED, abort_running=True)

    await advance(deps, backfill)

    assert engine.cancelled == [(name_at(day), f"backfill {backfill.name} was cancelled") for day in (0, 1)]


@pytest.mark.parametrize("state", [State.RUNNING, State.PAUSED])
async def test_what_is_cancelled_or_over_stays_so(deps: Dependencies, state: backfills_pb2.Backfill.State) -> None:
    backfill = await started(deps, days=1)
    await set_state(deps, backfill, State.CANCELLED)
    with pytest.raises(errors.FailedPrecondition, match="was cancelled and cannot continue"):
        await set_state(deps, backfill, state)
    await advance(deps, backfill)
    with pytest.raises(errors.FailedPrecondition, match=r"is over \(CANCELLED\)"):
        await set_state(deps, backfill, state)


async def test_the_limit_of_the_launch_plan_makes_it_wait(deps: Dependencies, engine: RecordingEngine) -> None:
    request = plan(version="v2", fixed={"a": integer(1)}, schedule=cron())
    request.spec.concurrency_policy.max = 1
    request.spec.concurrency_policy.behavior = launch_plan_pb2.CONCURRENCY_LIMIT_BEHAVIOR_SKIP
    await launch_plans.create(deps, request)
    backfill = await started(deps, parallel=2, launch_plan=identifier("LAUNCH_PLAN", "w", "v2"))

    found = await advance(deps, backfill)
    assert counts(found) == {"total": 3, "pending": 2, "running": 1}
    assert "concurrency limit (1) reached" in found.waits_for

    await end(deps, launched(engine)[0])
    assert counts(await advance(deps, backfill)) == {"total": 3, "pending": 1, "running": 1, "succeeded": 1}


@pytest.mark.parametrize(
    ("on_limit", "expected"),
    [("queue", {"total": 3, "running": 3}), ("replace", {"total": 3, "pending": 1, "running": 2})],
)
async def test_a_limit_that_queues_keeps_its_order_and_one_that_replaces_bounds_the_backfill(
    deps: Dependencies, engine: RecordingEngine, on_limit: str, expected: dict[str, int]
) -> None:
    request = plan(version="v2", fixed={"a": integer(1)}, schedule=cron())
    request.spec.annotations.values["flytetemporal.io/concurrency"] = f"{{max: 2, on_limit: {on_limit}}}"
    await launch_plans.create(deps, request)
    backfill = await started(deps, parallel=3, launch_plan=identifier("LAUNCH_PLAN", "w", "v2"))

    assert counts(await advance(deps, backfill)) == expected
    assert len(engine.started) == 2


async def test_a_queue_that_is_full_makes_it_wait(deps: Dependencies, engine: RecordingEngine) -> None:
    request = plan(version="v2", fixed={"a": integer(1)}, schedule=cron())
    request.spec.annotations.values["flytetemporal.io/concurrency"] = "{max: 1, max_waiting: 1}"
    await launch_plans.create(deps, request)
    backfill = await started(deps, parallel=3, launch_plan=identifier("LAUNCH_PLAN", "w", "v2"))

    found = await advance(deps, backfill)

    assert counts(found) == {"total": 3, "pending": 1, "running": 2}
    assert found.waits_for


async def test_an_archived_project_makes_it_wait(deps: Dependencies, engine: RecordingEngine) -> None:
    backfill = await started(deps)
    await projects.update(deps, project_pb2.Project(id=PROJECT, state=project_pb2.Project.ARCHIVED))

    found = await advance(deps, backfill)

    assert not engine.started
    assert "is not active" in found.waits_for


async def test_a_time_that_cannot_be_launched_has_failed(deps: Dependencies, engine: RecordingEngine) -> None:
    """Its kickoff argument has another type: a version that knew less has accepted it."""
    request = plan(version="v2", fixed={"a": integer(1)}, schedule=cron())
    await launch_plans.create(deps, request)
    backfill = await started(deps, launch_plan=identifier("LAUNCH_PLAN", "w", "v2"))
    from flytetemporal.admin.base.models import LaunchPlanRow

    async with deps.sessions.begin() as session:
        row = await session.get_one(LaunchPlanRow, (PROJECT, DOMAIN, "w", "v2"))
        spec = launch_plan_pb2.LaunchPlanSpec.FromString(row.spec)
        spec.entity_metadata.schedule.kickoff_time_input_arg = "unknown"
        row.spec = spec.SerializeToString()

    ended = await advance(deps, backfill)

    assert (ended.state, counts(ended)) == (State.FAILED, {"total": 3, "failed": 3})
    assert {run.problem.partition(":")[0] for run in await runs(deps, backfill)} == {"it cannot be launched"}
    assert not engine.started


async def test_the_kickoff_input_is_the_time(deps: Dependencies, engine: RecordingEngine) -> None:
    moment = types_pb2.LiteralType(simple=types_pb2.DATETIME)
    await tasks.create(deps, task("dated", input_type=moment))
    dated = workflow("dated", nodes=[node(task_name="dated")])
    dated.spec.template.interface.inputs.variables["a"].type.CopyFrom(moment)
    await workflows.create(deps, dated)
    request = plan("dated", schedule=cron(kickoff_time_input_arg="a"))
    request.spec.workflow_id.name = "dated"
    await launch_plans.create(deps, request)

    await advance(deps, await started(deps, launch_plan=request.id))

    (argument,) = engine.started
    assert argument.inputs.literals.literals["a"].scalar.primitive.datetime.ToDatetime(UTC) == FIRST


async def test_the_active_version_is_launched_or_else_the_newest(deps: Dependencies) -> None:
    await launch_plans.create(deps, plan(version="v2", fixed={"a": integer(2)}, schedule=cron("@hourly")))
    unversioned = identifier("LAUNCH_PLAN", "w", "")

    found = await starting.start(deps, wanted(launch_plan=unversioned, dry_run=True))
    assert (found.backfill.launch_plan.version, found.backfill.counts.total) == ("v2", 72)

    await launch_plans.set_state(deps, launch_plan_pb2.LaunchPlanUpdateRequest(id=PLAN, state=launch_plan_pb2.ACTIVE))
    found = await starting.start(deps, wanted(launch_plan=unversioned, dry_run=True))
    assert (found.backfill.launch_plan.version, found.backfill.counts.total) == ("v1", 3)


async def test_a_dry_run_counts_and_starts_nothing(deps: Dependencies, engine: RecordingEngine) -> None:
    found = await starting.start(deps, wanted(days=31, dry_run=True))

    assert (found.backfill.counts.total, found.was_started, found.backfill.id.name) == (31, False, "")
    assert (found.first.ToDatetime(UTC), found.last.ToDatetime(UTC)) == (FIRST, FIRST + 30 * DAY)
    assert not engine.backfills.woken
    listed = await records.list_backfills(deps, backfills_pb2.ListBackfillsRequest(project=PROJECT))
    assert not listed.backfills


async def test_a_repeated_call_starts_nothing_again(deps: Dependencies) -> None:
    first = await starting.start(deps, wanted(1))
    again = await starting.start(deps, wanted(1))
    assert (first.was_started, again.was_started, again.backfill) == (True, False, first.backfill)

    await advance(deps, first.backfill.id)
    await end(deps, name_at(0), Phase.FAILED)
    await advance(deps, first.backfill.id)
    after = await starting.start(deps, wanted(1))
    assert after.was_started, "the first one is over"
    assert after.backfill.id.name == f"{first.backfill.id.name}-1"


async def test_a_request_id_starts_one_backfill_also_when_that_is_over(deps: Dependencies) -> None:
    first = await starting.start(deps, wanted(1, request_id="r1"))
    await advance(deps, first.backfill.id)
    await end(deps, name_at(0))
    await advance(deps, first.backfill.id)

    again = await starting.start(deps, wanted(1, request_id="r1"))
    assert (again.was_started, again.backfill.id) == (False, first.backfill.id)
    assert (await starting.start(deps, wanted(1, request_id="r2"))).was_started


async def test_more_times_than_the_limit_are_refused_unless_they_are_allowed(deps: Dependencies) -> None:
    hourly = plan(version="v2", fixed={"a": integer(1)}, schedule=cron("@hourly"))
    await launch_plans.create(deps, hourly)
    with pytest.raises(errors.InvalidRequest, match=r"has 1008 runs, more than the limit of 1000.*--allow 1008"):
        await starting.start(deps, wanted(42, launch_plan=hourly.id))
    with pytest.raises(errors.InvalidRequest, match="more than the limit of 1007"):
        await starting.start(deps, wanted(42, launch_plan=hourly.id, allowed_runs=1007))

    allowed = await starting.start(deps, wanted(42, launch_plan=hourly.id, allowed_runs=1008))

    assert counts(allowed.backfill) == {"total": 1008, "pending": 1008}


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({"launch_plan": identifier("LAUNCH_PLAN", "x", "v1")}, errors.NotFound, "missing entity of type LAUNCH_PLAN"),
        ({"launch_plan": identifier("LAUNCH_PLAN", "x", "")}, errors.NotFound, "does not exist in any version"),
        ({"launch_plan": identifier("LAUNCH_PLAN", "", "v1")}, errors.InvalidRequest, "missing name"),
        ({"launch_plan": None}, errors.InvalidRequest, "missing launch_plan"),
        ({"start": None}, errors.InvalidRequest, "missing start"),
        ({"end": times.timestamp(datetime(2026, 1, 1, tzinfo=UTC))}, errors.InvalidRequest, "is not before end"),
        ({"end": times.timestamp(datetime(2999, 1, 1, tzinfo=UTC))}, errors.InvalidRequest, "is in the future"),
        ({"start": times.timestamp(datetime(1969, 1, 1, tzinfo=UTC))}, errors.InvalidRequest, "is before 1970"),
        (
            {"start": times.timestamp(FIRST + timedelta(days=2, seconds=1))},
            errors.InvalidRequest,
            "has no time between",
        ),
        ({"parallel": 101}, errors.InvalidRequest, "parallel is 101; it can be 100 at most"),
        ({"allowed_runs": 10_001}, errors.InvalidRequest, "allowed_runs is 10001; it can be 10000 at most"),
        ({"request_id": "r" * 256}, errors.InvalidRequest, "request_id cannot exceed"),
    ],
)
async def test_a_request_that_is_wrong_is_refused(
    deps: Dependencies, fields: dict[str, Any], error: type[errors.FlyteError], text: str
) -> None:
    with pytest.raises(error, match=text):
        await starting.start(deps, wanted(**fields))


async def test_ten_years_of_minutes_are_refused_and_a_dry_run_counts_up_to_a_million(deps: Dependencies) -> None:
    minutely = plan(version="v2", fixed={"a": integer(1)}, schedule=cron("* * * * *"))
    await launch_plans.create(deps, minutely)
    start = times.timestamp(datetime(2016, 1, 1, tzinfo=UTC))

    with pytest.raises(errors.InvalidRequest, match="has more than 10000 times between"):
        await starting.start(deps, wanted(launch_plan=minutely.id, start=start))
    counted = await starting.start(deps, wanted(launch_plan=minutely.id, start=start, dry_run=True))
    year = times.timestamp(datetime(2025, 1, 1, tzinfo=UTC))
    exact = await starting.start(deps, wanted(1, launch_plan=minutely.id, start=year, dry_run=True))

    assert (counted.backfill.counts.total, counted.is_more, counted.HasField("last")) == (1_000_000, True, False)
    assert (exact.backfill.counts.total, exact.is_more) == (366 * 24 * 60, False)
    assert times.moment(exact.last) == datetime(2026, 1, 1, 23, 59, tzinfo=UTC)


async def test_the_executions_at_once_can_be_changed_while_a_backfill_runs(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    backfill = await started(deps, days=6, parallel=3)
    await advance(deps, backfill)

    less = backfills_pb2.ChangeBackfillRequest(id=backfill, parallel=1, changed_by="ann")
    assert (await changing.change(deps, less)).has_changed
    assert not (await changing.change(deps, less)).has_changed, "a repeated call changes nothing"
    assert engine.backfills.woken[-1] == backfill.name
    await end(deps, name_at(0))
    # Those that run more than that run on.
    assert counts(await advance(deps, backfill)) == {"total": 6, "pending": 3, "running": 2, "succeeded": 1}
    await changing.change(deps, backfills_pb2.ChangeBackfillRequest(id=backfill, parallel=4))
    assert counts(await advance(deps, backfill)) == {"total": 6, "pending": 1, "running": 4, "succeeded": 1}
    async with deps.sessions() as session:
        query = select(OperatorActionRow.details).where(OperatorActionRow.action == "change backfill")
        assert (await session.scalars(query)).first() == '{"before": 3, "parallel": 1, "reason": ""}'


@pytest.mark.parametrize(
    ("parallel", "expected"),
    [(0, "parallel is 0; to launch nothing for a while, pause the backfill"), (101, "it can be 100 at most")],
)
async def test_executions_at_once_that_make_no_sense_are_refused(
    deps: Dependencies, parallel: int, expected: str
) -> None:
    backfill = await started(deps)

    with pytest.raises(errors.InvalidRequest, match=expected):
        await changing.change(deps, backfills_pb2.ChangeBackfillRequest(id=backfill, parallel=parallel))


async def test_a_cancelled_backfill_is_not_changed(deps: Dependencies) -> None:
    backfill = await started(deps)
    await set_state(deps, backfill, State.CANCELLED)

    with pytest.raises(errors.FailedPrecondition, match="is CANCELLED and launches nothing more"):
        await changing.change(deps, backfills_pb2.ChangeBackfillRequest(id=backfill, parallel=2))


async def test_a_launch_plan_without_a_schedule_has_no_times(deps: Dependencies) -> None:
    await launch_plans.create(deps, plan("unscheduled", fixed={"a": integer(1)}))

    with pytest.raises(errors.FailedPrecondition, match="has no schedule"):
        await starting.start(deps, wanted(launch_plan=identifier("LAUNCH_PLAN", "unscheduled")))


async def test_a_loop_starts_the_workflow_that_temporal_missed(deps: Dependencies, engine: RecordingEngine) -> None:
    engine.backfills.down = True
    backfill = await started(deps)
    assert (await starting.start_missing(deps)).error
    engine.backfills.down = False

    assert not (await starting.start_missing(deps)).error

    assert engine.backfills.woken == [backfill.name]


async def test_an_unknown_backfill_is_not_found(deps: Dependencies) -> None:
    unknown = backfills_pb2.BackfillId(project=PROJECT, domain=DOMAIN, name="b0")
    for call in (
        records.get(deps, backfills_pb2.GetBackfillRequest(id=unknown)),
        records.list_runs(deps, backfills_pb2.ListBackfillRunsRequest(id=unknown)),
        set_state(deps, unknown, State.PAUSED),
    ):
        with pytest.raises(errors.NotFound, match=f"backfill {PROJECT}:{DOMAIN}:b0 does not exist"):
            await call


async def test_lists_have_pages(deps: Dependencies) -> None:
    names = [(await started(deps, days)).name for days in (1, 2, 3)]
    request = backfills_pb2.ListBackfillsRequest(project=PROJECT, domain=DOMAIN, launch_plan="w", limit=2)
    page = await records.list_backfills(deps, request)
    request.token = page.token
    rest = await records.list_backfills(deps, request)
    assert [found.id.name for found in [*page.backfills, *rest.backfills]] == names[::-1]
    assert not rest.token

    of_runs = backfills_pb2.ListBackfillRunsRequest(id=page.backfills[0].id, state=RunState.PENDING, limit=2)
    first = await records.list_runs(deps, of_runs)
    of_runs.token = first.token
    last = await records.list_runs(deps, of_runs)
    moments = [run.scheduled_at.ToDatetime(UTC) for run in [*first.runs, *last.runs]]
    assert moments == [FIRST + day * DAY for day in range(3)]


async def test_what_was_done_is_on_record(deps: Dependencies) -> None:
    backfill = await started(deps, started_by="ada", reason="late data")
    await set_state(deps, backfill, State.CANCELLED, changed_by="bob")

    async with deps.sessions() as session:
        rows = (await session.scalars(select(OperatorActionRow).order_by(OperatorActionRow.id))).all()
    assert [(row.operator, row.action, row.name) for row in rows] == [
        ("ada", "backfill", backfill.name),
        ("bob", "cancel backfill", backfill.name),
    ]


async def test_executions_are_listed_by_their_backfill(deps: Dependencies) -> None:
    backfill = await started(deps, parallel=2)
    await advance(deps, backfill)

    listed = await workflow_executions.list_executions(
        deps,
        common_pb2.ResourceListRequest(
            id=common_pb2.NamedEntityIdentifier(project=PROJECT, domain=DOMAIN),
            filters=f"eq(execution_tag.key,backfill-{backfill.name})",
            limit=10,
        ),
    )

    assert {found.id.name for found in listed.executions} == {name_at(0), name_at(1)}


async def test_an_execution_that_was_deleted_counts_as_failed(deps: Dependencies) -> None:
    backfill = await started(deps, days=1)
    await advance(deps, backfill)
    async with deps.sessions.begin() as session:
        row = await session.get_one(ExecutionRow, (PROJECT, DOMAIN, name_at(0)))
        await session.delete(row)

    assert counts(await advance(deps, backfill)) == {"total": 1, "failed": 1}
