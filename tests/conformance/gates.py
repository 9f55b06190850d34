"""Gates: a pause, a value from a user, an approval, a rejection, and a timeout."""

import datetime as dt

from case import Case, Run
from flytekit import approve, dynamic, sleep, task, wait_for_input, workflow

HOUR = dt.timedelta(hours=1)


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@workflow
def paused(a: int) -> int:
    pause = sleep(dt.timedelta(seconds=1))
    added = add(a=a)
    pause >> added
    return added


@workflow
def given(a: int) -> int:
    return add(a=wait_for_input("number", timeout=HOUR, expected_type=int), b=a)


@workflow
def approved(a: int) -> int:
    return add(a=approve(add(a=a), "publish", timeout=HOUR), b=100)


@workflow
def never_given(a: int) -> int:
    return add(a=wait_for_input("never", timeout=dt.timedelta(seconds=6), expected_type=int), b=a)


@dynamic
def asks(a: int) -> int:
    return add(a=wait_for_input("deep", timeout=HOUR, expected_type=int), b=a)


@workflow
def given_in_a_dynamic(a: int) -> int:
    return asks(a=a)


def waiting_signal(run: Run, signal: str) -> None:
    def listed() -> bool:
        return signal in [found.id.signal_id for found in run.remote.list_signals(run.id.name)]

    run.until(listed, f"that it waits for {signal}")


def give(run: Run) -> None:
    waiting_signal(run, "number")
    run.remote.set_input("number", run.id.name, 30)


def give_deep(run: Run) -> None:
    waiting_signal(run, "deep")
    run.remote.set_input("deep", run.id.name, 5)


def agree(run: Run) -> None:
    waiting_signal(run, "publish")
    run.remote.approve("publish", run.id.name)


def disagree(run: Run) -> None:
    waiting_signal(run, "publish")
    run.remote.reject("publish", run.id.name)


CASES = [
    Case(paused, {"a": 1}, {"o0": 2}),
    Case(given, {"a": 12}, {"o0": 42}, during=give),
    Case(given_in_a_dynamic, {"a": 1}, {"o0": 6}, during=give_deep),
    Case(approved, {"a": 1}, {"o0": 102}, during=agree),
    Case(approved, {"a": 1}, phase="FAILED", code="ReceivedRejectSignal", during=disagree),
    Case(never_given, {"a": 1}, phase="FAILED", code="RetriesExhausted|TimeoutExpired"),
]
