"""Eager workflows: plain Python that launches executions, which carry its name in a label."""

import asyncio
from typing import List

from case import Case, Run, WorkflowPhase
from flytekit import LaunchPlan, Workflow, dynamic, eager, map_task, task, workflow
from flytekit.exceptions.eager import EagerException


@task
async def add(a: int, b: int) -> int:
    return a + b


@task
async def fail(text: str) -> int:
    if text:
        raise ValueError(text)
    return 0


@task
def plus_one(a: int) -> int:
    return a + 1


@workflow
def add_twice(a: int) -> int:
    return plus_one(a=plus_one(a=a))


plan = LaunchPlan.get_or_create(add_twice, "eager_workflows.plan")


@eager
async def inner(a: int) -> int:
    return await add(a=a, b=100)


@eager
async def of_every_kind(a: int) -> int:
    left, right = await asyncio.gather(add(a=a, b=1), add(a=a, b=2))
    return await inner(a=plan(a=add_twice(a=left + right)))


@dynamic
def fan_out(count: int) -> List[int]:
    return [plus_one(a=number) for number in range(count)]


@workflow
def mapped(a: List[int]) -> List[int]:
    return map_task(plus_one)(a=a)


@eager
async def of_larger_things(count: int) -> List[int]:
    return mapped(a=fan_out(count=count))


as_a_node = Workflow(name="eager_workflows.as_a_node")
as_a_node.add_workflow_input("a", int)
eager_node = as_a_node.add_entity(inner, a=as_a_node.add_entity(plus_one, a=as_a_node.inputs["a"]).outputs["o0"])
as_a_node.add_workflow_output("o0", as_a_node.add_entity(plus_one, a=eager_node.outputs["o0"]).outputs["o0"])


@eager
async def count_down(levels: int) -> int:
    """Each level waits for the next: there must be room for more of them than for tasks that work."""
    return 0 if levels == 0 else 1 + await count_down(levels=levels - 1)


@eager
async def goes_on_after_a_failure(a: int) -> int:
    try:
        await fail(text="expected")
    except EagerException as error:
        assert "expected" in str(error)
    return await add(a=a, b=1)


@eager
async def fails(text: str) -> int:
    return await fail(text=text)


def launched(*expected: str):
    def check(run: Run) -> None:
        children = run.labelled("eager-exec", run.id.name)
        names = sorted(child.spec.launch_plan.name for child in children)
        assert names == sorted(expected), names
        assert all(child.closure.phase == WorkflowPhase.SUCCEEDED for child in children)
        assert all(child.spec.labels.values["eager-root-exec"] == run.id.name for child in children)

    return check


def is_the_root_of_all(run: Run) -> None:
    # Of a launch plan flytekit launches the workflow, with the plan's inputs.
    names = ("add", "add", "add_twice", "add_twice", "inner")
    launched(*(f"eager_workflows.{name}" for name in names))(run)
    everything = run.labelled("eager-root-exec", run.id.name)
    assert len(everything) == 6


CASES = [
    Case(of_every_kind, {"a": 1}, {"o0": 109}, check=is_the_root_of_all),
    Case(count_down, {"levels": 4}, {"o0": 4}),
    Case(of_larger_things, {"count": 2}, {"o0": [2, 3]}),
    Case(as_a_node, {"a": 1}, {"o0": 103}, check=launched("eager_workflows.add")),
    Case(goes_on_after_a_failure, {"a": 1}, {"o0": 2}),
    Case(fails, {"text": "in a child"}, phase="FAILED", error="in a child"),
]
