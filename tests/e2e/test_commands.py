"""The commands that only call admin, run as users run them."""

import asyncio
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import History

from flytetemporal.cli.views import export_file
from flytetemporal.contracts import compression, masking
from tests.e2e.client import Client, connected
from tests.fixtures.stack import RunningStack
from tests.fixtures.waiting import HANG_SECONDS, wait_until


@pytest.fixture(scope="module")
def client(stack: RunningStack) -> Iterator[Client]:
    with connected(stack) as client:
        yield client


@pytest.fixture(scope="module")
def broken(client: Client) -> str:
    """An execution that has failed."""
    return str(client.run("talking", "breaking").id.name)


def command(client: Client, *arguments: str, placed: bool = True) -> list[str]:
    place = ["--home", str(client.stack.home)] if placed else []
    return [sys.executable, "-m", "flytetemporal.cli.main", *arguments, *place]


def run(client: Client, *arguments: str, status: int = 0, placed: bool = True) -> str:
    """Return what a command prints; on stderr if it is to fail."""
    done = subprocess.run(
        command(client, *arguments, placed=placed), capture_output=True, text=True, timeout=HANG_SECONDS, check=False
    )
    assert done.returncode == status, done.stderr
    return done.stderr if status else done.stdout


def is_payload(message: Message) -> bool:
    return message.DESCRIPTOR.full_name == Payload.DESCRIPTOR.full_name


def plain(payload: Payload) -> bytes:
    [found] = asyncio.run(compression.ZlibCodec().decode([payload]))
    return found.data


def test_lists_are_tables_for_people_and_documents_for_programs(client: Client, broken: str) -> None:
    table = run(client, "get", "executions", "--phase", "FAILED", "--workflow", "talking.breaking")
    listed = json.loads(run(client, "get", "executions", "--filter", f"eq(execution_name,{broken})", "-o", "json"))
    one = yaml.safe_load(run(client, "get", "executions", broken, "-o", "yaml"))

    assert table.startswith("NAME")
    assert any(line.startswith(broken) and "ValueError: it broke" in line for line in table.splitlines())
    assert [execution["id"] for execution in listed["executions"]] == [one["id"]]
    assert one["closure"]["phase"] == "FAILED"


@pytest.mark.parametrize(("kind", "name"), [("tasks", "talking.break_down"), ("workflows", "talking.breaking")])
def test_what_is_registered_is_listed(client: Client, broken: str, kind: str, name: str) -> None:
    assert broken
    assert run(client, "get", kind, name).splitlines()[1].startswith(name)


def test_launch_plans_and_projects_are_listed(client: Client, broken: str) -> None:
    assert broken
    assert "talking.breaking" in run(client, "get", "launch-plans")
    assert "flytesnacks" in run(client, "get", "projects")


def test_a_list_that_is_cut_says_so(client: Client, broken: str) -> None:
    assert broken
    lines = run(client, "get", "projects", "--limit", "1").splitlines()

    assert len(lines) == 3
    assert lines[-1] == "there are more; see them with a larger --limit"


def test_an_execution_is_described_with_its_inputs_its_error_and_its_nodes(client: Client, broken: str) -> None:
    text = run(client, "describe", broken)
    document = json.loads(run(client, "describe", broken, "-o", "json"))

    assert "phase:       FAILED" in text
    assert "  number: 1" in text
    assert "ValueError: it broke" in text
    assert [node["id"]["nodeId"] for node in document["nodes"]["nodeExecutions"] if node["id"]["nodeId"] == "n0"]


def test_a_node_is_described_with_its_attempts_and_their_logs(client: Client, broken: str) -> None:
    text = run(client, "describe", broken, "n0")

    assert "phase:    FAILED" in text
    assert f"{client.stack.http_url}/logs/flytesnacks/development/{broken}/n0/0" in text


def test_the_log_of_an_attempt_is_printed_as_it_was_written(client: Client, broken: str) -> None:
    assert "before the end\n" in run(client, "logs", broken, "n0")
    assert "==> n0, attempt 0 <==\n" in run(client, "logs", broken)


def test_a_running_attempt_is_followed_to_its_end(client: Client, tmp_path: Path) -> None:
    until = tmp_path / "until"
    name = client.start("talking", "talking", "--until", str(until)).name
    wait_until(lambda: "RUNNING" in run(client, "get", "executions", name))
    wait_until(lambda: json.loads(run(client, "describe", name, "-o", "json"))["nodes"]["nodeExecutions"] != [])

    with subprocess.Popen(command(client, "logs", "-f", name), stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        lines = iter(following.stdout)
        assert "the first line\n" in lines
        until.touch()
        assert "the last line\n" in lines
        assert following.wait(HANG_SECONDS) == 0


def test_the_time_of_an_execution_is_shown_by_span_and_by_state(client: Client, broken: str) -> None:
    text = run(client, "metrics", broken)
    document = json.loads(run(client, "metrics", broken, "-o", "json"))
    attempt = next(row for row in document["nodes"] if row["nodeId"] == "n0")
    moments = [attempt[name] for name in ("queued", "dispatched", "started", "running", "ended", "reported")]

    assert "  WORKFLOW_SETUP" in text
    assert "only the engine was busy" in text
    assert moments == sorted(moments), "times of one host, as text of one form"
    assert 0 < document["engineSeconds"] < document["totalSeconds"]


def test_the_time_of_a_map_task_is_shown_element_by_element(client: Client) -> None:
    name = client.run("mapping", "mapping").id.name

    document = json.loads(run(client, "metrics", name, "--elements", "-o", "json"))
    table = run(client, "metrics", name, "--elements")
    elements = [row for row in document["nodes"] if "element" in row]

    assert sorted(row["element"] for row in elements) == [0, 1, 2]
    for row in elements:
        moments = [row[name] for name in ("dispatched", "running", "ended")]
        assert moments == sorted(moments), "times of one host, as text of one form"
    assert any(line.startswith("n0 [2]") for line in table.splitlines())
    assert not [row for row in json.loads(run(client, "metrics", name, "-o", "json"))["nodes"] if "element" in row]


def test_a_failed_execution_is_recovered(client: Client, broken: str) -> None:
    name = json.loads(run(client, "recover", broken, "-o", "json"))["id"]["name"]

    assert f"recovers: flytesnacks/development/{broken}" in " ".join(run(client, "describe", name).split())


def test_an_execution_is_forked_with_other_inputs(client: Client, broken: str, tmp_path: Path) -> None:
    (tmp_path / "none.yaml").write_text("{}\n")

    plan = run(client, "fork", broken, "--dry-run", "--inputs", str(tmp_path / "none.yaml"))
    name = json.loads(run(client, "fork", broken, "--name", f"{broken}f", "-o", "json"))["executionId"]["name"]
    again = run(client, "fork", broken, "--name", f"{broken}f")
    of_source, of_fork = run(client, "get", "executions", broken), run(client, "get", "executions", name)

    assert plan.splitlines()[-1] == f"a fork of {broken}: 0 reused, 1 to run; nothing was started"
    assert "n0" in plan
    assert again == f"{name} forks {broken}: 0 reused, 1 to run\n"
    assert f"forks: flytesnacks/development/{broken}" in " ".join(run(client, "describe", name).split())
    assert f"forked by: {name}" in " ".join(run(client, "describe", broken).split())
    assert f"forked by: {name}" in of_source
    assert broken in of_fork.splitlines()[1].split()


@pytest.mark.parametrize(("options", "with_values"), [((), False), (("--with-values",), True)])
def test_an_export_has_values_only_if_they_are_asked_for_and_replays_without(
    client: Client, broken: str, tmp_path: Path, options: tuple[str, ...], with_values: bool
) -> None:
    path = tmp_path / "broken.zip"
    run(client, "export", broken, "-O", str(path), *options)
    with zipfile.ZipFile(path) as archive:
        documents = b"".join(archive.read(name) for name in archive.namelist() if name.endswith(".json"))
    [exported] = export_file.read(path).runs
    payloads = [payload for payload in masking.inside(History.FromString(exported.history)) if is_payload(payload)]

    assert (b"it broke" in documents) == with_values
    assert any(b"it broke" in plain(payload) for payload in payloads) == with_values
    assert json.loads(run(client, "replay", str(path), "-o", "json", placed=False))["runs"][0]["differs"] is False


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("fork", "nobody"), "NOT_FOUND"),
        (("get", "executions", "nobody"), "NOT_FOUND"),
        (("get", "executions", "--filter", "eq(nothing,1)"), "INVALID_ARGUMENT"),
        (("describe", "nobody"), "NOT_FOUND"),
        (("describe", "nobody", "n0"), "NOT_FOUND"),
        (("logs", "nobody"), "NOT_FOUND"),
        (("metrics", "nobody"), "NOT_FOUND"),
        (("export", "nobody"), "NOT_FOUND"),
        (("recover", "nobody"), "NOT_FOUND"),
    ],
)
def test_what_does_not_exist_is_said_in_one_line(client: Client, arguments: tuple[str, ...], problem: str) -> None:
    message = run(client, *arguments, status=1)

    assert problem in message
    assert len(message.splitlines()) == 1


def test_an_attempt_that_was_never_made_has_no_log(client: Client, broken: str) -> None:
    assert run(client, "logs", broken, "n0", "--attempt", "7", status=1) == (
        f"Error: node n0 of {broken} has no log of attempt 7\n"
    )


def test_cached_outputs_are_listed_evicted_and_given_an_age(client: Client) -> None:
    name = client.run("remembered", "drawing", "--seed", "7").id.name
    task = "remembered.drawn"
    of_hit = run(client, "describe", client.run("remembered", "drawing", "--seed", "7").id.name, "n0")

    (entry,) = json.loads(run(client, "cache", "ls", name, "-o", "json"))["entries"]
    policies = run(client, "cache", "policy", "--task", task, "--max-age", "12h")
    table = run(client, "cache", "ls", "--task", task)
    counted = run(client, "cache", "evict", name, "--dry-run")
    evicted = run(client, "cache", "evict", "--task", task)
    again = json.loads(run(client, "cache", "evict", name, "-o", "json"))
    removed = run(client, "cache", "policy", "--task", task, "--remove")

    assert f"computed by: node n0 of flytesnacks/development/{name}, attempt 0" in " ".join(of_hit.split())
    assert (entry["task"]["name"], entry["cacheVersion"], entry["source"]["nodeId"]) == (task, "1", "n0")
    assert entry["source"]["executionId"]["name"] == name
    assert any(line.split() == ["development", task, "all", "12h"] for line in policies.splitlines())
    assert any(line.startswith(task) and f"{name} n0" in line for line in table.splitlines())
    assert counted == "1 cached outputs would be evicted\n"
    assert evicted == "1 cached outputs evicted\n"
    assert again == {"evicted": "0", "more": False}
    assert task not in removed
