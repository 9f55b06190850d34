"""One version of a task, a workflow or a launch plan is deleted, unless something still uses it."""

from datetime import UTC, datetime

import pytest
from flyteidl.admin import common_pb2, execution_pb2, launch_plan_pb2, schedule_pb2
from sqlalchemy import text

from flytetemporal import errors
from flytetemporal.admin.backfills import advancing, changing, starting
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.executions import workflow_executions
from flytetemporal.admin.outbox.trigger_models import TriggerObjectRow, TriggerRow
from flytetemporal.admin.registry import deleting, launch_plans, tasks, workflows
from flytetemporal.admin.retention import deleting as removals
from flytetemporal.admin.settings import projects
from flytetemporal.contracts.v1 import backfills_pb2, retention_pb2
from flytetemporal.idl import times
from tests.fixtures.registrations import DOMAIN, PROJECT, VERSION, identifier, integer, plan, task, workflow

ACTIVE, INACTIVE = launch_plan_pb2.ACTIVE, launch_plan_pb2.INACTIVE
NAMES = {"TASK": "t", "WORKFLOW": "w", "LAUNCH_PLAN": "w"}


@pytest.fixture(autouse=True)
async def _registered(deps: Dependencies) -> None:
    await projects.register_defaults(deps)
    await tasks.create(deps, task())
    await workflows.create(deps, workflow())
    await launch_plans.create(deps, plan(fixed={"a": integer(1)}))


async def delete(deps: Dependencies, kind: str) -> None:
    request = retention_pb2.DeleteVersionRequest(id=identifier(kind, NAMES[kind]), deleted_by="ann")
    await deleting.delete_version(deps, request)


async def set_state(deps: Dependencies, state: launch_plan_pb2.LaunchPlanState) -> None:
    request = launch_plan_pb2.LaunchPlanUpdateRequest(id=identifier("LAUNCH_PLAN", "w"), state=state)
    await launch_plans.set_state(deps, request)


async def exists(deps: Dependencies, kind: str) -> bool:
    get = {"TASK": tasks.get, "WORKFLOW": workflows.get, "LAUNCH_PLAN": launch_plans.get}[kind]
    try:
        await get(deps, common_pb2.ObjectGetRequest(id=identifier(kind, NAMES[kind])))
    except errors.NotFound:
        return False
    return True


async def test_versions_that_nothing_uses_are_deleted_and_recorded(deps: Dependencies) -> None:
    for kind in ("LAUNCH_PLAN", "WORKFLOW", "TASK"):
        await delete(deps, kind)
        assert not await exists(deps, kind)
        with pytest.raises(errors.NotFound):
            await delete(deps, kind)

    request = retention_pb2.ListRemovalsRequest(project=PROJECT, domain=DOMAIN)
    found = (await removals.list_removals(deps, request)).removals
    assert [(one.kind, one.name, one.version, one.removed_by) for one in found] == [
        ("task", "t", VERSION, "ann"),
        ("workflow", "w", VERSION, "ann"),
        ("launch_plan", "w", VERSION, "ann"),
    ]
    assert all(one.HasField("finished_at") for one in found)


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("LAUNCH_PLAN", "is active and cannot be deleted: deactivate it first"),
        ("WORKFLOW", "is used by the workflow of launch plan w, which is active"),
        ("TASK", "is used by the workflow of launch plan w, which is active"),
    ],
)
async def test_what_an_active_launch_plan_uses_is_not_deleted(deps: Dependencies, kind: str, problem: str) -> None:
    await set_state(deps, ACTIVE)

    with pytest.raises(errors.FailedPrecondition, match=problem):
        await delete(deps, kind)
    assert await exists(deps, kind)

    await set_state(deps, INACTIVE)
    if kind != "WORKFLOW":
        await delete(deps, kind)


async def test_a_workflow_with_a_launch_plan_is_not_deleted(deps: Dependencies) -> None:
    with pytest.raises(errors.FailedPrecondition, match=f"launched by launch plan w in version {VERSION}"):
        await delete(deps, "WORKFLOW")

    assert await exists(deps, "WORKFLOW")


async def test_what_a_running_execution_uses_is_not_deleted(deps: Dependencies) -> None:
    spec = execution_pb2.ExecutionSpec(launch_plan=identifier("LAUNCH_PLAN", "w"))
    request = execution_pb2.ExecutionCreateRequest(project=PROJECT, domain=DOMAIN, name="e1", spec=spec)
    await workflow_executions.create(deps, request)

    with pytest.raises(errors.FailedPrecondition, match="used by execution e1, which runs"):
        await delete(deps, "LAUNCH_PLAN")

    async with deps.sessions.begin() as session:
        await session.execute(text("update executions set phase = 'SUCCEEDED'"))
    await delete(deps, "LAUNCH_PLAN")


async def test_what_a_backfill_launches_is_not_deleted_until_it_is_over(deps: Dependencies) -> None:
    daily = schedule_pb2.Schedule(cron_schedule=schedule_pb2.CronSchedule(schedule="0 12 * * *"))
    await launch_plans.create(deps, plan("daily", fixed={"a": integer(1)}, schedule=daily))
    daily_plan = identifier("LAUNCH_PLAN", "daily")
    start, end = (times.timestamp(datetime(2026, 1, day, tzinfo=UTC)) for day in (1, 3))
    request = backfills_pb2.StartBackfillRequest(launch_plan=daily_plan, start=start, end=end)
    backfill = (await starting.start(deps, request)).backfill.id
    deletion = retention_pb2.DeleteVersionRequest(id=daily_plan)

    with pytest.raises(errors.FailedPrecondition, match=f"is launched by backfill {backfill.name} and cannot be"):
        await deleting.delete_version(deps, deletion)
    with pytest.raises(errors.FailedPrecondition, match="launch plan daily, which a backfill launches in version"):
        await delete(deps, "TASK")

    cancelled = backfills_pb2.SetBackfillStateRequest(id=backfill, state=backfills_pb2.Backfill.CANCELLED)
    await changing.set_state(deps, cancelled)
    await advancing.advance(deps, backfill)
    await delete(deps, "TASK")
    await deleting.delete_version(deps, deletion)
    with pytest.raises(errors.NotFound):
        await starting.start(deps, request)


async def test_only_versions_are_deleted(deps: Dependencies) -> None:
    for request in (
        retention_pb2.DeleteVersionRequest(),
        retention_pb2.DeleteVersionRequest(id=identifier("DATASET", "w")),
        retention_pb2.DeleteVersionRequest(id=identifier("TASK", "")),
    ):
        with pytest.raises(errors.InvalidRequest):
            await deleting.delete_version(deps, request)


async def test_the_triggers_of_a_launch_plan_go_with_its_last_version(deps: Dependencies) -> None:
    await launch_plans.create(deps, plan(version="v2", fixed={"a": integer(1)}))
    now = datetime.now(UTC)
    async with deps.sessions.begin() as session:
        for name in ("w", "other"):
            row = TriggerRow(project=PROJECT, domain=DOMAIN, launch_plan=name, name="t", version="v1", kind="prefix")
            row.source_project = row.source_domain = row.source_name = ""
            row.declaration, row.is_active, row.active_since = "{}", False, now
            session.add(row)
            await session.flush()
            session.add(TriggerObjectRow(trigger_id=row.id, name="o", version="1", seen_in=1))

    async def left() -> list[str]:
        query = text("select launch_plan from triggers join trigger_objects on trigger_id = triggers.id order by 1")
        async with deps.sessions() as session:
            objects = await session.scalar(text("select count(*) from trigger_objects"))
            names = list((await session.scalars(query)).all())
        assert objects == len(names)
        return names

    await delete(deps, "LAUNCH_PLAN")
    assert await left() == ["other", "w"], "the next version must not launch again for what was seen"
    last = retention_pb2.DeleteVersionRequest(id=identifier("LAUNCH_PLAN", "w", "v2"), deleted_by="ann")
    await deleting.delete_version(deps, last)
    assert await left() == ["other"]
