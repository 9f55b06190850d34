"""Imperative workflows: built step by step from tasks, workflows and launch plans, with a failure node."""

from typing import List, Optional

from case import Case, NodePhase, Run
from flytekit import LaunchPlan, Workflow, map_task, task, workflow
from flytekit.types.error.error import FlyteError


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task
def total(values: List[int]) -> int:
    return sum(values)


@task
def fail(text: str) -> int:
    if text:
        raise ValueError(text)
    return 0


@task
def clean_up(text: str, err: Optional[FlyteError] = None) -> None:
    print(text, err)


@workflow
def add_twice(a: int) -> int:
    return add(a=add(a=a))


plan = LaunchPlan.get_or_create(add_twice, "imperative_workflows.plan")

step_by_step = Workflow(name="imperative_workflows.step_by_step")
step_by_step.add_workflow_input("a", int)
first = step_by_step.add_entity(add, a=step_by_step.inputs["a"], b=5)
second = step_by_step.add_subwf(add_twice, a=first.outputs["o0"])
third = step_by_step.add_launch_plan(plan, a=second.outputs["o0"])
last = step_by_step.add_task(total, values=[first.outputs["o0"], second.outputs["o0"], third.outputs["o0"]])
step_by_step.add_workflow_output("total", last.outputs["o0"])
step_by_step.add_workflow_output("all", [first.outputs["o0"], third.outputs["o0"]], python_type=List[int])

mapping = Workflow(name="imperative_workflows.mapping")
mapping.add_workflow_input("a", List[int])
mapped = mapping.add_entity(map_task(add), a=mapping.inputs["a"], b=[10, 20])
mapping.add_workflow_output("sums", mapped.outputs["o0"])

failing = Workflow(name="imperative_workflows.failing")
failing.add_workflow_input("text", str)
failed = failing.add_entity(fail, text=failing.inputs["text"])
failing.add_workflow_output("never", failed.outputs["o0"])
failing.add_on_failure_handler(clean_up)


@workflow
def around(a: int) -> int:
    return add(a=step_by_step(a=a).total)


def was_cleaned_up(run: Run) -> None:
    handlers = [node for name, node in run.nodes().items() if name.endswith("fn") or name.startswith("fn")]
    assert [node.closure.phase for node in handlers] == [NodePhase.SUCCEEDED]


CASES = [
    Case(step_by_step, {"a": 1}, {"total": 24, "all": [6, 10]}),
    Case(mapping, {"a": [1, 2]}, {"sums": [11, 22]}),
    Case(around, {"a": 1}, {"o0": 25}),
    Case(failing, {"text": "broken"}, phase="FAILED", error="ValueError: broken", check=was_cleaned_up),
]
