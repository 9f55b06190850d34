"""Operators edit running executions with the commands of a terminal; stock clients see the results."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2

from tests.e2e.client import DOMAIN, PROJECT, Client, connected
from tests.e2e.test_commands import run
from tests.fixtures.stack import RunningStack
from tests.fixtures.waiting import wait_until

W = core_execution_pb2.WorkflowExecution


@pytest.fixture(scope="module")
def client(stack: RunningStack) -> Iterator[Client]:
    with connected(stack) as client:
        yield client


def execution_id(name: str) -> identifier_pb2.WorkflowExecutionIdentifier:
    return identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name=name)


@pytest.fixture
def held(client: Client, tmp_path: Path) -> tuple[str, Path]:
    """An execution with a held node, and the path of the file that the node needs."""
    needed = tmp_path / "needed"
    name = client.start("holding", "held", "--path", str(needed)).name
    wait_until(lambda: "is held since" in run(client, "why", name))
    return name, needed


def test_a_held_node_is_explained_with_the_commands_that_end_its_wait(client: Client, held: tuple[str, Path]) -> None:
    name, _ = held
    text = run(client, "why", name, "n1")
    run(client, "terminate", name, "--reason", "seen")

    assert "FileNotFoundError" in text
    assert f"`flytetemporal retry {name} n1`" in text
    assert f"`flytetemporal skip {name} n1 --outputs FILE`" in text


def test_a_held_node_is_retried_after_the_cause_is_gone(client: Client, held: tuple[str, Path]) -> None:
    name, needed = held
    needed.touch()

    assert run(client, "retry", name, "n1", "--revision", "0") == "n1 runs again (revision 1)\n"
    execution = client.wait(execution_id(name))

    assert execution.closure.phase == W.SUCCEEDED
    assert client.outputs(execution.id) == {"o0": 6}


def test_a_held_node_is_skipped_with_outputs(client: Client, held: tuple[str, Path], tmp_path: Path) -> None:
    name, _ = held
    outputs = tmp_path / "outputs.json"
    outputs.write_text('{"o0": "five"}')
    refusal = run(client, "skip", name, "n1", "--outputs", str(outputs), status=1)
    outputs.write_text('{"o0": 5}')
    answer = json.loads(run(client, "skip", name, "n1", "--outputs", str(outputs), "-o", "json"))
    execution = client.wait(execution_id(name))

    described = " ".join(run(client, "describe", name).split())
    assert "outputs given by " in described
    assert "ends with given outputs" in described
    assert "skipped: outputs given by " in " ".join(run(client, "describe", name, "n1").split())
    assert "skipped:" not in run(client, "describe", name, "n0")
    assert "INVALID_ARGUMENT" in refusal
    assert "the outputs of node n1: o0 is no simple:INTEGER" in refusal
    assert answer == {"revision": "1"}
    assert client.outputs(execution.id) == {"o0": 10}
    assert client.nodes(execution.id)["n1"].closure.phase == core_execution_pb2.NodeExecution.SUCCEEDED
    assert "has ended (SUCCEEDED), so it cannot be edited" in run(client, "retry", name, "n1", status=1)


def test_an_execution_that_no_longer_holds_fails(client: Client, held: tuple[str, Path]) -> None:
    name, _ = held

    assert run(client, "edit", name, "--node", "n1", "--retries", "2", "--cpu", "1") == "n1 is changed (revision 1)\n"
    assert run(client, "edit", name, "--max-parallelism", "3") == f"{name} is changed (revision 2)\n"
    assert run(client, "edit", name, "--on-failure", "fail") == f"{name} is changed (revision 3)\n"
    execution = client.wait(execution_id(name))

    described = run(client, "describe", name)
    for changes in ("retries 2, cpu 1", "max parallelism 3", "on failure fail"):
        assert changes in described
    assert execution.closure.phase == W.FAILED
    assert "FileNotFoundError" in execution.closure.error.message


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("retry", "nobody", "n0"), "NOT_FOUND"),
        (("skip", "nobody", "n0"), "NOT_FOUND"),
        (("edit", "nobody", "--on-failure", "hold"), "NOT_FOUND"),
    ],
)
def test_edits_of_what_does_not_exist_are_refused_in_one_line(
    client: Client, arguments: tuple[str, ...], problem: str
) -> None:
    message = run(client, *arguments, status=1)

    assert problem in message
    assert len(message.splitlines()) == 1
