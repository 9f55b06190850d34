"""Retries of recoverable and system failures, none of plain exceptions; the error after the last retry."""

import os
import signal

from case import Case, Run, TaskPhase
from flytekit import task, workflow
from flytekit.exceptions.user import FlyteRecoverableException


def attempt_number() -> int:
    return int(os.environ["FLYTE_ATTEMPT_NUMBER"])


@task(retries=2)
def recovers(fails: int) -> int:
    if attempt_number() < fails:
        raise FlyteRecoverableException(f"attempt {attempt_number()}")
    return attempt_number()


@task(retries=2)
def raises(text: str) -> int:
    if text:
        raise ValueError(text)
    return 0


@task
def is_killed(times: int) -> int:
    """A process that gets SIGKILL is a system failure, like one whose machine disappears."""
    if attempt_number() < times:
        os.kill(os.getpid(), signal.SIGKILL)
    return attempt_number()


@task(retries=1)
def exits(code: int) -> int:
    if attempt_number() == 0:
        os._exit(code)
    return attempt_number()


@workflow
def recovering(fails: int) -> int:
    return recovers(fails=fails)


@workflow
def raising(text: str) -> int:
    return raises(text=text)


@workflow
def killed(times: int) -> int:
    return is_killed(times=times)


@workflow
def exiting(code: int) -> int:
    return exits(code=code)


def attempts(*phases: int):
    def check(run: Run) -> None:
        assert [attempt.closure.phase for attempt in run.attempts("n0")] == list(phases)

    return check


F, S = TaskPhase.FAILED, TaskPhase.SUCCEEDED
CASES = [
    Case(recovering, {"fails": 2}, {"o0": 2}, check=attempts(F, F, S)),
    Case(
        recovering,
        {"fails": 9},
        phase="FAILED",
        code="RetriesExhausted|USER:Recoverable",
        error="[3/3] currentAttempt done",
        check=attempts(F, F, F),
    ),
    Case(raising, {"text": "no"}, phase="FAILED", code="USER:RuntimeError", error="ValueError: no", check=attempts(F)),
    Case(killed, {"times": 2}, {"o0": 2}, check=attempts(F, F, S)),
    Case(exiting, {"code": 3}, {"o0": 1}, check=attempts(F, S)),
]
