"""Cancel tasks and wait until they have ended: a second cancellation does not cut cleanup short.

An activity that is cancelled with ``WAIT_CANCELLATION_COMPLETED`` can still return a result or fail. No CancelledError
is raised then, so a caller that must not continue asks ``is_cancelled``.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from temporalio import workflow

from flytetemporal.workflows.throttling.workflow_task_budget import WorkflowTaskBudget


async def wait_until_done(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Return when all tasks have ended. Their exceptions are not raised here.

    Raises:
        asyncio.CancelledError: the caller was cancelled in the meantime; all tasks have ended anyway.
    """
    cancelled = False
    while pending := [task for task in tasks if not task.done()]:
        try:
            # workflow.wait keeps the order of the tasks; asyncio.wait iterates a set, which differs between replays.
            await workflow.wait(pending)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


async def cancel_and_wait(tasks: Sequence[asyncio.Task[Any]], budget: WorkflowTaskBudget | None = None) -> None:
    """Cancel all tasks in order and return when they have ended; with ``budget``, each takes a step of it first.

    Raises:
        asyncio.CancelledError: the caller was cancelled in the meantime; all tasks have ended anyway.
    """
    cancelled = False
    for task in tasks:
        try:
            if budget is not None:
                await budget.take_step()
        except asyncio.CancelledError:
            cancelled = True
        task.cancel()
    await wait_until_done(tasks)
    if cancelled:
        raise asyncio.CancelledError


def is_cancelled() -> bool:
    """Whether the current task has been cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
