"""Raw containers of flytekit on the whole stack: with the real podman if this machine allows it, else a stand-in."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from flyteidl.core import execution_pb2 as core_execution_pb2

from scripts import background_stack
from tests.e2e.client import Client, Phase, connected
from tests.fixtures.container_engines import IMAGE, TestEngine
from tests.fixtures.stack import RunningStack


@pytest.fixture(scope="module")
def client(
    tmp_path_factory: pytest.TempPathFactory, podman: TestEngine, stand_in_engine: TestEngine
) -> Iterator[Client]:
    engine = stand_in_engine if podman.problem else podman
    home: Path = tmp_path_factory.mktemp("boxes") / "home"
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {**engine.variables, "BOXES_IMAGE": IMAGE}.items():
            environment.setenv(name, value)
        with background_stack.running(home) as state, connected(RunningStack.of(home, state)) as client:
            yield client


def test_a_container_runs_between_python_tasks(client: Client) -> None:
    execution = client.run("boxes", "counting", "--words", "one two three")

    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    assert client.outputs(execution.id) == {"o0": 3, "o1": "one two three"}
    (attempt,) = client.attempts(execution.id, "n1")
    assert attempt.closure.task_type == "raw-container"
    assert httpx.get(attempt.closure.logs[0].uri).text == "counting for Ada\n"


def test_the_error_of_a_container_is_the_error_of_the_execution(client: Client) -> None:
    execution = client.run("boxes", "failing")

    error = execution.closure.error
    assert (execution.closure.phase, error.code) == (Phase.FAILED, "RetriesExhausted|OutputUploadFailed")
    assert error.kind == core_execution_pb2.ExecutionError.USER
    assert "User Error: no good" in error.message
