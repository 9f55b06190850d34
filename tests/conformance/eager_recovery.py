"""Eager workflows that fail: a restarted process finds the executions it launched; a failure aborts those still running."""

import asyncio
import os
import signal

from case import Case, Run, WorkflowPhase
from flytekit import Workflow, eager, task


@task
async def add(a: int) -> int:
    return a + 1


@task
async def wait(seconds: int) -> int:
    await asyncio.sleep(seconds)
    return seconds


@eager
async def dies_once(a: int) -> int:
    first = await add(a=a)
    if os.environ["FLYTE_ATTEMPT_NUMBER"] == "0":
        os.kill(os.getpid(), signal.SIGKILL)
    return await add(a=first)


@eager
async def gives_up(seconds: int) -> int:
    waiting = asyncio.create_task(wait(seconds=seconds))
    await asyncio.sleep(6)
    if not waiting.done():
        raise ValueError("gave up")
    return await waiting


# flytekit's own cleanup only exists for an eager workflow that is not a node of another.
gives_up_as_a_node = Workflow(name="eager_recovery.gives_up_as_a_node")
gives_up_as_a_node.add_workflow_input("seconds", int)
eager_node = gives_up_as_a_node.add_entity(gives_up, seconds=gives_up_as_a_node.inputs["seconds"])
gives_up_as_a_node.add_workflow_output("o0", eager_node.outputs["o0"])


@eager
async def waits(seconds: int) -> int:
    return await wait(seconds=seconds)


def abort(run: Run) -> None:
    run.until(lambda: len(run.labelled("eager-exec", run.id.name)) == 1, "that it launches something")
    run.remote.terminate(run.remote.fetch_execution(name=run.id.name), "not needed any more")


def started_nothing_twice(run: Run) -> None:
    (node,) = [name for name in run.nodes() if not name.endswith("-node")]
    assert len(run.attempts(node)) == 2
    assert [child.closure.phase for child in run.labelled("eager-exec", run.id.name)] == [WorkflowPhase.SUCCEEDED] * 2


def left_nothing_running(run: Run) -> None:
    def aborted() -> bool:
        children = run.labelled("eager-exec", run.id.name)
        return [child.closure.phase for child in children] == [WorkflowPhase.ABORTED]

    run.until(aborted, "the abort of what it had launched")


CASES = [
    Case(dies_once, {"a": 1}, {"o0": 3}, check=started_nothing_twice),
    Case(
        waits, {"seconds": 601}, phase="ABORTED", error="not needed any more", during=abort, check=left_nothing_running
    ),
    Case(gives_up_as_a_node, {"seconds": 602}, phase="FAILED", error="gave up", check=left_nothing_running),
    Case(gives_up, {"seconds": 600}, phase="FAILED", error="gave up", check=left_nothing_running),
]
