"""Maps over launch plans: each element is a separate execution, with the fixed and default inputs of its plan."""

from typing import List, Optional

from case import Case, Run, WorkflowPhase
from flyteidl.admin import common_pb2
from flytekit import LaunchPlan, map_task, task, workflow


@task
def half(a: int, divisor: int) -> int:
    if a % divisor:
        raise ValueError(f"{a} does not divide")
    return a // divisor


@task
def numbers(count: int) -> List[int]:
    return [2 * number for number in range(count)]


@task
def count(values: List[Optional[int]]) -> int:
    return len([value for value in values if value is not None])


@workflow
def halved(a: int, divisor: int = 2) -> int:
    return half(a=a, divisor=divisor)


plan = LaunchPlan.get_or_create(halved, "map_launch_plans.halved_plan")
by_two = LaunchPlan.get_or_create(halved, "map_launch_plans.by_two", fixed_inputs={"divisor": 2})


@workflow
def mapped(count: int) -> List[int]:
    return map_task(by_two)(a=numbers(count=count))


@workflow
def mapped_in_pairs(a: List[int], divisor: List[int]) -> List[int]:
    return map_task(plan, concurrency=1)(a=a, divisor=divisor)


@workflow
def some_fail(a: List[int]) -> List[Optional[int]]:
    return map_task(by_two, min_success_ratio=0.5)(a=a)


@workflow
def two_must(a: List[int]) -> int:
    return count(values=map_task(by_two, min_successes=2)(a=a))


@workflow
def all_must(a: List[int]) -> List[int]:
    return map_task(by_two)(a=a)


def launched_executions(run: Run) -> None:
    (name,) = [name for name, node in run.nodes().items() if node.metadata.is_array]
    listed = run.admin.ListExecutions(
        common_pb2.ResourceListRequest(
            id=common_pb2.NamedEntityIdentifier(project=run.id.project, domain=run.id.domain),
            limit=100,
            filters="eq(launch_plan.name,map_launch_plans.by_two)",
        )
    ).executions
    ours = [found for found in listed if found.spec.metadata.parent_node_execution.execution_id == run.id]
    assert [found.closure.phase for found in ours] == [WorkflowPhase.SUCCEEDED] * 3
    assert all(found.spec.metadata.parent_node_execution.node_id.startswith(name) for found in ours)


CASES = [
    Case(mapped, {"count": 3}, {"o0": [0, 1, 2]}, check=launched_executions),
    Case(mapped_in_pairs, {"a": [6, 8], "divisor": [3, 4]}, {"o0": [2, 2]}),
    Case(mapped_in_pairs, {"a": [], "divisor": []}, {"o0": []}),
    Case(some_fail, {"a": [2, 3, 4]}, {"o0": [1, None, 2]}),
    Case(two_must, {"a": [2, 3, 5, 4]}, {"o0": 2}),
    Case(two_must, {"a": [2, 3]}, phase="FAILED", error="3 does not divide"),
    Case(all_must, {"a": [2, 3]}, phase="FAILED", error="3 does not divide"),
]
