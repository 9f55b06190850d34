"""Replay needs no server: it walks what is in the file."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from temporalio.api.history.v1 import History
from temporalio.client import WorkflowHistory

from flytetemporal.cli.commands.executions import replay
from flytetemporal.cli.views import export_file

HISTORIES = Path(__file__).parents[3] / "replay" / "histories"
CHAIN = next(HISTORIES.glob("*chain*.json.gz"))


@pytest.fixture
def history() -> History:
    return History(events=WorkflowHistory.from_json("p:d:e", gzip.decompress(CHAIN.read_bytes()).decode()).events)


def replayed(folder: Path, *contents: bytes, options: tuple[str, ...] = ()) -> Result:
    path = folder / "e.zip"
    with export_file.written(path) as writer:
        for number, content in enumerate(contents):
            with writer.run("p:d:e", f"run{number}") as append:
                append(content)
        writer.finish({"execution": "p/d/e", "with_values": True})
    return CliRunner().invoke(replay.replay, [str(path), *options])


def test_a_history_of_this_engine_is_the_same(tmp_path: Path, history: History) -> None:
    done = replayed(tmp_path, history.SerializeToString())

    assert done.exit_code == 0, done.output
    assert f"run0  {len(history.events):<6}  same" in done.output


def test_a_history_of_another_engine_differs_at_an_event(tmp_path: Path, history: History) -> None:
    scheduled = [event for event in history.events if event.HasField("activity_task_scheduled_event_attributes")]
    scheduled[0].activity_task_scheduled_event_attributes.activity_id = "n7/0"

    done = replayed(tmp_path, history.SerializeToString(), options=("-o", "json"))
    document = json.loads(done.stdout)

    assert done.exit_code == 1
    assert "1 of 1 runs differ" in done.stderr
    [run] = document["runs"]
    assert run["place"] == f"event {scheduled[0].event_id}, ACTIVITY_TASK_SCHEDULED of run_task n7/0"
    assert "n7/0" in run["problem"]


@pytest.mark.parametrize(("content", "problem"), [(b"\xff\xff", "is damaged"), (b"", "is empty")])
def test_a_damaged_history_is_one_line(tmp_path: Path, content: bytes, problem: str) -> None:
    done = replayed(tmp_path, content)

    assert done.exit_code == 1
    assert problem in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_file_without_histories_replays_nothing(tmp_path: Path) -> None:
    assert "has no history" in replayed(tmp_path).stderr


def test_a_file_that_does_not_exist_is_a_wrong_argument() -> None:
    assert CliRunner().invoke(replay.replay, ["/nonexistent"]).exit_code == 2


def test_replay_imports_neither_flytekit_nor_a_database() -> None:
    program = (
        "import sys, flytetemporal.cli.commands.executions.replay\n"
        "assert not {'flytekit', 'sqlalchemy', 'pandas', 'starlette'} & set(sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
