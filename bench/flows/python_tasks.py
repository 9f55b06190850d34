"""Python tasks, which measure the engine and the warm fork server."""

from flytekit import map_task, task, workflow


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task
def increment(a: int) -> int:
    return a + 1


@workflow
def hello(a: int = 1) -> int:
    return add(a=a)


@workflow
def chain_50(a: int = 0) -> int:
    for _ in range(50):
        a = add(a=a)
    return a


@workflow
def fan_500(a: int = 0) -> None:
    for i in range(500):
        add(a=a, b=i)


@task
def numbers(count: int) -> list[int]:
    return list(range(count))


@workflow
def map_tasks(count: int) -> list[int]:
    return map_task(increment)(a=numbers(count=count))
