"""Beyond Flyte: retries and a maximum duration set by annotations, explanations of waits, ends by force."""

import json
import time
from datetime import timedelta

import httpx
from case import Case, Run, TaskPhase
from flytekit import task, wait_for_input, workflow
from flytekit.core.options import Options
from flytekit.exceptions.user import FlyteRecoverableException
from flytekit.models.common import Annotations


@task
def fail(text: str) -> int:
    if text:
        raise FlyteRecoverableException(text)
    return 0


@task
def wait(seconds: int) -> int:
    time.sleep(seconds)
    return seconds


@workflow
def failing(text: str) -> int:
    return fail(text=text)


@workflow
def waiting(seconds: int) -> int:
    return wait(seconds=seconds)


@workflow
def gated() -> int:
    return wait(seconds=wait_for_input("number", timeout=timedelta(hours=1), expected_type=int))


def annotated(name: str, value: str) -> dict:
    return {"options": Options(annotations=Annotations({f"flytetemporal.io/{name}": value}))}


def was_tried_twice(run: Run) -> None:
    assert [attempt.closure.phase for attempt in run.attempts("n0")] == [TaskPhase.FAILED, TaskPhase.FAILED]


def is_explained(run: Run) -> None:
    """Poll until the gate is reached, then open it."""
    address = f"{run.http_url}/api/v1/operations/explain/{run.id.project}/{run.id.domain}/{run.id.name}"
    run.until(lambda: 'signal \\"number\\"' in json.dumps(httpx.get(address).json()), "that it waits for the signal")
    run.remote.set_input("number", run.id.name, 0)


RULE = "- {cause: 'USER:Recoverable', retries: 1, initial: 1s}"
CASES = [
    Case(
        failing,
        {"text": "no"},
        phase="FAILED",
        code="RetriesExhausted|USER:Recoverable",
        launched=annotated("retry", RULE),
        check=was_tried_twice,
    ),
    Case(waiting, {"seconds": 600}, phase="FAILED", code="ExecutionTimedOut", launched=annotated("timeout", "5s")),
    Case(gated, outputs={"o0": 0}, during=is_explained),
]
