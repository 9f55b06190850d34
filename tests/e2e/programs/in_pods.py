import os
import time

from flytekit import Resources, map_task, task, workflow


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


@task(requests=Resources(mem="500Mi"))
def fill(megabytes: int) -> int:
    held = bytearray(os.urandom(1024)) * 1024 * megabytes
    if os.environ["FLYTE_ATTEMPT_NUMBER"] == "0":
        time.sleep(600)  # The node looks from time to time.
    return len(held)


@workflow
def filling(megabytes: int = 500) -> int:
    return fill(megabytes=megabytes)


@task
def wait_for_file(path: str) -> str:
    while not os.path.exists(path):
        time.sleep(0.1)
    return "awake"


@workflow
def waiting(path: str) -> str:
    return wait_for_file(path=path)
