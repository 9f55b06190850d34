"""One version of a task, a workflow or a launch plan is deleted, unless something still uses it."""

import pytest
from flyteidl.admin import common_pb2, execution_pb2, launch_plan_pb2
from sqlalchemy import text

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.executions import workflow_executions
from flytetemporal.admin.registry import deleting, launch_plans, tasks, workflows
from flytetemporal.admin.retention import deleting as removals
from flytetemporal.admin.settings import projects
from flytetemporal.contracts.v1 import retention_pb2
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


async def test_only_versions_are_deleted(deps: Dependencies) -> None:
    for request in (
        retention_pb2.DeleteVersionRequest(),
        retention_pb2.DeleteVersionRequest(id=identifier("DATASET", "w")),
        retention_pb2.DeleteVersionRequest(id=identifier("TASK", "")),
    ):
        with pytest.raises(errors.InvalidRequest):
            await deleting.delete_version(deps, request)
