"""Recovery: what succeeded is reused at all levels, and only what has not runs again."""

import functools
import tempfile
import time
from pathlib import Path

import grpc
from case import ENDED, Case, ExecutionId, NodePhase, Run, WorkflowPhase
from flyteidl.admin import execution_pb2, node_execution_pb2
from flyteidl.core import identifier_pb2
from flytekit import LaunchPlan, current_context, dynamic, map_task, task, workflow

# What fails does so until the file "fixed" is in this folder; what runs notes it there.
FOLDER = tempfile.mkdtemp(prefix="recovery-")


@task
def noted(folder: str, name: str, a: int) -> int:
    with (Path(folder) / name).open("a") as file:
        file.write("ran\n")
    return a + 1


@task
def fails_until_fixed(folder: str, a: int) -> str:
    checkpoint = current_context().checkpoint
    saved = checkpoint.read()
    checkpoint.write(b"saved")
    if not (Path(folder) / "fixed").exists():
        raise ValueError("not fixed yet")
    return f"{a} {saved.decode() if saved else 'nothing'}"


@workflow
def below(folder: str, a: int) -> str:
    return fails_until_fixed(folder=folder, a=noted(folder=folder, name="below", a=a))


@dynamic
def generated(folder: str, a: int) -> str:
    with (Path(folder) / "generated").open("a") as file:
        file.write("ran\n")
    return fails_until_fixed(folder=folder, a=noted(folder=folder, name="in_generated", a=a))


@task
def element(folder: str, a: int) -> int:
    others = [Path(folder) / f"element{other}" for other in (1, 3)]
    if a == 2 and not (Path(folder) / "fixed").exists():
        while not all(other.exists() for other in others):
            time.sleep(0.2)
        time.sleep(5)  # So that the others have ended, too.
        raise ValueError("not fixed yet")
    with (Path(folder) / f"element{a}").open("a") as file:
        file.write("ran\n")
    return a


@task
def joined(values: list[int]) -> str:
    return f"{max(values)} saved"


launched = LaunchPlan.get_or_create(below, "recovery.launched")


@workflow
def in_subworkflow(folder: str, a: int) -> str:
    return below(folder=folder, a=noted(folder=folder, name="first", a=a))


@workflow
def in_dynamic(folder: str, a: int) -> str:
    return generated(folder=folder, a=noted(folder=folder, name="first", a=a))


@workflow
def in_map(folder: str, a: int) -> str:
    first = noted(folder=folder, name="first", a=a)
    mapped = map_task(functools.partial(element, folder=folder))(a=[1, 2, 3])
    first >> mapped
    return joined(values=mapped)


@workflow
def in_launch_plan(folder: str, a: int) -> str:
    return launched(folder=folder, a=noted(folder=folder, name="first", a=a))


def recovered(run: Run, of: ExecutionId) -> ExecutionId:
    found: ExecutionId = run.admin.RecoverExecution(execution_pb2.ExecutionRecoverRequest(id=of)).id
    return found


def ended(run: Run, execution: ExecutionId) -> WorkflowPhase.Phase:
    run.until(lambda: run.execution_of(execution).closure.phase in ENDED, "the end of the recovery")
    return run.execution_of(execution).closure.phase


def recovers(run: Run) -> None:
    folder = Path(run.remote.sync_execution(run.remote.fetch_execution(name=run.id.name)).inputs["folder"])
    still_failing = recovered(run, run.id)
    assert ended(run, still_failing) == WorkflowPhase.FAILED
    (folder / "fixed").touch()
    again = recovered(run, still_failing)
    assert ended(run, again) == WorkflowPhase.SUCCEEDED
    execution = run.execution_of(again)
    assert execution.spec.metadata.mode == execution.spec.metadata.RECOVERED
    assert execution.spec.metadata.reference_execution == still_failing
    assert run.nodes(of=again)["n0"].closure.phase == NodePhase.RECOVERED
    synced = run.remote.sync_execution(run.remote.fetch_execution(name=again.name), sync_nodes=True)
    assert synced.outputs["o0"] == "3 saved"
    # flytekit does not count RECOVERED as an end, so it shows no outputs of such nodes.
    node = identifier_pb2.NodeExecutionIdentifier(node_id="n0", execution_id=again)
    data = run.admin.GetNodeExecutionData(node_execution_pb2.NodeExecutionGetDataRequest(id=node))
    assert data.full_inputs.literals["a"].scalar.primitive.integer == 1
    assert data.full_outputs.literals["o0"].scalar.primitive.integer == 2
    ran = {path.name: path.read_text().count("ran") for path in folder.iterdir() if path.name != "fixed"}
    assert set(ran.values()) == {1}, ran
    # A recovery of what has succeeded runs nothing.
    last = recovered(run, again)
    assert ended(run, last) == WorkflowPhase.SUCCEEDED
    assert {run.nodes(of=last)[name].closure.phase for name in ("n0", "n1")} == {NodePhase.RECOVERED}


def is_refused_while_it_runs(run: Run) -> None:
    try:
        recovered(run, run.id)
        raise AssertionError("what runs cannot be recovered")
    except grpc.RpcError as refused:
        assert refused.code() is grpc.StatusCode.FAILED_PRECONDITION


def folder(name: str) -> str:
    path = Path(FOLDER) / name
    path.mkdir()
    return str(path)


FAILED = {"phase": "FAILED", "error": "not fixed yet", "check": recovers}
CASES = [
    Case(in_subworkflow, {"folder": folder("sub"), "a": 1}, during=is_refused_while_it_runs, **FAILED),
    Case(in_dynamic, {"folder": folder("dynamic"), "a": 1}, **FAILED),
    Case(in_map, {"folder": folder("map"), "a": 1}, **FAILED),
    Case(in_launch_plan, {"folder": folder("plan"), "a": 1}, **FAILED),
]
