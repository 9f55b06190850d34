"""Stock flytekit programs with values of megabytes, and with workflows that never end."""

from collections.abc import Iterator

import pytest
from flyteidl.admin import execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2

from tests.e2e.client import PROGRAMS, Client, Phase, connected, primitive
from tests.fixtures.stack import RunningStack


@pytest.fixture
def client(stack: RunningStack) -> Iterator[Client]:
    with connected(stack) as client:
        yield client


def test_strings_of_megabytes_pass_through_every_kind_of_node(client: Client) -> None:
    size = 3_000_000
    execution = client.wait(client.start("huge", "huge", "--size", str(size)))

    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    data = client.admin.GetExecutionData(execution_pb2.WorkflowExecutionGetDataRequest(id=execution.id))
    outputs = data.full_outputs.literals
    assert [primitive(outputs[f"o{n}"]) for n in range(1, 6)] == [size, size, size + 3_200_000, 3_200_000, size]
    # An answer that would be too large has references instead, with the sizes.
    assert outputs["o0"].offloaded_metadata.size_bytes > size
    doubled = [element.offloaded_metadata.size_bytes for element in outputs["o6"].collection.literals]
    assert [found > 2 * size for found in doubled] == [True, True]
    assert primitive(outputs["o7"]) == "short"


def test_clients_read_an_offloaded_string_like_any_other(client: Client) -> None:
    execution = client.run("huge", "make", "--size", "100000")

    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    assert client.outputs(execution.id) == {"o0": "x" * 100_000}


def test_a_dynamic_workflow_that_recurses_forever_fails_as_the_users_error(client: Client) -> None:
    execution = client.wait(client.start("huge", "runaway"))

    assert execution.closure.phase == Phase.FAILED
    error = execution.closure.error
    assert (error.code, error.kind) == ("WorkflowTooDeep", core_execution_pb2.ExecutionError.USER)
    assert "the limit is 50 (FLYTETEMPORAL_ADMIN__MAX_WORKFLOW_DEPTH)" in error.message


def test_flytekits_workflows_nested_too_deep_are_refused_at_registration(stack: RunningStack) -> None:
    done = stack.pyflyte(
        "register", "-p", "flytesnacks", "-d", "development", "--version", "deep", "deep.py", cwd=PROGRAMS
    )

    assert done.returncode
    printed = " ".join((done.stdout + done.stderr).split())
    # pyflyte registers the innermost workflow first; those within the limit are accepted.
    assert 'level51" version:"deep"] nests subworkflows 51 levels deep; the limit is 50' in printed
    assert 'level50" version:"deep"] nests' not in printed
