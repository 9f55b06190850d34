"""Map tasks with failing elements: how many may fail, the value in their place, the error message."""

from typing import List, Optional

from case import Case, Run, TaskPhase
from flytekit import map_task, task, workflow


@task
def half(a: int) -> int:
    if a % 2:
        raise ValueError(f"{a} is odd")
    return a // 2


@task
def count(values: List[Optional[int]]) -> int:
    return len([value for value in values if value is not None])


@workflow
def all_must(a: List[int]) -> List[int]:
    return map_task(half)(a=a)


@workflow
def half_must(a: List[int]) -> (List[Optional[int]], int):
    halves = map_task(half, min_success_ratio=0.5)(a=a)
    return halves, count(values=halves)


@workflow
def two_must(a: List[int]) -> int:
    """In flytekit a ratio, whose default is 1, takes precedence over a number."""
    return count(values=map_task(half, min_successes=2, min_success_ratio=None)(a=a))


@workflow
def one_by_one(a: List[int]) -> List[Optional[int]]:
    return map_task(half, concurrency=1, min_success_ratio=0.3)(a=a)


@workflow
def to_the_end(a: List[int]) -> List[int]:
    return map_task(half, run_all_sub_nodes=True)(a=a)


def ran_to_the_end(run: Run) -> None:
    (attempt,) = run.attempts("n0")
    phases = [element.phase for element in attempt.closure.metadata.external_resources]
    assert phases == [TaskPhase.FAILED, TaskPhase.SUCCEEDED, TaskPhase.FAILED]


def shows_who_failed(run: Run) -> None:
    (attempt,) = run.attempts("n0")
    phases = [element.phase for element in attempt.closure.metadata.external_resources]
    assert phases == [TaskPhase.SUCCEEDED, TaskPhase.FAILED, TaskPhase.SUCCEEDED]


CASES = [
    Case(all_must, {"a": [2, 3]}, phase="FAILED", error="ValueError: 3 is odd"),
    Case(half_must, {"a": [2, 3, 4]}, {"o0": [1, None, 2], "o1": 2}, check=shows_who_failed),
    Case(half_must, {"a": [1, 3, 4]}, phase="FAILED", error="is odd"),
    Case(one_by_one, {"a": [1, 2, 3, 4]}, {"o0": [None, 1, None, 2]}),
    Case(to_the_end, {"a": [1, 2, 3]}, phase="FAILED", error="3 is odd", check=ran_to_the_end),
    Case(two_must, {"a": [2, 3, 5, 4]}, {"o0": 2}),
    Case(two_must, {"a": [2, 3, 5, 7]}, phase="FAILED", error="is odd"),
]
