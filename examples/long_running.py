"""A task that takes an hour, to be aborted."""

import time

from flytekit import task, workflow


@task
def wait(seconds: int) -> int:
    time.sleep(seconds)
    return seconds


@workflow
def long_workflow(seconds: int = 3600) -> int:
    return wait(seconds=seconds)
