"""Beyond Flyte: runs that operators pause and resume, nodes that are held, retried and skipped, and edits."""

import time
from datetime import timedelta
from typing import Any

import httpx
from case import Case, NodePhase, Run, TaskPhase
from flytekit import map_task, task, wait_for_input, workflow
from flytekit.core.options import Options
from flytekit.models.common import Annotations

HOLD = {"options": Options(annotations=Annotations({"flytetemporal.io/on-failure": "hold"}))}


@task
def invert(a: int) -> int:
    if a == 0:
        raise ZeroDivisionError("nothing can be divided by zero")
    return 100 // a


@task
def add(a: int, b: int) -> int:
    return a + b


@workflow
def inverting(a: int) -> int:
    return add(a=invert(a=a), b=1)


@workflow
def gated(a: int) -> int:
    b = wait_for_input("number", timeout=timedelta(hours=1), expected_type=int)
    return add(a=a, b=b)


@task
def slowly(a: int) -> int:
    time.sleep(2)
    return a


@workflow
def mapped(numbers: list[int]) -> list[int]:
    return map_task(slowly, concurrency=1)(a=numbers)


def post(run: Run, method: str, body: dict[str, Any]) -> Any:
    return httpx.post(f"{run.http_url}/api/v1/operations/{method}", json=body).raise_for_status().json()


def explained(run: Run) -> str:
    address = f"{run.http_url}/api/v1/operations/explain/{run.id.project}/{run.id.domain}/{run.id.name}"
    return httpx.get(address).raise_for_status().text


def pause_and_resume(run: Run) -> None:
    """Pause while the gate waits: the gate passes, and what follows it starts when the run is resumed."""
    run.until_running("n0")
    target = {"kind": "EXECUTION", "project": run.id.project, "domain": run.id.domain, "name": run.id.name}
    post(run, "pause", {"target": target, "reason": "look first", "paused_by": "ann"})
    run.remote.set_input("number", run.id.name, 3)
    run.until(lambda: "waits until it is resumed" in explained(run), "that the run waits for its resumption")
    assert "look first" in explained(run)
    assert not run.attempts("n1")
    post(run, "resume", {"target": target})


def edit(run: Run, **what: Any) -> Any:
    return post(run, f"edits/{run.id.project}/{run.id.domain}/{run.id.name}", what)


def skip_the_held_node(run: Run) -> None:
    run.until(lambda: "is held" in explained(run), "that the node is held")
    assert edit(run, skip={"node_id": "n0", "json": '{"o0": 7}'})["revision"] == "1"


def retry_then_fail(run: Run) -> None:
    run.until(lambda: "is held" in explained(run), "that the node is held")
    edit(run, retry={"node_id": "n0"})
    run.until(lambda: len(run.attempts("n0")) == 2 and "is held" in explained(run), "that the node is held again")
    edit(run, execution={"on_failure": "fail"})


def shows_the_skipped_node(run: Run) -> None:
    """To stock clients it has succeeded, and its attempt has failed."""
    assert run.nodes()["n0"].closure.phase == NodePhase.SUCCEEDED
    assert [attempt.closure.phase for attempt in run.attempts("n0")] == [TaskPhase.FAILED]


def change_the_map_task(run: Run) -> None:
    """Change a map task while its first element runs: the others get more memory, and run at once."""
    run.until_running("n0")
    changes = {"node_id": "n0", "max_parallelism": 4, "retries": 1, "resources": {"memory": "640Mi"}}
    assert edit(run, node=changes)["revision"] == "1"


CASES = [
    Case(mapped, {"numbers": [1, 2, 3, 4]}, {"o0": [1, 2, 3, 4]}, during=change_the_map_task),
    Case(gated, {"a": 1}, {"o0": 4}, during=pause_and_resume),
    Case(inverting, {"a": 0}, {"o0": 8}, launched=HOLD, during=skip_the_held_node, check=shows_the_skipped_node),
    Case(
        inverting,
        {"a": 0},
        phase="FAILED",
        error="nothing can be divided by zero",
        launched=HOLD,
        during=retry_then_fail,
    ),
]
