"""Interruptible tasks, workflows and executions; switched off for the attempt after the last system retry."""

import os
import signal

from case import Case, Run
from flyteidl.event import event_pb2
from flytekit import task, workflow

INTERRUPTIBLE = event_pb2.TaskExecutionMetadata.INTERRUPTIBLE
DEFAULT = event_pb2.TaskExecutionMetadata.DEFAULT


@task(interruptible=True)
def spot(a: int) -> int:
    return a


@task(interruptible=False)
def steady(a: int) -> int:
    return a


@task
def either(a: int) -> int:
    return a


@task(interruptible=True)
def preempted(times: int) -> int:
    attempt = int(os.environ["FLYTE_ATTEMPT_NUMBER"])
    if attempt < times:
        os.kill(os.getpid(), signal.SIGKILL)
    return attempt


@workflow(interruptible=True)
def mixed(a: int) -> int:
    return either(a=steady(a=spot(a=a)))


@workflow
def plain(a: int) -> int:
    return either(a=steady(a=spot(a=a)))


@workflow
def often_preempted(times: int) -> int:
    return preempted(times=times)


def classes(run: Run, *nodes: str) -> list:
    return [attempt.closure.metadata.instance_class for node in nodes for attempt in run.attempts(node)]


def by_the_workflow(run: Run) -> None:
    assert classes(run, "n0", "n1", "n2") == [INTERRUPTIBLE, DEFAULT, INTERRUPTIBLE]


def by_the_task(run: Run) -> None:
    assert classes(run, "n0", "n1", "n2") == [INTERRUPTIBLE, DEFAULT, DEFAULT]


def alone(run: Run) -> None:
    (node,) = [name for name in run.nodes() if name not in ("start-node", "end-node")]
    assert classes(run, node) == [INTERRUPTIBLE]


def not_the_last_attempt(run: Run) -> None:
    assert classes(run, "n0") == [INTERRUPTIBLE, INTERRUPTIBLE, INTERRUPTIBLE, DEFAULT]


CASES = [
    Case(mixed, {"a": 1}, {"o0": 1}, check=by_the_workflow),
    Case(plain, {"a": 1}, {"o0": 1}, check=by_the_task),
    Case(plain, {"a": 2}, {"o0": 2}, launched={"interruptible": True}, check=by_the_workflow),
    Case(spot, {"a": 3}, {"o0": 3}, check=alone),
    Case(often_preempted, {"times": 3}, {"o0": 3}, check=not_the_last_attempt),
]
