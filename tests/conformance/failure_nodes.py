"""Failure nodes of workflows and subworkflows: they get the inputs and the error, and can fail, too."""

import os
from typing import List, Optional

from case import Case, NodePhase, Run
from flytekit import LaunchPlan, dynamic, map_task, task, workflow
from flytekit.exceptions.user import FlyteRecoverableException
from flytekit.types.error.error import FlyteError


@task
def fail(text: str) -> int:
    if text:
        raise ValueError(text)
    return 0


@task
def clean_up(text: str, err: Optional[FlyteError] = None) -> str:
    assert err is not None
    return f"{text}: {err.message.splitlines()[0]} ({err.failed_node_id})"


@task
def break_down(text: str) -> None:
    raise RuntimeError("the cleanup failed as well")


@task
def increment(a: int) -> int:
    return a + 1


@workflow(on_failure=clean_up)
def cleaned_up(text: str) -> int:
    return fail(text=text)


@workflow
def cleaned_up_below(text: str) -> int:
    return increment(a=cleaned_up(text=text))


@workflow(on_failure=break_down)
def masked(text: str) -> int:
    return fail(text=text)


@workflow
def clean_up_in_steps(text: str, err: Optional[FlyteError] = None):
    clean_up(text=text, err=err) >> clean_up(text=text, err=err)


@dynamic
def fail_later(text: str) -> int:
    return increment(a=fail(text=text))


@workflow(on_failure=clean_up_in_steps)
def cleaned_up_by_a_workflow(text: str) -> int:
    return fail(text=text)


clean_up_plan = LaunchPlan.get_or_create(clean_up_in_steps, "failure_nodes.clean_up_plan")


@workflow(on_failure=clean_up_plan)
def cleaned_up_by_a_child(text: str) -> int:
    return fail_later(text=text)


cleaned_up_by_a_child_plan = LaunchPlan.get_or_create(cleaned_up_by_a_child)


@workflow
def child_cleaned_up_by_a_child(text: str) -> int:
    """FlyteRemote cannot fetch a workflow whose failure node is a launch plan, so another workflow launches it."""
    return cleaned_up_by_a_child_plan(text=text)


@workflow(on_failure=clean_up)
def map_that_fails(text: str) -> List[int]:
    return map_task(fail)(text=["", text])


@task(retries=1)
def flaky_clean_up(text: str) -> str:
    if os.environ["FLYTE_ATTEMPT_NUMBER"] == "0":
        raise FlyteRecoverableException("not yet")
    return text


@workflow(on_failure=flaky_clean_up)
def cleaned_up_at_last(text: str) -> int:
    return fail(text=text)


def was_told_the_error(run: Run) -> None:
    node = run.nodes()["fn0"]
    assert node.closure.phase == NodePhase.SUCCEEDED
    received = run.data("fn0").full_outputs.literals["o0"].scalar.primitive.string_value
    assert received == "broken: ValueError: broken (fn0)"


def handled(run: Run) -> None:
    assert run.nodes()["fn0"].closure.phase == NodePhase.SUCCEEDED


def handled_in_child(run: Run) -> None:
    handler = run.nodes(of=run.child_of("n0"))["fn0"]
    assert handler.closure.phase == NodePhase.SUCCEEDED
    cleaner = run.execution_of(handler.closure.workflow_node_metadata.executionId)
    assert cleaner.spec.launch_plan.name == "failure_nodes.clean_up_plan"


def ran_below(run: Run) -> None:
    assert run.nodes("n0")["n0-0-fn0"].closure.phase == NodePhase.SUCCEEDED


CASES = [
    Case(cleaned_up, {"text": "broken"}, phase="FAILED", error="ValueError: broken", check=was_told_the_error),
    Case(cleaned_up_below, {"text": "deep"}, phase="FAILED", error="ValueError: deep", check=ran_below),
    Case(cleaned_up_by_a_workflow, {"text": "w"}, phase="FAILED", error="ValueError: w", check=handled),
    Case(child_cleaned_up_by_a_child, {"text": "c"}, phase="FAILED", error="ValueError: c", check=handled_in_child),
    Case(map_that_fails, {"text": "m"}, phase="FAILED", error="ValueError: m", check=handled),
    Case(cleaned_up_at_last, {"text": "l"}, phase="FAILED", error="ValueError: l", check=handled),
    Case(masked, {"text": "first"}, phase="FAILED", error="the cleanup failed as well"),
]
