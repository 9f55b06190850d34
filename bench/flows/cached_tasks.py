"""Cached tasks: after a first run, every node is a hit."""

from flytekit import task, workflow


@task(cache=True, cache_version="1")
def add(a: int, b: int = 1) -> int:
    return a + b


@workflow
def chain_100(a: int = 0) -> int:
    for _ in range(100):
        a = add(a=a)
    return a


@workflow
def fan_1000(a: int = 0) -> None:
    for i in range(1000):
        add(a=a, b=i)
