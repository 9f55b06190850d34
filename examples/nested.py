"""Workflows inside workflows, two levels deep, with values passed through."""

from flytekit import task, workflow


@task
def square(value: int) -> int:
    return value * value


@task
def add(left: int, right: int) -> int:
    return left + right


@workflow
def sum_of_squares(left: int, right: int) -> int:
    return add(left=square(value=left), right=square(value=right))


@workflow
def four_squares(a: int, b: int, c: int, d: int) -> int:
    return add(left=sum_of_squares(left=a, right=b), right=sum_of_squares(left=c, right=d))


@workflow
def nested_workflow(start: int = 2) -> int:
    return four_squares(a=start, b=start, c=start, d=start)
