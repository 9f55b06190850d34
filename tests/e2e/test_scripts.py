"""Tasks of flytekit that carry a script or a query and no function."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from flyteidl.admin import execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import literals_pb2

from tests.e2e.client import Client, Phase, connected
from tests.fixtures.stack import RunningStack


@pytest.fixture
def client(stack: RunningStack) -> Iterator[Client]:
    with connected(stack) as client:
        yield client


@pytest.fixture
def songs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that the program names when it is registered."""
    path = tmp_path / "songs.db"
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("create table songs (name text, plays integer)")
        database.executemany("insert into songs values (?, ?)", [("a", 1), ("b", 9), ("c", 5), ("d", 7)])
    monkeypatch.setenv("SONGS", str(path))


def texts(client: Client, execution: execution_pb2.Execution) -> list[str]:
    data = client.admin.GetExecutionData(execution_pb2.WorkflowExecutionGetDataRequest(id=execution.id))
    literal: literals_pb2.Literal = data.full_outputs.literals["o0"]
    return [item.scalar.primitive.string_value for item in literal.collection.literals]


def test_shell_tasks_take_values_and_hand_files_and_folders_on(client: Client) -> None:
    execution = client.run("scripts", "shell", "--greeting", "Hello", "--name", "Ada")

    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    assert client.outputs(execution.id) == {"o0": "Hello, Ada", "o1": "3"}


def test_a_failing_script_is_the_users_error_with_its_words(client: Client) -> None:
    execution = client.run("scripts", "failing_shell")

    error = execution.closure.error
    assert execution.closure.phase == Phase.FAILED
    assert error.kind == core_execution_pb2.ExecutionError.USER
    for word in ("return-code 3", "some words", "a complaint"):
        assert word in error.message


def test_a_raw_shell_task_gets_variables_and_arguments(client: Client, tmp_path: Path) -> None:
    script = tmp_path / "script.sh"
    script.write_text('echo "$WORD $1" > words.txt\n')

    execution = client.run("scripts", "raw_shell", "--script", str(script))

    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    assert client.outputs(execution.id) == {"o0": "yes no"}


@pytest.mark.usefixtures("songs")
def test_a_query_runs_by_its_template_alone(client: Client) -> None:
    execution = client.run("scripts", "query", "--least", "4")

    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    assert texts(client, execution) == ["c", "d"]
