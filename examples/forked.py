"""A workflow whose last task can fail after the expensive ones have succeeded; see docs/guide/recovery-and-fork.md."""

from flytekit import task, workflow


@task
def load(rows: int) -> list[int]:
    return list(range(rows))


@task
def train(numbers: list[int]) -> int:
    return sum(numbers)


@task
def report(score: int, limit: int) -> str:
    if score > limit:
        message = f"a score of {score} is above the limit of {limit}"
        raise ValueError(message)
    return f"score {score}"


@workflow
def train_and_report(rows: int = 10, limit: int = 5) -> str:
    return report(score=train(numbers=load(rows=rows)), limit=limit)
