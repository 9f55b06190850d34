"""Workflows whose tasks run in pods."""

import os
import time

from flytekit import Resources, map_task, task, workflow


@task
def greet(name: str) -> str:
    print("in pod", os.environ["FLYTE_INTERNAL_EXECUTION_ID"], flush=True)
    return f"Hello, {name}!"


@workflow
def greeting(name: str) -> str:
    return greet(name=name)


@task
def double(x: int) -> int:
    return 2 * x


@workflow
def doubling(n: int) -> list[int]:
    return map_task(double)(x=count(n=n))


@task
def count(n: int) -> list[int]:
    return list(range(n))


@task
def parse(text: str) -> int:
    return int(text)


@workflow
def failing() -> int:
    return parse(text="not a number")


@task(requests=Resources(mem="300Mi"))
def fill(megabytes: int) -> int:
    return len(bytearray(os.urandom(1024)) * 1024 * megabytes)


@workflow
def filling(megabytes: int = 350) -> int:
    return fill(megabytes=megabytes)


@task
def sleep(seconds: int) -> str:
    time.sleep(seconds)
    return "awake"


@workflow
def sleeping(seconds: int) -> str:
    return sleep(seconds=seconds)
