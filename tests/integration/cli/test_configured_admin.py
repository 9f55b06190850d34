"""Commands that are run as users run them, against the admin that Flyte's clients call."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from flyteidl.admin import execution_pb2
from sqlalchemy import text

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.executions import workflow_executions
from flytetemporal.admin.registry import launch_plans, tasks, workflows
from flytetemporal.admin.settings import projects
from flytetemporal.admin.upkeep import records
from flytetemporal.cli.dev import ports
from flytetemporal.cli.wiring import control_plane
from flytetemporal.config.admin import AdminSettings
from flytetemporal.config.catalog import CatalogSettings
from flytetemporal.rpc import server
from tests.fixtures.registrations import DOMAIN, PROJECT, identifier, integer, plan, task, workflow
from tests.integration.cli.test_control_checks import MINUTE


@pytest.fixture
async def endpoint(deps: Dependencies) -> AsyncIterator[str]:
    await projects.register_defaults(deps)
    settings = AdminSettings(grpc_port=ports.free())
    methods = control_plane.methods(deps, control_plane.signer(deps), control_plane.catalog_of(deps, CatalogSettings()))
    grpc_server = server.grpc_server(methods, settings)
    await grpc_server.start()
    yield f"127.0.0.1:{settings.grpc_port}"
    await grpc_server.stop(0)


@pytest.fixture
def home(tmp_path: Path, endpoint: str) -> Path:
    """A home folder whose ``.flyte/config.yaml`` names admin, and without a stack."""
    path = tmp_path / "home"
    (path / ".flyte").mkdir(parents=True)
    (path / ".flyte" / "config.yaml").write_text(f"admin:\n  endpoint: dns:///{endpoint}\n  insecure: true\n")
    return path


async def run(home: Path, *arguments: str) -> tuple[int, str]:
    """Run a command in an environment that configures no servers; return its status and what it prints.

    That is stderr if it fails.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FLYTE", "XDG_"))}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "flytetemporal.cli.main",
        *arguments,
        env={**kept, "HOME": str(home), "COLUMNS": "300"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, problems = await process.communicate()
    assert process.returncode is not None
    return process.returncode, (problems if process.returncode else output).decode()


async def test_doctor_and_status_follow_the_configuration_of_flytes_clients(
    deps: Dependencies, endpoint: str, home: Path
) -> None:
    await records.announce(deps.sessions, {"sweeper": MINUTE})

    status, checked = await run(home, "doctor")
    assert status == 0, checked
    assert checked.startswith(f"Checking admin at {endpoint}, which {home}/.flyte/config.yaml names")
    assert "1 run in time" in checked

    status, shown = await run(home, "status")
    assert status == 0, shown
    assert [line.split()[0] for line in shown.splitlines()] == ["LOOP", "sweeper"]


async def test_a_folder_that_is_named_is_not_replaced_by_the_configuration(home: Path) -> None:
    for command in ("doctor", "status"):
        status, output = await run(home, command, "--home", str(home / "none"))

        assert status == 1
        assert f"no stack runs on {home}/none: start one with " in output


async def test_to_terminate_what_has_ended_says_which_execution_and_how(deps: Dependencies, home: Path) -> None:
    await tasks.create(deps, task())
    await workflows.create(deps, workflow())
    await launch_plans.create(deps, plan(fixed={"a": integer(1)}))
    spec = execution_pb2.ExecutionSpec(launch_plan=identifier("LAUNCH_PLAN", "w"))
    request = execution_pb2.ExecutionCreateRequest(project=PROJECT, domain=DOMAIN, name="e1", spec=spec)
    await workflow_executions.create(deps, request)
    first = await run(home, "terminate", "e1", "--reason", "enough")
    assert first[0] == 0, first[1]
    async with deps.sessions.begin() as session:
        closure = execution_pb2.ExecutionClosure(phase="FAILED").SerializeToString()
        await session.execute(text("update executions set phase = 'FAILED', closure = :closure"), {"closure": closure})

    status, output = await run(home, "terminate", "e1", "--reason", "enough")

    assert status == 1
    assert output.splitlines()[-1] == f"Error: execution {PROJECT}:{DOMAIN}:e1 has ended already: it is FAILED"


@pytest.mark.parametrize(
    "kind", ["executions", "tasks", "workflows", "launch-plans", "schedules", "artifacts", "triggers"]
)
async def test_a_list_of_a_project_that_does_not_exist_says_so(home: Path, kind: str) -> None:
    status, output = await run(home, "get", kind, "-p", "nosuch")

    assert status == 1
    assert output.splitlines()[-1] == (
        "Error: project nosuch does not exist: `flytetemporal get projects` lists those that do"
    )
