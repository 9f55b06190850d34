"""Values far above the size that travels through Temporal."""

from flytekit import task, workflow


@task
def make(size: int) -> list[str]:
    return ["x" * 1000] * size


@task
def count(parts: list[str]) -> int:
    return len(parts)


@workflow
def inner(parts: list[str]) -> int:
    return count(parts=parts)


@workflow
def large(size: int = 3000) -> int:
    return inner(parts=make(size=size))
