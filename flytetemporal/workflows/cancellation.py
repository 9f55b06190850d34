"""Stop tasks and wait for them, whatever comes in between: clean-up is not cut short by a second cancellation.

An activity that is stopped with ``WAIT_CANCELLATION_COMPLETED`` may answer all the same, or fail; no CancelledError is
raised then, and ``is_cancelled`` has to be asked.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from temporalio import workflow

from flytetemporal.workflows.throttling.workflow_task_budget import Pace


async def settled(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Return when all tasks have ended; what they raised stays with them.

    Raises:
        asyncio.CancelledError: we were cancelled meanwhile. All tasks have ended all the same.
    """
    cancelled = False
    while pending := [task for task in tasks if not task.done()]:
        try:
            await workflow.wait(pending)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


async def stopped(tasks: Sequence[asyncio.Task[Any]], pace: Pace | None = None) -> None:
    """Cancel all tasks, in order and at a ``pace`` if there may be many; return when they have ended.

    Raises:
        asyncio.CancelledError: we were cancelled meanwhile. All tasks have ended all the same.
    """
    cancelled = False
    for task in tasks:
        try:
            if pace is not None:
                await pace.step()
        except asyncio.CancelledError:
            cancelled = True
        task.cancel()
    await settled(tasks)
    if cancelled:
        raise asyncio.CancelledError


def is_cancelled() -> bool:
    """Say whether somebody has asked the current task to stop."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
