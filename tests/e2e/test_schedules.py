"""Launch plans run by themselves: registered and activated with stock tools, launched by Temporal Schedules."""

import secrets
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flyteidl.admin import common_pb2, execution_pb2, launch_plan_pb2, schedule_pb2
from flyteidl.core import identifier_pb2

from flytetemporal.admin.executions.scheduled_launching import execution_name
from tests.e2e.client import DOMAIN, PROGRAMS, PROJECT, Client, Phase, connected
from tests.fixtures.stack import RunningStack
from tests.fixtures.waiting import HANG_SECONDS, wait_until


@pytest.fixture
def client(stack: RunningStack) -> Iterator[Client]:
    with connected(stack) as client:
        yield client


def registered(client: Client) -> launch_plan_pb2.LaunchPlan:
    """Register the program with pyflyte, and return its launch plan."""
    version = secrets.token_hex(4)
    done = client.stack.pyflyte(
        "register", "-p", PROJECT, "-d", DOMAIN, "--version", version, "scheduled.py", cwd=PROGRAMS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    plan = identifier_pb2.Identifier(
        resource_type="LAUNCH_PLAN", project=PROJECT, domain=DOMAIN, name="every_morning", version=version
    )
    found: launch_plan_pb2.LaunchPlan = client.admin.GetLaunchPlan(common_pb2.ObjectGetRequest(id=plan))
    return found


def set_state(client: Client, plan: identifier_pb2.Identifier, state: launch_plan_pb2.LaunchPlanState) -> None:
    client.admin.UpdateLaunchPlan(launch_plan_pb2.LaunchPlanUpdateRequest(id=plan, state=state))


def launched(client: Client, plan: identifier_pb2.Identifier) -> list[execution_pb2.Execution]:
    """Return the executions of a launch plan, oldest first."""
    listed = client.admin.ListExecutions(
        common_pb2.ResourceListRequest(
            id=common_pb2.NamedEntityIdentifier(project=PROJECT, domain=DOMAIN),
            filters=f"eq(launch_plan.name,{plan.name})",
            sort_by={"key": "created_at", "direction": common_pb2.Sort.ASCENDING},
            limit=100,
        )
    )
    return list(listed.executions)


def frequent_plan(client: Client, policy: str = "") -> identifier_pb2.Identifier:
    """Register a launch plan that fires every other second, which flytekit cannot write."""
    plan = registered(client)
    spec = launch_plan_pb2.LaunchPlanSpec()
    spec.CopyFrom(plan.spec)
    spec.ClearField("default_inputs")
    often = schedule_pb2.CronSchedule(schedule="@every 2s")
    spec.entity_metadata.schedule.CopyFrom(schedule_pb2.Schedule(cron_schedule=often, kickoff_time_input_arg="kickoff"))
    if policy:
        spec.annotations.values["flytetemporal.io/schedule"] = policy
    frequent = identifier_pb2.Identifier()
    frequent.CopyFrom(plan.id)
    frequent.name = f"frequent_{plan.id.version}"
    client.admin.CreateLaunchPlan(launch_plan_pb2.LaunchPlanCreateRequest(id=frequent, spec=spec))
    return frequent


def run(client: Client, *arguments: str) -> str:
    """Return what a command prints."""
    command = [sys.executable, "-m", "flytetemporal.cli.main", *arguments, "--home", str(client.stack.home)]
    place = ["-p", PROJECT, "-d", DOMAIN]
    done = subprocess.run([*command, *place], capture_output=True, text=True, timeout=HANG_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_active_schedule_launches_executions_until_it_is_deactivated(client: Client) -> None:
    frequent = frequent_plan(client)

    set_state(client, frequent, launch_plan_pb2.ACTIVE)
    wait_until(lambda: len(launched(client, frequent)) >= 2)
    set_state(client, frequent, launch_plan_pb2.INACTIVE)

    for execution in launched(client, frequent):
        metadata = execution.spec.metadata
        assert metadata.mode == execution_pb2.ExecutionMetadata.SCHEDULED
        assert execution.id.name == execution_name(frequent, metadata.scheduled_at.seconds)
        ended = client.wait(execution.id)
        assert ended.closure.phase == Phase.SUCCEEDED
        at = datetime.fromisoformat(str(client.outputs(execution.id)["o0"]))
        assert at == metadata.scheduled_at.ToDatetime(UTC)


def test_a_paused_schedule_launches_nothing_until_it_is_resumed(client: Client) -> None:
    frequent = frequent_plan(client, "{overlap: skip, pause_on_failure: true}")
    set_state(client, frequent, launch_plan_pb2.ACTIVE)
    wait_until(lambda: len(launched(client, frequent)) >= 1)

    assert "is paused" in run(client, "pause", frequent.name, "--kind", "schedule", "--by", "ann", "--reason", "moving")
    listed = run(client, "get", "schedules", frequent.name)
    assert "by ann: moving" in listed
    assert "@every 2s" in listed
    wait_until(lambda: all(found.closure.phase == Phase.SUCCEEDED for found in launched(client, frequent)))
    before = len(launched(client, frequent))
    run(client, "resume", frequent.name, "--kind", "schedule", "--by", "ann")
    wait_until(lambda: len(launched(client, frequent)) > before)
    set_state(client, frequent, launch_plan_pb2.INACTIVE)

    assert "by ann" not in run(client, "get", "schedules", "-o", "json")
