"""Map tasks of older flytekit, which are tasks of type container_array."""

from collections.abc import Iterator

import pytest
from flyteidl.admin import execution_pb2

from tests.e2e.client import Client, Phase, connected, primitive
from tests.fixtures.stack import RunningStack


@pytest.fixture
def client(stack: RunningStack) -> Iterator[Client]:
    with connected(stack) as client:
        yield client


def listed(client: Client, execution: execution_pb2.Execution) -> list[object]:
    data = client.admin.GetExecutionData(execution_pb2.WorkflowExecutionGetDataRequest(id=execution.id))
    return [primitive(literal) for literal in data.full_outputs.literals["o0"].collection.literals]


def test_every_element_gives_its_own_output(client: Client) -> None:
    execution = client.run("legacy", "all_succeed", "--a", "[1, 2, 3]")

    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    assert listed(client, execution) == [10, 20, 30]
    (task,) = client.attempts(execution.id)
    assert task.closure.task_type == "container_array"
    assert {resource.index for resource in task.closure.metadata.external_resources} == {0, 1, 2}
    assert not client.nodes(execution.id)["n0"].metadata.is_array


def test_failures_within_the_ratio_leave_nothing_in_their_places(client: Client) -> None:
    execution = client.run("legacy", "some_fail", "--a", "[1, -2, 3]")

    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    assert client.outputs(execution.id) == {"o0": "1,None,3"}


def test_failures_beyond_the_ratio_fail_the_execution(client: Client) -> None:
    execution = client.run("legacy", "some_fail", "--a", "[-1, -2, 3]")

    assert execution.closure.phase == Phase.FAILED
    assert "-1 is negative" in execution.closure.error.message


def test_elements_are_tried_again_and_find_their_checkpoints(client: Client) -> None:
    execution = client.run("legacy", "tried_again", "--a", "[0, 1, 2]")

    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    assert listed(client, execution) == ["<0>", "<1>", "<2>"]
    (task,) = client.attempts(execution.id)
    attempts = [(resource.index, resource.retry_attempt) for resource in task.closure.metadata.external_resources]
    assert (1, 1) in attempts


def test_files_of_elements_are_handed_on(client: Client) -> None:
    execution = client.run("legacy", "files", "--a", "[7, 8]")

    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    assert client.outputs(execution.id) == {"o0": "7,8"}
