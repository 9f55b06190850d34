"""Times of a schedule that have passed are launched: by our own command, also while processes die, and by pyflyte's."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flyteidl.admin import common_pb2, execution_pb2, launch_plan_pb2
from flyteidl.core import identifier_pb2

from flytetemporal.admin.executions.scheduled_launching import execution_name
from flytetemporal.cli.dev import state_folder
from flytetemporal.cli.dev.state_folder import StateFolder
from scripts import background_stack
from tests.e2e.client import DOMAIN, PROGRAMS, PROJECT, Client, Phase, connected
from tests.fixtures.stack import RunningStack
from tests.fixtures.waiting import HANG_SECONDS, wait_until

Mode = execution_pb2.ExecutionMetadata


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A separate stack, because its processes are killed."""
    folder = tmp_path_factory.mktemp("backfills")
    with (folder / "dev.log").open("wb") as output, background_stack.running(folder / "home", output=output) as state:
        yield RunningStack.of(folder / "home", state)


@pytest.fixture
def client(mortal: RunningStack) -> Iterator[Client]:
    with connected(mortal) as client:
        yield client


def backfill(client: Client, *arguments: str) -> dict[str, Any]:
    """Run `flytetemporal backfill`; return its answer."""
    done = subprocess.run(
        [
            sys.executable, "-m", "flytetemporal.cli.main", "backfill", *arguments, "-o", "json",
            "-p", PROJECT, "-d", DOMAIN, "--endpoint", client.stack.grpc_endpoint,
        ],
        capture_output=True, text=True, timeout=HANG_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def counts(client: Client, name: str) -> dict[str, int]:
    found: dict[str, int] = backfill(client, "get", name)["counts"]
    return {state: number for state, number in found.items() if number}


def ended(client: Client, name: str) -> dict[str, int]:
    """Return the counts of a backfill once it is over."""
    wait_until(lambda: bool(backfill(client, "get", name).get("endedAt")))
    return counts(client, name)


def registered(client: Client, folder: Path) -> identifier_pb2.Identifier:
    """Register the program with pyflyte; return a launch plan of it whose data are in the folder. It is not active."""
    version = secrets.token_hex(4)
    done = client.stack.pyflyte(
        "register", "-p", PROJECT, "-d", DOMAIN, "--version", version, "nightly.py", cwd=PROGRAMS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    plan = identifier_pb2.Identifier(
        resource_type="LAUNCH_PLAN", project=PROJECT, domain=DOMAIN, name="every_night", version=version
    )
    spec = client.admin.GetLaunchPlan(common_pb2.ObjectGetRequest(id=plan)).spec
    spec.fixed_inputs.literals["folder"].scalar.primitive.string_value = str(folder)
    del spec.default_inputs.parameters["folder"]
    plan.name = f"every_night_{version}"
    client.admin.CreateLaunchPlan(launch_plan_pb2.LaunchPlanCreateRequest(id=plan, spec=spec))
    return plan


RANGE = ("--from", "2026-03-01T00:00Z", "--to", "2026-03-11T00:00+00:00", "--yes")


def test_ten_days_are_launched_and_what_failed_is_launched_again(client: Client, tmp_path: Path) -> None:
    plan = registered(client, tmp_path)
    planned = backfill(client, plan.name, *RANGE, "--dry-run")
    assert (planned["backfill"]["counts"]["total"], planned["first"]) == (10, "2026-03-01T02:00:00Z")

    first = backfill(client, plan.name, *RANGE, "--parallel", "4")["backfill"]["id"]["name"]
    assert ended(client, first) == {"total": 10, "succeeded": 9, "failed": 1}
    third = identifier_pb2.WorkflowExecutionIdentifier(
        project=PROJECT,
        domain=DOMAIN,
        name=execution_name(plan, int(datetime(2026, 3, 3, 2, tzinfo=UTC).timestamp())),
    )
    failed = client.execution(third)
    assert "the data of the third are late" in failed.closure.error.message
    assert failed.spec.metadata.mode == Mode.SCHEDULED

    (tmp_path / "repaired").touch()
    again = backfill(client, plan.name, *RANGE, "--failed-only")["backfill"]["id"]["name"]
    assert ended(client, again) == {"total": 10, "succeeded": 1, "skipped": 9}
    third.name = f"{third.name[:-3]}001"
    assert client.outputs(third) == {"o0": "2026-03-03"}


@pytest.mark.parametrize("process", ["admin", "temporal", "postgres", "worker"])
def test_a_backfill_goes_on_although_a_process_was_killed(client: Client, tmp_path: Path, process: str) -> None:
    (tmp_path / "repaired").touch()
    plan = registered(client, tmp_path)
    name = backfill(client, plan.name, *RANGE, "--parallel", "2")["backfill"]["id"]["name"]
    wait_until(lambda: counts(client, name).get("succeeded", 0) >= 2)

    state = state_folder.read_state(StateFolder(client.stack.home))
    assert state is not None
    os.kill(state["processes"][process], signal.SIGKILL)

    def is_over() -> bool:
        try:
            return bool(backfill(client, "get", name).get("endedAt"))
        except AssertionError:  # Admin or Postgres is not back yet.
            return False

    wait_until(is_over)
    assert counts(client, name) == {"total": 10, "succeeded": 10}
    listed = client.admin.ListExecutions(
        common_pb2.ResourceListRequest(
            id=common_pb2.NamedEntityIdentifier(project=PROJECT, domain=DOMAIN),
            filters=f"eq(launch_plan.name,{plan.name})",
            limit=100,
        )
    )
    assert len(listed.executions) == 10, "each time was launched once"


def test_a_backfill_is_paused_resumed_and_cancelled(client: Client, tmp_path: Path) -> None:
    (tmp_path / "repaired").touch()
    plan = registered(client, tmp_path)
    name = backfill(client, plan.name, *RANGE)["backfill"]["id"]["name"]
    assert backfill(client, "pause", name)["hasChanged"]
    wait_until(lambda: "running" not in counts(client, name))
    assert counts(client, name).get("pending", 0) > 0

    assert backfill(client, "resume", name)["hasChanged"]
    wait_until(lambda: counts(client, name).get("succeeded", 0) > 0)
    backfill(client, "cancel", name)

    left = ended(client, name)
    assert left["succeeded"] + left.get("cancelled", 0) == 10
    assert [found["id"]["name"] for found in backfill(client, "ls", plan.name)["backfills"]] == [name]


def test_pyflyte_backfill_runs_an_imperative_workflow_of_launch_plan_nodes(client: Client, tmp_path: Path) -> None:
    (tmp_path / "repaired").touch()
    plan = registered(client, tmp_path)
    name = f"e2e{secrets.token_hex(6)}"
    done = client.stack.pyflyte(
        "backfill", "-p", PROJECT, "-d", DOMAIN, "--from-date", "2026-03-01", "--to-date", "2026-03-05",
        "--parallel", "-n", name, plan.name, plan.version,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr

    parent = identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name=name)
    execution = client.wait(parent)
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    names = [node.metadata.spec_node_id for node in client.nodes(parent).values()]
    assert len([found for found in names if re.fullmatch(r"n\d", found)]) == 4
    children = [node.closure.workflow_node_metadata.executionId for node in client.nodes(parent).values()]
    days = sorted(str(client.outputs(child)["o0"]) for child in children if child.name)
    assert days == [f"2026-03-0{day}" for day in (1, 2, 3, 4)]
