"""Entities that the other programs refer to; registered before them as version ``library-1`` in the
project ``flytetester`` and domain ``staging``."""

from case import Case
from flytekit import LaunchPlan, task, workflow


@task(interruptible=True)
def add(a: int, b: int = 1) -> int:
    return a + b


@workflow
def add_twice(a: int) -> int:
    return add(a=add(a=a))


@workflow
def sum_of(a: int, b: int = 10) -> int:
    return add(a=a, b=b)


hundred_more = LaunchPlan.get_or_create(sum_of, "library.hundred_more", fixed_inputs={"b": 100})

CASES = [Case(add_twice, {"a": 1}, {"o0": 3}), Case(hundred_more, {"a": 1}, {"o0": 101})]
