"""A bounded number of repairs at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

AT_ONCE = 8

T = TypeVar("T")


async def for_each(items: Iterable[T], repair: Callable[[T], Awaitable[None]]) -> None:
    """Repair every item, at most eight at once; then raise the first error, if any.

    One item that always fails must not keep the others from their repair, so this is no TaskGroup, which cancels the
    others; and no bare ``gather``, which leaves them running when it raises.
    """
    slots = asyncio.Semaphore(AT_ONCE)

    async def bounded(item: T) -> None:
        async with slots:
            await repair(item)

    for outcome in await asyncio.gather(*(bounded(item) for item in items), return_exceptions=True):
        if outcome is not None:
            raise outcome
