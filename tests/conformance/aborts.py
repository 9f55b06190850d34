"""Aborts of a running task, at a gate, and inside a subworkflow, a dynamic workflow and a map; the cause is kept."""

import time
from datetime import timedelta
from typing import List

from case import Case, NodePhase, Run, TaskPhase
from flytekit import dynamic, map_task, task, wait_for_input, workflow


@task
def wait(seconds: int) -> int:
    time.sleep(seconds)
    return seconds


@workflow
def in_a_task(seconds: int) -> int:
    return wait(seconds=seconds)


@workflow
def at_a_gate() -> int:
    return wait(seconds=wait_for_input("never", timeout=timedelta(hours=1), expected_type=int))


@dynamic
def waits(seconds: int) -> int:
    return wait(seconds=seconds)


@workflow
def below(seconds: int) -> int:
    return waits(seconds=seconds)


@workflow
def in_a_dynamic_in_a_subworkflow(seconds: int) -> int:
    return below(seconds=seconds)


@workflow
def in_a_map(seconds: List[int]) -> List[int]:
    return map_task(wait)(seconds=seconds)


def abort_at(node: str, *parents: str):
    def abort(run: Run) -> None:
        def is_running() -> bool:
            found = run.nodes()
            for parent in parents:
                if parent not in found:
                    return False
                found = run.nodes(parent)
            return node in found and found[node].closure.phase in (NodePhase.QUEUED, NodePhase.RUNNING)

        run.until(is_running, f"that {node} runs")
        run.remote.terminate(run.remote.fetch_execution(name=run.id.name), "on purpose")

    return abort


def closed(node: str, parent: str = ""):
    def check(run: Run) -> None:
        assert run.nodes(parent)[node].closure.phase == NodePhase.ABORTED
        assert all(found.closure.phase == TaskPhase.ABORTED for found in run.attempts(node))

    return check


ABORTED = {"phase": "ABORTED", "error": "on purpose"}
DEEP = "n0-0-n0-0-dn0"
CASES = [
    Case(in_a_task, {"seconds": 600}, **ABORTED, during=abort_at("n0"), check=closed("n0")),
    Case(at_a_gate, **ABORTED, during=abort_at("n0"), check=closed("n0")),
    Case(
        in_a_dynamic_in_a_subworkflow,
        {"seconds": 601},
        **ABORTED,
        during=abort_at(DEEP, "n0", "n0-0-n0"),
        check=closed(DEEP, "n0-0-n0"),
    ),
    Case(in_a_map, {"seconds": [602, 603]}, **ABORTED, during=abort_at("n0"), check=closed("n0")),
]
