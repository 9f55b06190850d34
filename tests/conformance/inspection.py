"""Beyond Flyte: when nodes were dispatched and started, and exports without values that replay on this engine."""

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import httpx
from case import Case, Run
from flytekit import conditional, dynamic, map_task, task, workflow

SECRET = "a text that nobody else may read"


@task
def measure(text: str) -> int:
    return len(text)


@task
def double(a: int) -> int:
    return 2 * a


@task
def say(text: str) -> str:
    return text


@dynamic
def doubled(a: int) -> int:
    return double(a=double(a=a))


@workflow
def inspected(text: str, values: list[int]) -> tuple[str, int, list[int]]:
    length = measure(text=text)
    said = conditional("length").if_(length > 10).then(say(text=text)).else_().then(say(text="short"))
    return said, doubled(a=length), map_task(double)(a=values)


def address(run: Run, method: str) -> str:
    return f"{run.http_url}/api/v1/operations/{method}/{run.id.project}/{run.id.domain}/{run.id.name}"


def times_of_nodes(run: Run) -> None:
    nodes = {node["nodeId"]: node for node in httpx.get(address(run, "node_times")).raise_for_status().json()["nodes"]}
    first = nodes["n0"]
    states = [first[state] for state in ("queued", "dispatched", "started", "running", "ended", "reported")]
    assert states == sorted(states)
    assert first["attempt"] == 0


def command(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "flytetemporal.cli.main", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def export_and_replay(run: Run) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.zip"
        endpoint = run.remote.config.platform.endpoint.removeprefix("dns:///")
        command(
            "export", run.id.name, "-O", str(path), "-p", run.id.project, "-d", run.id.domain, "--endpoint", endpoint
        )
        replayed = json.loads(command("replay", str(path), "-o", "json"))
        with zipfile.ZipFile(path) as archive:
            everything = b"".join(archive.read(name) for name in archive.namelist())
    assert [found["differs"] for found in replayed["runs"]] == [False]
    assert SECRET.encode() not in everything


def everything(run: Run) -> None:
    times_of_nodes(run)
    export_and_replay(run)


CASES = [
    Case(
        inspected,
        {"text": SECRET, "values": [1, 2]},
        {"o0": SECRET, "o1": 4 * len(SECRET), "o2": [2, 4]},
        check=everything,
    )
]
