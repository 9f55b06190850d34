"""Stop tasks and wait for them, whatever comes in between: clean-up is not cut short by a second cancellation."""

import asyncio
from collections.abc import Sequence
from typing import Any

from temporalio import workflow


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


async def stopped(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel all tasks, in order, and return when they have ended. Raises like ``settled``."""
    for task in tasks:
        task.cancel()
    await settled(tasks)
