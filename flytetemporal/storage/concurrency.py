"""Do the same for many files at once, a bounded number at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def for_each(work: Callable[[T], Awaitable[R]], items: Iterable[T], at_once: int) -> list[R]:
    """Return what ``work`` returns for each item, in their order.

    If one fails, the others are cancelled, and its error is raised once they have ended. Nothing is left running.
    """
    items = list(items)
    if len(items) == 1:  # A group of one would cost a task and turns of the event loop.
        return [await work(items[0])]
    slots = asyncio.Semaphore(at_once)

    async def bounded(item: T) -> R:
        async with slots:
            return await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(bounded(item)) for item in items]
    except ExceptionGroup as failed:
        # Callers handle the errors of this project, not groups. Any of several is as good as another.
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]
