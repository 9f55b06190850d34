"""Launch plans run by themselves: registered and activated with stock tools, launched by Temporal Schedules."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flyteidl.admin import common_pb2, execution_pb2, launch_plan_pb2, schedule_pb2
from flyteidl.core import identifier_pb2

from flytetemporal.admin.executions.scheduled_launching import execution_name
from tests.e2e.client import DOMAIN, PROGRAMS, PROJECT, Client, Phase, connected
from tests.fixtures.stack import RunningStack
from tests.fixtures.waiting import wait_until


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


def test_an_active_schedule_launches_executions_until_it_is_deactivated(client: Client) -> None:
    plan = registered(client)
    spec = launch_plan_pb2.LaunchPlanSpec()
    spec.CopyFrom(plan.spec)
    spec.ClearField("default_inputs")
    # flytekit has no schedule shorter than a minute.
    often = schedule_pb2.CronSchedule(schedule="@every 2s")
    spec.entity_metadata.schedule.CopyFrom(schedule_pb2.Schedule(cron_schedule=often, kickoff_time_input_arg="kickoff"))
    frequent = identifier_pb2.Identifier()
    frequent.CopyFrom(plan.id)
    frequent.name = f"frequent_{plan.id.version}"
    client.admin.CreateLaunchPlan(launch_plan_pb2.LaunchPlanCreateRequest(id=frequent, spec=spec))

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
