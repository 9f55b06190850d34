"""Gates, overrides and tasks that wait."""

import datetime as dt
import os
import time

from flytekit import Resources, current_context, task, wait_for_input, workflow
from flytekit.exceptions.user import FlyteRecoverableException


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task
def wait(seconds: float) -> int:
    time.sleep(seconds)
    return 1


@workflow
def gate() -> int:
    return add(a=wait_for_input("number", timeout=dt.timedelta(hours=1), expected_type=int))


@workflow
def waiting(seconds: float = 60.0) -> int:
    return add(a=wait(seconds=seconds))


@task
def flaky(fails: int) -> int:
    """Counts its attempts in the checkpoint, so that only a checkpoint handed on lets it end."""
    checkpoint = current_context().checkpoint
    saved = checkpoint.read() if checkpoint else None
    attempt = int(saved.decode()) + 1 if saved else 0
    checkpoint.write(str(attempt).encode())
    if attempt < fails:
        raise FlyteRecoverableException(f"attempt {attempt}")
    return attempt


@workflow
def checkpointed() -> int:
    return flaky(fails=2).with_overrides(retries=2)


@task(retries=0, timeout=dt.timedelta(hours=1), requests=Resources(mem="100Mi"))
def described() -> str:
    return os.environ["FLYTE_INTERNAL_TASK_NAME"]


@task
def napping() -> None:
    time.sleep(30)


@workflow
def overridden() -> str:
    return described().with_overrides(
        node_name="renamed",
        aliases={"o0": "name"},
        requests=Resources(mem="200Mi"),
        limits=Resources(mem="300Mi"),
        retries=1,
        timeout=dt.timedelta(minutes=3),
        interruptible=True,
        container_image="another:1",
        cache=False,
    )


@workflow
def cut_short() -> None:
    napping().with_overrides(timeout=dt.timedelta(seconds=2), retries=1)
