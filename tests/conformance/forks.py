"""Forks: what succeeded is reused at all levels, and what is named, changed or failed runs again with all that follows."""

import functools
import tempfile
import time
import urllib.request
from datetime import timedelta
from pathlib import Path
from typing import Any

from case import ENDED, Case, ExecutionId, NodePhase, Run, WorkflowPhase
from flytekit import LaunchPlan, approve, dynamic, map_task, task, workflow
from google.protobuf import json_format

from flytetemporal.contracts.v1 import fork_pb2

# What runs notes it in this folder; "fixed" is created there once what fails is to succeed.
FOLDER = tempfile.mkdtemp(prefix="forks-")


def note(folder: str, name: str) -> None:
    Path(folder).mkdir(exist_ok=True)
    with (Path(folder) / name).open("a") as file:
        file.write("ran\n")


@task
def noted(folder: str, name: str, a: int) -> int:
    note(folder, name)
    return a + 1


@task
def element(folder: str, a: int) -> int:
    others = [Path(folder) / f"element{other}" for other in (1, 3)]
    if a == 2 and not (Path(folder) / "fixed").exists():
        while not all(other.exists() for other in others):
            time.sleep(0.2)
        time.sleep(5)  # So that the others have ended, too.
        raise ValueError("not fixed yet")
    note(folder, f"element{a}")
    return a


@dynamic
def generated(folder: str, a: int) -> int:
    note(folder, "generated")
    return noted(folder=folder, name="inside", a=noted(folder=folder, name="before", a=a))


@workflow
def below(folder: str, a: int) -> int:
    return noted(folder=folder, name="below2", a=noted(folder=folder, name="below1", a=a))


@task
def total(a: int, b: int, c: int) -> int:
    return a + b + c


@workflow
def succeeding(folder: str, a: int, b: int) -> int:
    first = noted(folder=folder, name="first", a=a)
    other = noted(folder=folder, name="other", a=b)
    return total(a=other, b=below(folder=folder, a=first), c=generated(folder=folder, a=first))


@task
def largest(values: list[int], a: int) -> int:
    return max(values) + a


@workflow
def failing(folder: str, a: int) -> int:
    first = noted(folder=folder, name="first", a=a)
    mapped = map_task(functools.partial(element, folder=folder), min_success_ratio=1.0)(a=[1, 2, 3])
    first >> mapped
    return largest(values=mapped, a=first)


@task
def fails_until_fixed(folder: str, a: int) -> int:
    if not (Path(folder) / "fixed").exists():
        raise ValueError("not fixed yet")
    return a


@workflow
def child(folder: str, a: int) -> int:
    return fails_until_fixed(folder=folder, a=noted(folder=folder, name="in_child", a=a))


child_plan = LaunchPlan.get_or_create(child, "forks.child")


@workflow
def parent(folder: str, a: int) -> int:
    return child_plan(folder=folder, a=noted(folder=folder, name="first", a=a))


@workflow
def waiting(folder: str, a: int) -> int:
    first = noted(folder=folder, name="first", a=a)
    return noted(folder=folder, name="last", a=approve(first, "go", timeout=timedelta(hours=1)))


def launched(run: Run, *from_nodes: str, **fields: Any) -> fork_pb2.ForkResponse:
    """Fork a run over HTTP."""
    request = fork_pb2.ForkRequest(from_nodes=from_nodes, **fields)
    body = json_format.MessageToJson(request).encode()
    path = f"/api/v1/operations/forks/{run.id.project}/{run.id.domain}/{run.id.name}"
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(run.http_url + path, body, headers)) as answer:
        return json_format.Parse(answer.read(), fork_pb2.ForkResponse())


def fork(run: Run, *from_nodes: str, **fields: Any) -> fork_pb2.ForkResponse:
    """Fork a run and wait until the fork has succeeded."""
    response = launched(run, *from_nodes, **fields)
    run.until(lambda: run.execution_of(response.execution_id).closure.phase in ENDED, "the end of the fork")
    assert run.execution_of(response.execution_id).closure.phase == WorkflowPhase.SUCCEEDED
    return response


def output(run: Run, of: ExecutionId) -> Any:
    return run.remote.sync_execution(run.remote.fetch_execution(name=of.name), sync_nodes=False).outputs["o0"]


def runs_of(run: Run) -> dict[str, int]:
    """Return how often each task has run."""
    folder = run.remote.sync_execution(run.remote.fetch_execution(name=run.id.name)).inputs["folder"]
    return {path.name: path.read_text().count("ran") for path in Path(folder).iterdir()}


def forks_of_a_success(run: Run) -> None:
    assert set(runs_of(run).values()) == {1}
    changed = json_format.ParseDict(
        {"literals": {"b": {"scalar": {"primitive": {"integer": 20}}}}}, fork_pb2.ForkRequest().inputs
    )
    plan = launched(run, dry_run=True, inputs=changed)
    assert {node.node_id for node in plan.nodes if node.reused} == {"n0", "n2", "n3"}
    assert output(run, fork(run, inputs=changed).execution_id) == 29
    assert runs_of(run) == {name: 2 if name == "other" else 1 for name in runs_of(run)}

    inside = sorted(run.nodes("n3"))  # Their names are those that flytekit gave them.
    last = next(name for name in inside if name.endswith("n1"))
    again = fork(run, "n2-0-n1", last).execution_id
    assert output(run, again) == 11
    ran = runs_of(run)
    assert (ran["below1"], ran["below2"], ran["before"], ran["inside"], ran["generated"]) == (1, 2, 1, 2, 1)
    assert run.nodes(of=again)["n0"].closure.phase == NodePhase.RECOVERED


def fork_of_a_failure(run: Run) -> None:
    folder = Path(run.remote.sync_execution(run.remote.fetch_execution(name=run.id.name)).inputs["folder"])
    (folder / "fixed").touch()
    again = fork(run).execution_id
    assert output(run, again) == 5
    assert runs_of(run) == {"first": 1, "fixed": 0, **{f"element{a}": 1 for a in (1, 2, 3)}}
    assert run.execution_of(again).spec.metadata.reference_execution == run.id


def fork_with_a_child(run: Run) -> None:
    folder = Path(run.remote.sync_execution(run.remote.fetch_execution(name=run.id.name)).inputs["folder"])
    (folder / "fixed").touch()
    again = fork(run).execution_id
    assert output(run, again) == 3
    assert runs_of(run) == {"first": 1, "in_child": 1, "fixed": 0}


def fork_while_it_runs(run: Run) -> None:
    run.until_running("n1")
    again = launched(run)
    assert (again.reused, again.run_again) == (1, 2)
    for name in (again.execution_id.name, run.id.name):
        run.until(lambda name=name: bool(run.remote.list_signals(name)), "that it waits for go")
        run.remote.approve("go", name)
    run.until(lambda: run.execution_of(again.execution_id).closure.phase in ENDED, "the end of the fork")
    assert output(run, again.execution_id) == 3


def ran_once_and_twice(run: Run) -> None:
    assert runs_of(run) == {"first": 1, "last": 2}


CASES = [
    Case(
        succeeding,
        {"folder": f"{FOLDER}/success", "a": 1, "b": 2},
        outputs={"o0": 11},
        check=forks_of_a_success,
    ),
    Case(failing, {"folder": f"{FOLDER}/failure", "a": 1}, phase="FAILED", check=fork_of_a_failure),
    Case(parent, {"folder": f"{FOLDER}/child", "a": 1}, phase="FAILED", check=fork_with_a_child),
    Case(
        waiting,
        {"folder": f"{FOLDER}/running", "a": 1},
        outputs={"o0": 3},
        during=fork_while_it_runs,
        check=ran_once_and_twice,
    ),
]
