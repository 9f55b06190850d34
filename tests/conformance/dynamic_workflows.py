"""Dynamic workflows: a graph made at run time, with workflows and launch plans in it, or no graph at all.

Clients see the workflow that was made, and its nodes below the node that made it.
"""

from typing import Dict, List, NamedTuple, Optional

from case import Case, NodePhase, Run, TaskPhase
from flyteidl.admin import node_execution_pb2
from flytekit import LaunchPlan, dynamic, task, workflow


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task
def total(numbers: List[int]) -> int:
    return sum(numbers)


@workflow
def add_twice(a: int) -> int:
    return add(a=add(a=a))


plan = LaunchPlan.get_or_create(add_twice, "dynamic_workflows.add_twice_plan")


@dynamic
def fan_out(count: int) -> int:
    return total(numbers=[add(a=number) for number in range(count)])


@dynamic
def of_every_kind(a: int) -> (int, List[int]):
    return add(a=add_twice(a=a), b=plan(a=a)), [add(a=a), add(a=a, b=2)]


@dynamic
def values_only(a: int) -> int:
    return a * 2


@dynamic
def nothing_to_return(count: int):
    for number in range(count):
        add(a=number)


class Found(NamedTuple):
    numbers: List[int]
    by_name: Dict[str, int]
    nothing: Optional[int]
    constant: str


@dynamic
def of_many_outputs(a: int) -> Found:
    added = add(a=a)
    return Found([added, 7, add(a=added)], {"one": added, "two": 2}, None, f"for {a}")


@workflow
def many_outputs(a: int) -> Found:
    found = of_many_outputs(a=a)
    return Found(found.numbers, found.by_name, found.nothing, found.constant)


@dynamic
def loop(number: int, limit: int) -> int:
    """One dynamic workflow after another, each inside the one before."""
    return number if number >= limit else loop(number=number * 2, limit=limit)


@workflow
def looped(limit: int) -> int:
    return loop(number=1, limit=limit)


@workflow
def fanned(count: int) -> int:
    return add(a=fan_out(count=count), b=100)


@workflow
def every_kind(a: int) -> (int, List[int]):
    return of_every_kind(a=a)


@workflow
def without_graph(a: int) -> int:
    return add(a=values_only(a=a))


@workflow
def without_outputs(count: int):
    nothing_to_return(count=count)


def over_grpc(run: Run) -> None:
    node = run.nodes()["n0"]
    assert (node.metadata.is_dynamic, node.metadata.is_parent_node) == (True, True)
    below = run.nodes("n0")
    assert {"n0-0-start-node", "n0-0-dn0", "n0-0-dn1", "n0-0-dn2", "n0-0-dn3", "n0-0-end-node"} == set(below)
    assert {child.closure.phase for child in below.values()} == {NodePhase.SUCCEEDED}
    assert [attempt.closure.phase for attempt in run.attempts("n0")] == [TaskPhase.SUCCEEDED]
    made = run.data("n0").dynamic_workflow
    assert made.id.name == "dynamic_n0"
    assert len(made.compiled_workflow.primary.template.nodes) == 6
    asked = run.admin.GetDynamicNodeWorkflow(node_execution_pb2.GetDynamicNodeWorkflowRequest(id=node.id))
    assert asked.compiled_workflow == made.compiled_workflow


def shows_its_graph(run: Run) -> None:
    over_grpc(run)
    synced = run.remote.sync_execution(run.remote.fetch_execution(name=run.id.name), sync_nodes=True)
    node = synced.node_executions["n0"]
    assert {"n0-0-dn0", "n0-0-dn1", "n0-0-dn2", "n0-0-dn3"} <= set(node.subworkflow_node_executions)
    assert node.subworkflow_node_executions["n0-0-dn0"].outputs["o0"] == 1
    assert node.outputs["o0"] == 6


def launched_a_child(run: Run) -> None:
    launched = [node for node in run.nodes("n0").values() if node.closure.HasField("workflow_node_metadata")]
    (child,) = [run.execution_of(node.closure.workflow_node_metadata.executionId) for node in launched]
    assert child.spec.metadata.parent_node_execution.node_id == launched[0].id.node_id


def is_an_ordinary_task(run: Run) -> None:
    node = run.nodes()["n0"]
    assert (node.metadata.is_dynamic, node.metadata.is_parent_node) == (False, False)
    assert not run.data("n0").HasField("dynamic_workflow")


CASES = [
    Case(fanned, {"count": 3}, {"o0": 106}, check=shows_its_graph),
    Case(every_kind, {"a": 4}, {"o0": 12, "o1": [5, 6]}, check=launched_a_child),
    Case(
        many_outputs,
        {"a": 1},
        {"numbers": [2, 7, 3], "by_name": {"one": 2, "two": 2}, "nothing": None, "constant": "for 1"},
    ),
    Case(looped, {"limit": 20}, {"o0": 32}),
    Case(without_graph, {"a": 4}, {"o0": 9}, check=is_an_ordinary_task),
    Case(without_outputs, {"count": 2}),
]
