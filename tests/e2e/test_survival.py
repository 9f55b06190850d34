"""Any process of the stack can die in the middle of a run: the run finishes, and every event is recorded once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2

from flytetemporal.cli.dev import state_folder
from flytetemporal.cli.dev.state_folder import StateFolder
from scripts import background_stack
from tests.e2e.client import Client, Phase, connected
from tests.fixtures.stack import RunningStack
from tests.fixtures.waiting import wait_until

NodePhase = core_execution_pb2.NodeExecution
TaskPhase = core_execution_pb2.TaskExecution


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A separate stack, because its processes are killed."""
    folder = tmp_path_factory.mktemp("mortal")
    with (folder / "dev.log").open("wb") as output, background_stack.running(folder / "home", output=output) as state:
        yield RunningStack.of(folder / "home", state)


def wait_for(path: Path, text: str) -> None:
    wait_until(lambda: path.exists() and text in path.read_text())


def kill(stack: RunningStack, process: str) -> None:
    state = state_folder.read_state(StateFolder(stack.home))
    assert state is not None
    os.kill(state["processes"][process], signal.SIGKILL)


@pytest.mark.parametrize("process", ["worker", "admin", "temporal", "postgres"])
def test_a_run_finishes_although_a_process_was_killed(mortal: RunningStack, process: str, tmp_path: Path) -> None:
    with connected(mortal) as client:
        execution_id = client.start("slow", "three_steps", "--folder", str(tmp_path), "--seconds", "2")
        wait_for(tmp_path / "second", "started")

        kill(mortal, process)
        execution = client.wait(execution_id)

        assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
        assert client.outputs(execution_id) == {"o0": 3}
        assert_recorded_once(client, execution_id)
    # Tasks that had ended are not run again; those that were running when the worker died are.
    assert (tmp_path / "first").read_text() == "started\nended\n"
    assert (tmp_path / "third").read_text() == "started\nended\n"
    assert (tmp_path / "second").read_text().count("ended") == 1


def test_a_run_continues_after_the_whole_stack_was_stopped(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    home_folder = tmp_path_factory.mktemp("restarted") / "home"
    with running(home_folder) as client:
        execution_id = client.start("slow", "three_steps", "--folder", str(tmp_path), "--seconds", "2")
        wait_for(tmp_path / "second", "started")

    with running(home_folder) as client:
        execution = client.wait(execution_id)

        assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
        assert_recorded_once(client, execution_id)
    assert (tmp_path / "first").read_text() == "started\nended\n"


@contextmanager
def running(folder: Path) -> Iterator[Client]:
    with background_stack.running(folder) as state, connected(RunningStack.of(folder, state)) as client:
        yield client


def assert_recorded_once(client: Client, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> None:
    nodes = client.nodes(execution_id)
    assert set(nodes) == {"start-node", "n0", "n1", "n2", "end-node"}
    assert {node.closure.phase for node in nodes.values()} == {NodePhase.SUCCEEDED}
    for name in ("n0", "n1", "n2"):
        attempts = client.attempts(execution_id, name)
        assert [task.closure.phase for task in attempts] == [TaskPhase.SUCCEEDED]
