"""Users control runs: with signals, aborts, by force and in Temporal; and ask what a run waits for."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from flyteidl.admin import execution_pb2, signal_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2, literals_pb2
from flyteidl.service import signal_pb2_grpc
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client as TemporalClient
from temporalio.client import WorkflowHandle

from flytetemporal.idl import naming
from tests.e2e.client import DOMAIN, PROJECT, Client, Phase, connected
from tests.fixtures.stack import RunningStack
from tests.fixtures.waiting import HANG_SECONDS, wait_until

NodePhase, TaskPhase = core_execution_pb2.NodeExecution, core_execution_pb2.TaskExecution
ExecutionId = identifier_pb2.WorkflowExecutionIdentifier


@pytest.fixture
def client(stack: RunningStack) -> Iterator[Client]:
    with connected(stack) as client:
        yield client


def flytetemporal(client: Client, command: str, *arguments: str) -> str:
    """Run one of our commands; the endpoint is the stack's."""
    place = ["-p", PROJECT, "-d", DOMAIN, "--endpoint", client.stack.grpc_endpoint]
    done = subprocess.run(
        [sys.executable, "-m", "flytetemporal.cli.main", command, *arguments, *place],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def running(client: Client, execution_id: ExecutionId, node_id: str = "n0") -> Callable[[], bool]:
    """Return whether the node's first attempt runs."""

    def check() -> bool:
        try:
            return any(task.closure.phase == TaskPhase.RUNNING for task in client.attempts(execution_id, node_id))
        except grpc.RpcError:
            return False

    return check


def act_in_temporal(
    client: Client, execution_id: ExecutionId, act: Callable[[TemporalClient, WorkflowHandle[Any, Any]], Any]
) -> None:
    """Do to the workflow what Temporal's UI does."""

    async def connected_act() -> None:
        temporal = await TemporalClient.connect(client.stack.temporal_address)
        await act(temporal, temporal.get_workflow_handle(naming.temporal_workflow_id(execution_id)))

    asyncio.run(connected_act())


def integer(value: int) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=value)))


def test_a_gate_is_explained_and_answered(client: Client) -> None:
    execution_id = client.start("control", "gate")
    wait_until(lambda: "signal" in flytetemporal(client, "why", execution_id.name, "n0"))

    everything = flytetemporal(client, "why", execution_id.name)
    with grpc.insecure_channel(client.stack.grpc_endpoint) as channel:
        signals = signal_pb2_grpc.SignalServiceStub(channel)
        identifier = identifier_pb2.SignalIdentifier(signal_id="number", execution_id=execution_id)
        for value in (5, 5):
            signals.SetSignal(signal_pb2.SignalSetRequest(id=identifier, value=integer(value)))
    execution = client.wait(execution_id)

    assert f"{execution_id.name} is RUNNING" in everything
    assert 'n0 waits for signal "number" (integer)' in everything
    assert "n1 waits for n0" in everything
    assert execution.closure.phase == Phase.SUCCEEDED
    assert client.outputs(execution_id) == {"o0": 6}


def test_a_signal_can_be_set_before_its_gate_is_reached(client: Client) -> None:
    name = "e2esignalfirst"
    execution_id = identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name=name)
    identifier = identifier_pb2.SignalIdentifier(signal_id="number", execution_id=execution_id)
    started = client.start("control", "gate")  # Registers the workflow.
    with grpc.insecure_channel(client.stack.grpc_endpoint) as channel:
        signals = signal_pb2_grpc.SignalServiceStub(channel)
        kind = {"simple": "INTEGER"}
        signals.GetOrCreateSignal(signal_pb2.SignalGetOrCreateRequest(id=identifier, type=kind))
        signals.SetSignal(signal_pb2.SignalSetRequest(id=identifier, value=integer(9)))
    spec = client.execution(started).spec
    client.admin.CreateExecution(
        execution_pb2.ExecutionCreateRequest(
            project=PROJECT, domain=DOMAIN, name=name, spec=execution_pb2.ExecutionSpec(launch_plan=spec.launch_plan)
        )
    )

    assert client.wait(execution_id).closure.phase == Phase.SUCCEEDED
    assert client.outputs(execution_id) == {"o0": 10}
    flytetemporal(client, "terminate", started.name, "--cause", "not needed", "--force")


def test_a_running_task_is_explained_and_ended_by_force(client: Client) -> None:
    execution_id = client.start("control", "waiting")
    wait_until(lambda: "running attempt 0" in flytetemporal(client, "why", execution_id.name, "n0"))

    flytetemporal(client, "terminate", execution_id.name, "--cause", "enough", "--force")

    closure = client.execution(execution_id).closure
    assert (closure.phase, closure.abort_metadata.cause) == (Phase.ABORTED, "enough")
    assert "has ended: ABORTED" in flytetemporal(client, "why", execution_id.name)


def test_a_cancel_in_temporal_is_an_abort(client: Client) -> None:
    execution_id = client.start("control", "waiting")
    wait_until(running(client, execution_id))

    act_in_temporal(client, execution_id, lambda _, handle: handle.cancel())

    closure = client.wait(execution_id).closure
    assert (closure.phase, closure.abort_metadata.cause) == (
        Phase.ABORTED,
        "The workflow was cancelled in Temporal.",
    )
    assert client.nodes(execution_id)["n0"].closure.phase == NodePhase.ABORTED


def test_a_terminate_in_temporal_is_an_abort(client: Client) -> None:
    execution_id = client.start("control", "waiting")
    wait_until(running(client, execution_id))

    act_in_temporal(client, execution_id, lambda _, handle: handle.terminate(reason="ended by an operator"))

    closure = client.wait(execution_id).closure
    assert (closure.phase, closure.abort_metadata.cause) == (
        Phase.ABORTED,
        "The workflow was terminated in Temporal: ended by an operator",
    )


async def reset(temporal: TemporalClient, handle: WorkflowHandle[Any, Any]) -> None:
    """Reset to the first workflow task, as the UI offers it."""
    events = (await handle.fetch_history()).events
    done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    first = next(event.event_id for event in events if event.event_type == done)
    await temporal.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=temporal.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id),
            reason="try that again",
            workflow_task_finish_event_id=first,
            request_id=handle.id,
        )
    )


def test_a_running_workflow_continues_after_a_reset(client: Client) -> None:
    execution_id = client.start("control", "waiting", "--seconds", "3")
    wait_until(running(client, execution_id))

    act_in_temporal(client, execution_id, reset)

    execution = client.wait(execution_id)
    assert execution.closure.phase == Phase.SUCCEEDED
    assert client.outputs(execution_id) == {"o0": 2}


def test_an_attempt_gets_the_checkpoint_of_the_previous_one(client: Client) -> None:
    execution = client.run("control", "checkpointed")

    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    assert client.outputs(execution.id) == {"o0": 2}
    first, second, _ = client.attempts(execution.id)
    assert [attempt.closure.reason for attempt in (first, second)] == [
        "retry 1 of 2 for USER failures follows",
        "retry 2 of 2 for USER failures follows",
    ]


def test_overrides_reach_node_and_task(client: Client) -> None:
    execution = client.run("control", "overridden")

    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    assert client.outputs(execution.id) == {"o0": "control.described"}
    nodes = client.nodes(execution.id)
    assert "renamed" in nodes
    (attempt,) = client.attempts(execution.id, "renamed")
    assert attempt.closure.metadata.instance_class == attempt.closure.metadata.INTERRUPTIBLE


def test_an_overridden_timeout_stops_each_attempt(client: Client) -> None:
    execution = client.run("control", "cut_short")

    assert execution.closure.phase == Phase.FAILED
    assert execution.closure.error.code in ("RetriesExhausted|TimeoutExpired", "Timeout")
