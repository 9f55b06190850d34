"""Kinds of nodes inside others, as far as flytekit lets them: dynamic, map, branch, workflow, launch plan, gate."""

import datetime as dt
import functools
from dataclasses import dataclass
from typing import List

from case import Case, Run
from flytekit import LaunchPlan, conditional, dynamic, map_task, sleep, task, workflow


@dataclass
class Measured:
    length: int
    ratio: float


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task
def total(values: List[int]) -> int:
    return sum(values)


@task
def is_big(a: int) -> bool:
    return a > 10


@task
def fail_if_odd(a: int) -> int:
    if a % 2:
        raise ValueError(f"{a} is odd")
    return a


@workflow
def mapping(a: List[int], b: int) -> int:
    return total(values=map_task(functools.partial(add, b=10))(a=a))


@workflow
def branching(a: int) -> int:
    big = is_big(a=a)  # Before the branch: what is called inside ``if_`` would be a part of it.
    return conditional("size").if_(big.is_true()).then(add(a=a, b=1000)).else_().then(add(a=a))


@dynamic
def fan_out(a: int) -> int:
    return total(values=[add(a=number) for number in range(a)])


@workflow
def fanning(a: int) -> int:
    return fan_out(a=a)


fanning_plan = LaunchPlan.get_or_create(fanning, "combinations.fanning_plan")
branching_plan = LaunchPlan.get_or_create(branching, "combinations.branching_plan")
mapping_plan = LaunchPlan.get_or_create(mapping, "combinations.mapping_plan")


@dynamic
def of_everything(a: int) -> List[int]:
    numbers = list(range(a))
    pause = sleep(dt.timedelta(milliseconds=100))
    last = add(a=a)
    pause >> last
    big = is_big(a=a)
    return [
        mapping(a=numbers, b=1),
        total(values=map_task(functools.partial(add, b=2))(a=numbers)),
        conditional("size").if_(big.is_true()).then(add(a=a, b=1000)).else_().then(branching(a=a)),
        fan_out(a=a),
        mapping_plan(a=numbers, b=1),
        total(values=map_task(fanning_plan)(a=numbers)),
        last,
    ]


@workflow
def dynamic_of_everything(a: int) -> List[int]:
    return of_everything(a=a)


@workflow
def dynamic_in_a_branch(a: int) -> int:
    return conditional("which").if_(a > 2).then(fan_out(a=a)).else_().then(add(a=a))


@workflow
def map_in_a_branch(a: List[int], which: int) -> int:
    return conditional("which").if_(which > 2).then(mapping(a=a, b=1)).else_().then(total(values=a))


@workflow
def workflows_in_a_map(a: List[int]) -> (List[int], List[int]):
    return map_task(fanning_plan)(a=a), map_task(branching_plan)(a=a)


@dynamic
def map_that_fails(a: List[int]) -> List[int]:
    return map_task(fail_if_odd)(a=a)


@workflow
def failure_in_a_map_in_a_dynamic(a: List[int]) -> List[int]:
    return map_that_fails(a=a)


@task
def measure(text: str) -> Measured:
    return Measured(length=len(text), ratio=len(text) / 4)


@workflow
def branch_on_attributes(text: str) -> int:
    """Only one attribute of one output: flytekit gives all of them the same name in a branch."""
    measured = measure(text=text)
    return (
        conditional("ratio")
        .if_((measured.ratio > 1.0) & (measured.ratio < 1.3))
        .then(add(a=measured.length, b=100))
        .elif_(measured.ratio >= 1.3)
        .then(add(a=measured.length, b=200))
        .else_()
        .fail("too short")
    )


@dynamic
def branch_that_fails(a: int) -> int:
    added = add(a=a)
    return conditional("must").if_(added > 100).then(add(a=a)).else_().fail("not enough")


@workflow
def failure_in_a_branch_in_a_dynamic(a: int) -> int:
    return branch_that_fails(a=a)


def has_a_dynamic_in_its_branch(run: Run) -> None:
    (name,) = run.nodes("n0")
    assert run.nodes("n0")[name].metadata.is_dynamic
    assert len(run.nodes(name)) >= 4


CASES = [
    Case(dynamic_of_everything, {"a": 2}, {"o0": [21, 5, 3, 3, 21, 1, 3]}),
    Case(branch_on_attributes, {"text": "loved"}, {"o0": 105}),
    Case(branch_on_attributes, {"text": "rather"}, {"o0": 206}),
    Case(branch_on_attributes, {"text": "a"}, phase="FAILED", code="UserProvidedError", error="too short"),
    Case(failure_in_a_branch_in_a_dynamic, {"a": 1}, phase="FAILED", error="not enough"),
    Case(dynamic_in_a_branch, {"a": 3}, {"o0": 6}, check=has_a_dynamic_in_its_branch),
    Case(dynamic_in_a_branch, {"a": 1}, {"o0": 2}),
    Case(map_in_a_branch, {"a": [1, 2], "which": 3}, {"o0": 23}),
    Case(workflows_in_a_map, {"a": [2, 11]}, {"o0": [3, 66], "o1": [3, 1011]}),
    Case(failure_in_a_map_in_a_dynamic, {"a": [2, 3]}, phase="FAILED", error="ValueError: 3 is odd"),
]
