"""Timeouts of an attempt, which can be retried.

They count from the start of the attempt on a worker, so a busy machine cannot make ``slow`` end otherwise. How long a node
may be open includes the wait for a slot; the stack of the tests allows 30 times the timeout, so it never ends these.
"""

import datetime as dt
import os
import time

from case import Case, Run, TaskPhase
from flytekit import task, workflow


@task(timeout=dt.timedelta(seconds=30), retries=1)
def slow_at_first() -> int:
    attempt = int(os.environ["FLYTE_ATTEMPT_NUMBER"])
    if attempt == 0:
        time.sleep(600)
    return attempt


@task(timeout=dt.timedelta(seconds=20))
def slow() -> int:
    time.sleep(600)
    return 1


@workflow
def tried_again() -> int:
    return slow_at_first()


@workflow
def timed_out() -> int:
    return slow()


def stopped_one(run: Run) -> None:
    first, second = run.attempts("n0")
    assert (first.closure.phase, second.closure.phase) == (TaskPhase.ABORTED, TaskPhase.SUCCEEDED)


CASES = [
    Case(tried_again, outputs={"o0": 1}, check=stopped_one),
    Case(timed_out, phase="FAILED", code="RetriesExhausted|TimeoutExpired", error="[20s] expired"),
]
