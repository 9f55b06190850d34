"""Values of megabytes: they stay in the store, also through subworkflows and attribute access."""

from typing import List

from case import Case
from flytekit import task, workflow


@task
def make(size: int) -> List[str]:
    return [f"{number:01000}" for number in range(size)]


@task
def last(parts: List[str]) -> int:
    return int(parts[-1])


@task
def number_of(part: str) -> int:
    return int(part)


@workflow
def inner(parts: List[str]) -> (int, int):
    return last(parts=parts), number_of(part=parts[3])


@workflow
def large(size: int) -> (int, int):
    return inner(parts=make(size=size))


CASES = [Case(large, {"size": 1500}, {"o0": 1499, "o1": 3})]
