"""A launch plan with a concurrency limit has no more open executions than that, however launches race."""

import asyncio

import pytest
from flyteidl.admin import execution_pb2, launch_plan_pb2
from flyteidl.core import literals_pb2
from sqlalchemy import text

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.executions import workflow_executions
from flytetemporal.admin.registry import launch_plans, tasks, workflows
from flytetemporal.admin.settings import projects
from tests.fixtures.registrations import DOMAIN, PROJECT, identifier, integer, plan, task, workflow

SKIP = launch_plan_pb2.CONCURRENCY_LIMIT_BEHAVIOR_SKIP


@pytest.fixture(autouse=True)
async def _registered(deps: Dependencies) -> None:
    await projects.register_defaults(deps)
    await tasks.create(deps, task())
    await workflows.create(deps, workflow())
    for version in ("v1", "v2"):
        request = plan(version=version)
        request.spec.concurrency_policy.CopyFrom(launch_plan_pb2.ConcurrencyPolicy(max=2, behavior=SKIP))
        await launch_plans.create(deps, request)


async def launch(deps: Dependencies, name: str, version: str = "v1") -> None:
    request = execution_pb2.ExecutionCreateRequest(
        project=PROJECT,
        domain=DOMAIN,
        name=name,
        spec=execution_pb2.ExecutionSpec(launch_plan=identifier("LAUNCH_PLAN", "w", version)),
        inputs=literals_pb2.LiteralMap(literals={"a": integer(1)}),
    )
    await workflow_executions.create(deps, request)


async def test_launches_at_once_do_not_exceed_the_limit(deps: Dependencies) -> None:
    launches = [launch(deps, f"e{number}", f"v{1 + number % 2}") for number in range(12)]

    answers = await asyncio.gather(*launches, return_exceptions=True)

    refused = [answer for answer in answers if isinstance(answer, errors.AlreadyExists)]
    assert len(refused) == 10
    assert all("concurrency limit (2) reached for launch plan w" in answer.message for answer in refused)
    assert len(await deps.blobs.tree(f"{deps.blobs.root}/metadata/{PROJECT}")) == 4


@pytest.mark.parametrize(
    ("phase", "counts"), [("UNDEFINED", True), ("QUEUED", True), ("FAILING", True), ("FAILED", False)]
)
async def test_open_executions_count_from_their_record_on(deps: Dependencies, phase: str, counts: bool) -> None:
    for name in ("e1", "e2"):
        await launch(deps, name)
    async with deps.sessions.begin() as session:
        await session.execute(text("UPDATE executions SET phase = :phase"), {"phase": phase})

    if counts:
        with pytest.raises(errors.AlreadyExists, match="concurrency limit"):
            await launch(deps, "e3")
    else:
        await launch(deps, "e3")
