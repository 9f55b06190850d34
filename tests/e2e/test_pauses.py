"""Users pause runs and resume them, with our commands and over HTTP; a pause outlives every process."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2

from tests.e2e.client import DOMAIN, PROJECT, Client, Phase, connected
from tests.e2e.test_commands import run
from tests.e2e.test_survival import running, wait_for
from tests.fixtures.stack import RunningStack
from tests.fixtures.waiting import wait_until

TaskPhase = core_execution_pb2.TaskExecution
ExecutionId = identifier_pb2.WorkflowExecutionIdentifier


def says(client: Client, text: str, *arguments: str) -> Callable[[], bool]:
    """Whether a command prints the text."""
    return lambda: text in run(client, *arguments)


def described(client: Client, execution_id: ExecutionId) -> str:
    """Return what ``describe`` prints, with single spaces."""
    return " ".join(run(client, "describe", execution_id.name).split())


def test_a_run_stays_paused_while_the_whole_stack_is_restarted(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    home = tmp_path_factory.mktemp("paused") / "home"
    with running(home) as client:
        execution_id = client.start("slow", "held", "--folder", str(tmp_path))
        wait_for(tmp_path / "first", "started")
        run(client, "pause", execution_id.name, "--reason", "look first", "--by", "ann")
        (tmp_path / "go").touch()
        wait_until(says(client, "n1 waits until it is resumed", "why", execution_id.name))

    with running(home) as client:
        wait_until(says(client, "n1 waits until it is resumed", "why", execution_id.name))
        assert "is paused by ann since" in run(client, "why", execution_id.name)
        assert f"paused: execution {execution_id.name} by ann since" in described(client, execution_id)
        assert "look first" in run(client, "pauses")
        assert not (tmp_path / "second").exists()
        run(client, "resume", execution_id.name)
        execution = client.wait(execution_id)
        after = described(client, execution_id)
        times = json.loads(run(client, "metrics", execution_id.name, "-o", "json"))
        shown = run(client, "metrics", execution_id.name)

    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    assert (tmp_path / "first").read_text() == "started\n"
    assert "paused:" not in after
    assert 0 < times["pausedSeconds"] < times["totalSeconds"]
    assert "paused by an operator: " in shown
    assert "pause ann look first" in after


def test_a_stopped_attempt_runs_again_and_is_not_charged(stack: RunningStack, tmp_path: Path) -> None:
    with connected(stack) as client:
        execution_id = client.start("slow", "held", "--folder", str(tmp_path))
        wait_for(tmp_path / "first", "started")
        run(client, "pause", execution_id.name, "--node", "n0", "--stop-running")
        wait_until(says(client, "n0 waits until it is resumed", "why", execution_id.name, "n0"))
        before = (tmp_path / "first").read_text()
        (tmp_path / "go").touch()
        run(client, "resume", execution_id.name, "--node", "n0")
        execution = client.wait(execution_id)

        assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
        phases = [task.closure.phase for task in client.attempts(execution_id, "n0")]
    assert before == "started\n"
    assert sorted(phases) == sorted([TaskPhase.ABORTED, TaskPhase.SUCCEEDED])


def test_executions_of_a_paused_launch_plan_are_accepted_and_wait_queued(stack: RunningStack) -> None:
    with connected(stack) as client:
        assert client.run("control", "checkpointed").closure.phase == Phase.SUCCEEDED
        plan = ("control.checkpointed", "--kind", "launch-plan")
        run(client, "pause", *plan, "--reason", "the model is wrong")
        execution_id = client.start("control", "checkpointed")
        wait_until(lambda: client.execution(execution_id).closure.phase == Phase.QUEUED)
        why = run(client, "why", execution_id.name)
        resumed = run(client, "resume", execution_id.name)
        run(client, "resume", *plan)
        execution = client.wait(execution_id)

    assert "launch plan control.checkpointed is paused by" in why
    assert "the model is wrong" in why
    assert "is not paused; these pauses remain:\n  launch plan control.checkpointed" in resumed
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message


def test_a_paused_execution_is_read_and_aborted_as_any_other(stack: RunningStack, tmp_path: Path) -> None:
    with connected(stack) as client:
        execution_id = client.start("slow", "held", "--folder", str(tmp_path))
        wait_for(tmp_path / "first", "started")
        run(client, "pause", execution_id.name)
        (tmp_path / "go").touch()
        wait_until(says(client, "n1 waits until it is resumed", "why", execution_id.name))
        phase = client.execution(execution_id).closure.phase
        run(client, "terminate", execution_id.name, "--reason", "enough")
        execution = client.wait(execution_id)
        refused = run(client, "pause", execution_id.name, status=1)

    assert (phase, execution.closure.phase) == (Phase.RUNNING, Phase.ABORTED)
    assert not (tmp_path / "second").exists()
    assert "FAILED_PRECONDITION" in refused
    assert f"execution {execution_id.name} has ended (ABORTED) and cannot be paused" in refused


def test_pauses_are_made_and_listed_over_http(stack: RunningStack, tmp_path: Path) -> None:
    with connected(stack) as client, httpx.Client(base_url=stack.http_url) as http:
        execution_id = client.start("slow", "held", "--folder", str(tmp_path))
        wait_for(tmp_path / "first", "started")
        target = {"project": PROJECT, "domain": DOMAIN, "name": execution_id.name}
        made = http.post("/api/v1/operations/pause", json={"target": target, "reason": "r", "paused_by": "ann"})
        query = {"domain": DOMAIN, "execution": execution_id.name}
        listed = http.get(f"/api/v1/operations/pauses/{PROJECT}", params=query)
        unknown = http.post("/api/v1/operations/pause", json={"target": {**target, "name": "nobody"}})
        (tmp_path / "go").touch()
        http.post("/api/v1/operations/resume", json={"target": target}).raise_for_status()
        execution = client.wait(execution_id)

    assert made.json()["pause"]["target"]["name"] == listed.json()["pauses"][0]["target"]["name"] == execution_id.name
    assert listed.json()["pauses"][0]["pausedBy"] == "ann"
    assert (unknown.status_code, execution.closure.phase) == (404, Phase.SUCCEEDED)


def test_programs_read_pauses_as_json(stack: RunningStack) -> None:
    with connected(stack) as client:
        assert json.loads(run(client, "pauses", "-o", "json", "-d", "staging")).get("pauses", []) == []
