"""A launch plan limits how many of its executions run at once, on the whole stack."""

import secrets
import subprocess
import sys
from collections.abc import Iterator

import grpc
import pytest
from flyteidl.admin import execution_pb2, signal_pb2
from flyteidl.core import identifier_pb2, literals_pb2
from flyteidl.service import signal_pb2_grpc

from tests.e2e.client import DOMAIN, PROGRAMS, PROJECT, Client, Phase, connected
from tests.fixtures.registrations import INT, integer
from tests.fixtures.stack import RunningStack
from tests.fixtures.waiting import HANG_SECONDS, wait_until

ExecutionId = identifier_pb2.WorkflowExecutionIdentifier


@pytest.fixture(scope="module")
def client(stack: RunningStack) -> Iterator[Client]:
    with connected(stack) as client:
        yield client


@pytest.fixture(scope="module")
def version(client: Client) -> str:
    version = secrets.token_hex(4)
    done = client.stack.pyflyte(
        "register", "-p", PROJECT, "-d", DOMAIN, "--version", version, "limited.py", cwd=PROGRAMS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return version


def launch(client: Client, plan: str, version: str) -> ExecutionId:
    identifier = identifier_pb2.Identifier(
        resource_type="LAUNCH_PLAN", project=PROJECT, domain=DOMAIN, name=plan, version=version
    )
    request = execution_pb2.ExecutionCreateRequest(
        project=PROJECT,
        domain=DOMAIN,
        inputs=literals_pb2.LiteralMap(),
        spec=execution_pb2.ExecutionSpec(launch_plan=identifier),
    )
    created: ExecutionId = client.admin.CreateExecution(request).id
    return created


def let_go(client: Client, execution_id: ExecutionId) -> None:
    """Set the signal for which an execution waits, whether it has reached its gate or not."""
    identifier = identifier_pb2.SignalIdentifier(signal_id="number", execution_id=execution_id)
    with grpc.insecure_channel(client.stack.grpc_endpoint) as channel:
        signals = signal_pb2_grpc.SignalServiceStub(channel)
        signals.GetOrCreateSignal(signal_pb2.SignalGetOrCreateRequest(id=identifier, type=INT))
        signals.SetSignal(signal_pb2.SignalSetRequest(id=identifier, value=integer(1)))


def why(client: Client, execution_id: ExecutionId) -> str:
    command = [sys.executable, "-m", "flytetemporal.cli.main", "why", execution_id.name]
    done = subprocess.run(
        [*command, "--home", str(client.stack.home)], capture_output=True, text=True, timeout=HANG_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def phase(client: Client, execution_id: ExecutionId) -> Phase.Phase:
    return client.execution(execution_id).closure.phase


def test_an_execution_waits_until_the_one_before_it_has_ended(client: Client, version: str) -> None:
    first, second, third = (launch(client, "limited_queued", version) for _ in range(3))
    wait_until(lambda: phase(client, first) == Phase.RUNNING)

    assert (phase(client, second), phase(client, third)) == (Phase.QUEUED, Phase.QUEUED)
    assert f"runs at most 1 at once (now {first.name}); it is number 2 of 2 in the queue" in why(client, third)

    for one, other in ((first, second), (second, third)):
        let_go(client, one)
        assert client.wait(one).closure.phase == Phase.SUCCEEDED
        wait_until(lambda other=other: phase(client, other) == Phase.RUNNING)  # type: ignore[misc]
    let_go(client, third)
    assert client.wait(third).closure.phase == Phase.SUCCEEDED


def test_a_new_execution_replaces_the_one_that_runs(client: Client, version: str) -> None:
    first = launch(client, "limited_replaced", version)
    wait_until(lambda: phase(client, first) == Phase.RUNNING)

    second = launch(client, "limited_replaced", version)

    ended = client.wait(first).closure
    assert ended.phase == Phase.ABORTED
    assert f"replaced by execution {second.name}" in ended.abort_metadata.cause
    wait_until(lambda: phase(client, second) == Phase.RUNNING)
    let_go(client, second)
    assert client.wait(second).closure.phase == Phase.SUCCEEDED
