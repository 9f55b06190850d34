"""A map task over a thousand elements with their own retries, of which one in a hundred may fail."""

from flytekit import map_task, task, workflow


@task
def numbers(count: int) -> list[int]:
    return list(range(count))


@task
def inspect(number: int) -> int:
    if number % 100 == 99:
        raise ValueError(f"{number} is one in a hundred")
    return number


@task
def count_good(results: list[int | None]) -> int:
    return sum(result is not None for result in results)


@workflow
def mapping_workflow(count: int = 1000) -> int:
    inspected = map_task(inspect, min_success_ratio=0.99)(number=numbers(count=count))
    return count_good(results=inspected)
