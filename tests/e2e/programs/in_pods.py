import os
import time

from flytekit import map_task, task, workflow


@task
def hello(name: str) -> str:
    print("in pod", os.environ["FLYTE_INTERNAL_EXECUTION_ID"])
    return f"hello {name}"


@workflow
def greeting(name: str) -> str:
    return hello(name=name)


@task
def broken(text: str) -> str:
    if text:
        raise ValueError(text)
    return text


@workflow
def breaking() -> str:
    return broken(text="this task is broken")


@task
def slow(seconds: int) -> str:
    time.sleep(seconds)
    return "awake"


@workflow
def sleeping(seconds: int) -> str:
    return slow(seconds=seconds)


@task
def double(x: int) -> int:
    return 2 * x


@workflow
def mapping() -> list[int]:
    return map_task(double)(x=[1, 2, 3])
