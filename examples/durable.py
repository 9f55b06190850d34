"""Three steps that survive the death of the worker: steps that have ended do not run again."""

import time

from flytekit import task, workflow


@task
def step(a: int, seconds: float) -> int:
    time.sleep(seconds)
    return a + 1


@workflow
def durable_workflow(a: int = 0, seconds: float = 2.0) -> int:
    return step(a=step(a=step(a=a, seconds=seconds), seconds=seconds), seconds=seconds)
