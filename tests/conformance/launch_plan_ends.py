"""Ends of parents and children: a child's failure or abort fails its node, a parent's abort aborts the child."""

import time
from typing import List

from case import ENDED, Case, NodePhase, Run, WorkflowPhase
from flyteidl.admin import common_pb2
from flytekit import LaunchPlan, map_task, task, workflow


@task
def fail(text: str) -> int:
    if text:
        raise ValueError(text)
    return 0


@task
def wait(seconds: float) -> int:
    time.sleep(seconds)
    return 1


@task
def increment(a: int) -> int:
    return a + 1


@workflow
def failing(text: str) -> int:
    return fail(text=text)


@workflow
def waiting(seconds: float) -> int:
    return wait(seconds=seconds)


failing_plan = LaunchPlan.get_or_create(failing, "launch_plan_ends.failing_plan")
waiting_plan = LaunchPlan.get_or_create(waiting, "launch_plan_ends.waiting_plan")


@workflow
def of_a_failing_child(text: str) -> int:
    return increment(a=failing_plan(text=text))


@workflow
def of_a_waiting_child(seconds: float) -> int:
    return increment(a=waiting_plan(seconds=seconds))


@workflow
def of_two_children(text: str, seconds: float) -> (int, int):
    return failing_plan(text=text), waiting_plan(seconds=seconds)


@workflow
def of_mapped_children(seconds: List[float]) -> List[int]:
    return map_task(waiting_plan)(seconds=seconds)


def child_runs(run: Run) -> None:
    run.until_running("n0")
    child = run.child_of("n0")
    run.until(lambda: run.execution_of(child).closure.phase == WorkflowPhase.RUNNING, "that the child runs")


def abort_parent(run: Run) -> None:
    child_runs(run)
    run.remote.terminate(run.remote.fetch_execution(name=run.id.name), "seen enough")


def abort_child(run: Run) -> None:
    child_runs(run)
    run.remote.terminate(run.remote.fetch_execution(name=run.child_of("n0").name), "the child only")


def abort_mapped(run: Run) -> None:
    run.until(lambda: len(children(run)) == 2, "that both children are launched")
    run.remote.terminate(run.remote.fetch_execution(name=run.id.name), "no more of them")


def children(run: Run) -> list:
    listed = run.admin.ListExecutions(
        common_pb2.ResourceListRequest(
            id=common_pb2.NamedEntityIdentifier(project=run.id.project, domain=run.id.domain),
            limit=100,
            filters="eq(launch_plan.name,launch_plan_ends.waiting_plan)",
        )
    ).executions
    return [found for found in listed if found.spec.metadata.parent_node_execution.execution_id == run.id]


def children_were_aborted(run: Run) -> None:
    run.until(lambda: all(child.closure.phase in ENDED for child in children(run)), "the children's end")
    assert [child.closure.phase for child in children(run)] == [WorkflowPhase.ABORTED] * 2


def child_was_aborted(run: Run) -> None:
    child = run.child_of("n0")
    run.until(lambda: run.execution_of(child).closure.phase in ENDED, "the child's end")
    closure = run.execution_of(child).closure
    assert closure.phase == WorkflowPhase.ABORTED
    assert f"cascading abort as parent execution id [{run.id.name}] aborted" in closure.abort_metadata.cause
    assert run.nodes()["n0"].closure.phase == NodePhase.ABORTED


def parent_has_the_childs_error(run: Run) -> None:
    theirs = run.execution_of(run.child_of("n0")).closure.error
    assert (theirs.code, theirs.message) == (run.execution.closure.error.code, run.execution.closure.error.message)


def sibling_was_aborted(run: Run) -> None:
    sibling = run.nodes()["n1"].closure.workflow_node_metadata.executionId
    if sibling.name:  # It may not have been launched before the other failed.
        run.until(lambda: run.execution_of(sibling).closure.phase in ENDED, "the sibling's end")
        assert run.execution_of(sibling).closure.phase == WorkflowPhase.ABORTED


CASES = [
    Case(
        of_a_failing_child,
        {"text": "in the child"},
        phase="FAILED",
        code="USER:RuntimeError",
        error="ValueError: in the child",
        check=parent_has_the_childs_error,
    ),
    Case(
        of_a_waiting_child,
        {"seconds": 600.0},
        phase="ABORTED",
        error="seen enough",
        during=abort_parent,
        check=child_was_aborted,
    ),
    Case(
        of_a_waiting_child,
        {"seconds": 601.0},
        phase="FAILED",
        code="RemoteChildWorkflowExecutionFailed",
        error="launch_plan_ends.waiting_plan] aborted",
        during=abort_child,
    ),
    Case(
        of_mapped_children,
        {"seconds": [603.0, 604.0]},
        phase="ABORTED",
        error="no more of them",
        during=abort_mapped,
        check=children_were_aborted,
    ),
    Case(
        of_two_children,
        {"text": "one of two", "seconds": 602.0},
        phase="FAILED",
        error="ValueError: one of two",
        check=sibling_was_aborted,
    ),
]
