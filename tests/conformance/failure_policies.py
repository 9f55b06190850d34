"""Failure policies: the first failure stops the other nodes, or they continue as far as possible."""

import time

from case import Case, NodePhase, Run
from flytekit import WorkflowFailurePolicy, dynamic, map_task, task, workflow


@task
def fail(text: str) -> int:
    if text:
        raise ValueError(text)
    return 0


@task
def slow(seconds: float) -> int:
    time.sleep(seconds)
    return 1


@task
def increment(a: int) -> int:
    return a + 1


@workflow
def at_once(seconds: float) -> int:
    fail(text="early")
    return increment(a=slow(seconds=seconds))


@workflow(failure_policy=WorkflowFailurePolicy.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE)
def as_late_as_possible(seconds: float) -> int:
    failed = fail(text="early")
    increment(a=failed)
    return increment(a=slow(seconds=seconds))


@dynamic
def partly(seconds: float) -> int:
    fail(text="inside")
    return increment(a=slow(seconds=seconds))


@workflow(failure_policy=WorkflowFailurePolicy.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE)
def late_in_a_dynamic(seconds: float) -> int:
    partly(seconds=seconds)
    return increment(a=map_task(slow)(seconds=[seconds, seconds])[0])


def stopped_the_other(run: Run) -> None:
    nodes = run.nodes()
    assert nodes["n1"].closure.phase in (NodePhase.ABORTED, NodePhase.UNDEFINED)
    assert "n2" not in nodes


def let_the_others_end(run: Run) -> None:
    phases = {name: node.closure.phase for name, node in run.nodes().items()}
    assert phases["n1"] == NodePhase.SKIPPED
    assert (phases["n2"], phases["n3"]) == (NodePhase.SUCCEEDED, NodePhase.SUCCEEDED)


def everything_else_ended(run: Run) -> None:
    phases = {name: node.closure.phase for name, node in run.nodes().items()}
    assert (phases["n0"], phases["n1"], phases["n2"]) == (NodePhase.FAILED, NodePhase.SUCCEEDED, NodePhase.SUCCEEDED)
    below = {name: node.closure.phase for name, node in run.nodes("n0").items() if not name.endswith("-node")}
    assert sorted(below.values()) == sorted([NodePhase.FAILED, NodePhase.SUCCEEDED, NodePhase.SUCCEEDED])


CASES = [
    Case(late_in_a_dynamic, {"seconds": 0.5}, phase="FAILED", error="ValueError: inside", check=everything_else_ended),
    Case(at_once, {"seconds": 600.0}, phase="FAILED", error="ValueError: early", check=stopped_the_other),
    Case(as_late_as_possible, {"seconds": 1.0}, phase="FAILED", error="ValueError: early", check=let_the_others_end),
]
