"""Attempts of the elements of a map task: each element has its own retries, timeout and system budget."""

import datetime as dt
import functools
import os
import signal
import time
from typing import List, Optional

from case import Case, Run, TaskPhase
from flytekit import map_task, task, workflow
from flytekit.exceptions.user import FlyteRecoverableException


@task(retries=2)
def flaky(fails: int, base: int) -> int:
    attempt = int(os.environ["FLYTE_ATTEMPT_NUMBER"])
    if attempt < fails:
        raise FlyteRecoverableException(f"attempt {attempt} of {fails}")
    return base + attempt


@task(timeout=dt.timedelta(seconds=20))
def sleepy(seconds: int) -> int:
    time.sleep(seconds)
    return seconds


@task(interruptible=True)
def preempted(times: int) -> int:
    attempt = int(os.environ["FLYTE_ATTEMPT_NUMBER"])
    if attempt < times:
        os.kill(os.getpid(), signal.SIGKILL)
    return attempt


@workflow
def retried(fails: List[int]) -> List[int]:
    return map_task(functools.partial(flaky, base=10))(fails=fails)


@workflow
def overridden(fails: List[int]) -> List[int]:
    return map_task(functools.partial(flaky, base=0))(fails=fails).with_overrides(retries=1)


@workflow
def timed_out(seconds: List[int]) -> List[Optional[int]]:
    return map_task(sleepy, min_success_ratio=0.5)(seconds=seconds)


@workflow
def interrupted(times: List[int]) -> List[int]:
    return map_task(preempted)(times=times)


def counted(*retries: int):
    def check(run: Run) -> None:
        (attempt,) = run.attempts("n0")
        last = {
            element.index: element
            for element in attempt.closure.metadata.external_resources
            if element.phase == TaskPhase.SUCCEEDED
        }
        assert tuple(last[index].retry_attempt for index in sorted(last)) == retries

    return check


CASES = [
    Case(timed_out, {"seconds": [0, 600]}, {"o0": [0, None]}),
    Case(retried, {"fails": [0, 2, 1]}, {"o0": [10, 12, 11]}, check=counted(0, 2, 1)),
    Case(retried, {"fails": [0, 9]}, phase="FAILED", error="[3/3] currentAttempt done"),
    Case(overridden, {"fails": [1]}, {"o0": [1]}, check=counted(1)),
    Case(overridden, {"fails": [2]}, phase="FAILED", error="[2/2] currentAttempt done"),
    Case(interrupted, {"times": [1, 0]}, {"o0": [1, 0]}, check=counted(1, 0)),
]
