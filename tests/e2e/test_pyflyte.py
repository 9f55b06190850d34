"""Ordinary flytekit programs, run by the stock command line on the whole stack."""

import re
from collections.abc import Iterator

import httpx
import pytest
from flyteidl.admin import execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flytekit.configuration import Config
from flytekit.remote.remote import FlyteRemote

from tests.e2e.client import DOMAIN, PROGRAMS, PROJECT, Client, Phase, connected
from tests.fixtures.stack import RunningStack


@pytest.fixture
def client(stack: RunningStack) -> Iterator[Client]:
    with connected(stack) as client:
        yield client


def test_every_type_of_value_passes_unchanged(client: Client) -> None:
    execution = client.run("typed", "every_type")

    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    assert client.outputs(execution.id) == {
        "o0": "['a', 'b']|0.5|4|['x']|pickled|6|2|3|body|['a', 'b']|None|either|blue|2024-01-02T03:04:05+00:00|90.0",
        "o1": 6,
        "o2": "b3",
    }


def test_values_of_megabytes_stay_in_the_store(client: Client) -> None:
    execution = client.run("large", "large", "--size", "3000")

    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    assert client.outputs(execution.id) == {"o0": 3000}


@pytest.mark.parametrize(
    ("how", "code", "text"),
    [
        ("raise", "USER:RuntimeError", "ValueError: raised on purpose"),
        ("exit", "RetriesExhausted|Error", "exit code"),
        ("segfault", "RetriesExhausted|Error", "SIGSEGV"),
    ],
)
def test_a_task_that_dies_fails_with_the_right_error(client: Client, how: str, code: str, text: str) -> None:
    execution = client.run("dying", "dying", "--how", how)

    error = execution.closure.error
    assert (execution.closure.phase, error.code) == (Phase.FAILED, code)
    assert error.kind == core_execution_pb2.ExecutionError.USER
    assert re.search(text, error.message)


def test_a_killed_process_is_a_system_failure_and_retried(client: Client) -> None:
    execution = client.run("dying", "dying", "--how", "kill")

    assert execution.closure.phase == Phase.FAILED
    assert execution.closure.error.code == "RetriesExhausted|Interrupted"
    assert len(client.attempts(execution.id)) == 4


def test_an_abort_ends_the_task_and_keeps_its_cause(client: Client) -> None:
    execution_id = client.start("dying", "dying", "--how", "never")
    while not any(
        task.closure.phase == core_execution_pb2.TaskExecution.RUNNING for task in client.attempts(execution_id)
    ):
        assert client.execution(execution_id).closure.phase not in (Phase.FAILED, Phase.SUCCEEDED)

    client.admin.TerminateExecution(execution_pb2.ExecutionTerminateRequest(id=execution_id, cause="on purpose"))
    execution = client.wait(execution_id)

    assert execution.closure.phase == Phase.ABORTED
    assert execution.closure.abort_metadata.cause == "on purpose"
    assert [task.closure.phase for task in client.attempts(execution_id)] == [core_execution_pb2.TaskExecution.ABORTED]
    assert client.nodes(execution_id)["n0"].closure.phase == core_execution_pb2.NodeExecution.ABORTED


def test_the_log_of_a_task_is_linked_and_served(client: Client) -> None:
    execution = client.run("dying", "dying", "--how", "raise")

    log = client.attempts(execution.id)[0].closure.logs[0]
    answer = httpx.get(log.uri)

    assert answer.status_code == 200
    assert "raised on purpose" in answer.text


def test_registering_an_unchanged_tree_twice_succeeds(stack: RunningStack) -> None:
    arguments = ("register", "-p", PROJECT, "-d", DOMAIN, "--version", "twice", "large.py")

    first, second = (stack.pyflyte(*arguments, cwd=PROGRAMS) for _ in range(2))

    assert first.returncode == 0, first.stdout + first.stderr
    assert second.returncode == 0, second.stdout + second.stderr


def test_a_remote_client_executes_waits_and_reads_outputs(stack: RunningStack) -> None:
    registered = stack.pyflyte("register", "-p", PROJECT, "-d", DOMAIN, "--version", "remote", "large.py", cwd=PROGRAMS)
    assert registered.returncode == 0, registered.stdout + registered.stderr
    remote = FlyteRemote(Config.auto(str(stack.client_config)), default_project=PROJECT, default_domain=DOMAIN)

    workflow = remote.fetch_workflow(name="large.large", version="remote")
    execution = remote.execute(workflow, inputs={"size": 10}, wait=True)
    task = remote.execute(remote.fetch_task(name="large.make", version="remote"), inputs={"size": 2}, wait=True)

    assert execution.outputs is not None
    assert execution.outputs["o0"] == 10
    assert task.outputs is not None
    assert task.outputs["o0"] == ["x" * 1000] * 2
    assert remote.fetch_execution(name=execution.id.name).is_done


def test_missing_inputs_are_refused_before_anything_runs(stack: RunningStack) -> None:
    done = stack.pyflyte("run", "--remote", "-p", PROJECT, "-d", DOMAIN, "dying.py", "dying", cwd=PROGRAMS)

    assert done.returncode != 0
    assert "how" in done.stdout + done.stderr
