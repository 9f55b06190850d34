"""Concurrent awaits that leave nothing running."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def finish_all(*work: Coroutine[Any, Any, object]) -> None:
    """Run all at once. If one fails, cancel the others, wait for them and raise its error.

    The error itself is raised, not the group of a TaskGroup: the status that a client gets derives from its class.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
