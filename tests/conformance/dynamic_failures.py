"""Failures of dynamic workflows: of their code, of a node inside, of a graph that cannot be read."""

import os

from case import Case, NodePhase, Run
from flytekit import current_context, dynamic, reference_launch_plan, task, workflow
from flytekit.core.context_manager import FlyteContextManager
from flytekit.exceptions.user import FlyteRecoverableException


@task
def fail(text: str) -> int:
    if text:
        raise ValueError(text)
    return 0


@task(retries=2)
def flaky(fails: int) -> int:
    attempt = int(os.environ["FLYTE_ATTEMPT_NUMBER"])
    if attempt < fails:
        raise FlyteRecoverableException(f"attempt {attempt}")
    return attempt


@task
def add(a: int, b: int) -> int:
    return a + b


@dynamic
def fails_inside(text: str) -> int:
    return add(a=flaky(fails=0), b=fail(text=text))


@dynamic
def fails_itself(text: str) -> int:
    if text:
        raise ValueError(text)
    return flaky(fails=0)


@dynamic
def retries_inside(fails: int) -> int:
    return add(a=flaky(fails=fails), b=flaky(fails=1))


@dynamic(retries=1)
def tried_again(fails: int) -> int:
    attempt = int(os.environ["FLYTE_ATTEMPT_NUMBER"])
    if attempt < fails:
        raise FlyteRecoverableException(f"attempt {attempt}")
    return add(a=flaky(fails=1), b=10 * attempt)


@task(retries=2)
def leaves_rubbish(text: str) -> int:
    """Writes the file by which a task becomes dynamic, and not what must be in it."""
    context = FlyteContextManager.current_context()
    folder = current_context().output_metadata_prefix
    path = os.path.join(current_context().working_directory, "futures.pb")
    with open(path, "w") as file:
        file.write(text)
    context.file_access.put_data(path, os.path.join(folder, "futures.pb"))
    return 1


@reference_launch_plan(project="flytesnacks", domain="development", name="dynamic_failures.nobody", version="none")
def nobody(a: int) -> int: ...


@dynamic(retries=2)
def refers_to_nobody(a: int) -> int:
    return nobody(a=a)


@workflow
def failing_inside(text: str) -> int:
    return fails_inside(text=text)


@workflow
def failing_itself(text: str) -> int:
    return fails_itself(text=text)


@workflow
def retrying_inside(fails: int) -> int:
    return retries_inside(fails=fails)


@workflow
def trying_again(fails: int) -> int:
    return tried_again(fails=fails)


@workflow
def unreadable(text: str) -> int:
    return leaves_rubbish(text=text)


@workflow
def incomplete(a: int) -> int:
    return refers_to_nobody(a=a)


def failed_below(run: Run) -> None:
    assert run.nodes()["n0"].closure.phase == NodePhase.FAILED
    failed = [node for node in run.nodes("n0").values() if node.closure.phase == NodePhase.FAILED]
    assert len(failed) == 1
    assert len(run.attempts("n0")) == 1


def tried_inside(run: Run) -> None:
    tries = sorted(len(run.attempts(node)) for node in run.nodes("n0") if not node.endswith("-node"))
    assert tries == [1, 2, 3]
    assert len(run.attempts("n0")) == 1


def ran_below_the_second_attempt(run: Run) -> None:
    assert len(run.attempts("n0")) == 2
    assert "n0-1-dn0" in run.nodes("n0")


def was_not_tried_again(run: Run) -> None:
    assert len(run.attempts("n0")) == 1


CASES = [
    Case(failing_inside, {"text": "inside"}, phase="FAILED", error="ValueError: inside", check=failed_below),
    Case(failing_itself, {"text": "itself"}, phase="FAILED", code="USER:RuntimeError", error="ValueError: itself"),
    Case(retrying_inside, {"fails": 2}, {"o0": 3}, check=tried_inside),
    Case(retrying_inside, {"fails": 9}, phase="FAILED", code="RetriesExhausted|USER:Recoverable"),
    Case(trying_again, {"fails": 1}, {"o0": 11}, check=ran_below_the_second_attempt),
    Case(
        unreadable,
        {"text": "no graph at all"},
        phase="FAILED",
        code="DynamicWorkflowBuildFailed",
        error="futures.pb",
        check=was_not_tried_again,
    ),
    Case(
        incomplete,
        {"a": 1},
        phase="FAILED",
        code="DynamicWorkflowBuildFailed",
        error="dynamic_failures.nobody",
        check=was_not_tried_again,
    ),
]
