"""A bounded number of repairs at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import structlog

from flytetemporal.errors import FlyteError

AT_ONCE = 8

T = TypeVar("T")

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def for_each(items: Iterable[T], repair: Callable[[T], Awaitable[None]]) -> list[Exception]:
    """Repair every item, at most eight at once. Log the errors and return them.

    One item that always fails must not keep the others from their repair, also those on the pages behind it. So this
    is no TaskGroup, which cancels the others, and it does not raise.
    """
    slots = asyncio.Semaphore(AT_ONCE)
    failed: list[Exception] = []

    async def bounded(item: T) -> None:
        async with slots:
            try:
                await repair(item)
            except Exception as e:
                failed.append(e)
                bug = None if isinstance(e, FlyteError) else e
                _log.warning("sweep_row_failed", row=getattr(item, "id", None), error=str(e), exc_info=bug)

    await asyncio.gather(*(bounded(item) for item in items))
    return failed
