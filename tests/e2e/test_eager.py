"""Eager workflows launch executions through the stock client inside their task."""

from collections.abc import Iterator

import pytest
from flyteidl.admin import common_pb2, execution_pb2

from tests.e2e.client import DOMAIN, PROJECT, Client, Phase, connected
from tests.fixtures.stack import RunningStack
from tests.fixtures.waiting import wait_until


@pytest.fixture
def client(stack: RunningStack) -> Iterator[Client]:
    with connected(stack) as client:
        yield client


def launched_by(client: Client, name: str) -> list[execution_pb2.Execution]:
    """Return the executions that an eager one launched; they carry its name as a label."""
    listed = client.admin.ListExecutions(
        common_pb2.ResourceListRequest(
            id=common_pb2.NamedEntityIdentifier(project=PROJECT, domain=DOMAIN),
            limit=50,
            filters=f"eq(execution_tag.key,eager-exec)+eq(execution_tag.value,{name})",
        )
    )
    return list(listed.executions)


def test_executions_of_an_eager_workflow_are_linked_to_it(client: Client) -> None:
    execution = client.run("eager", "sums", "--a", "3")

    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    assert client.outputs(execution.id) == {"o0": 9}
    children = launched_by(client, execution.id.name)
    assert [child.closure.phase for child in children] == [Phase.SUCCEEDED, Phase.SUCCEEDED]
    assert {child.spec.labels.values["flytetemporal.io/eager-node"] for child in children} == {"eagersums"}


def test_an_eager_workflow_whose_process_died_finds_its_executions(client: Client) -> None:
    execution = client.run("eager", "comes_back", "--a", "3")

    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    assert client.outputs(execution.id) == {"o0": 4}
    assert (
        len(client.attempts(execution.id, next(iter(client.nodes(execution.id).keys() - {"start-node", "end-node"}))))
        == 2
    )
    assert len(launched_by(client, execution.id.name)) == 1


def test_running_executions_of_a_failed_eager_workflow_are_aborted(client: Client) -> None:
    execution = client.wait(client.start("eager", "gives_up"))

    assert execution.closure.phase == Phase.FAILED
    assert "gave up" in execution.closure.error.message
    # The sweeper aborts it a minute after the end of its parent.
    wait_until(lambda: [child.closure.phase for child in launched_by(client, execution.id.name)] == [Phase.ABORTED])
