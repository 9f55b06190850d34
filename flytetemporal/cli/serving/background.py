"""Work that goes on while a server process is up."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import structlog

from flytetemporal.errors import FlyteError

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run ``work`` while the context is open."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        # gather waits for the cancelled task without raising its CancelledError here.
        await asyncio.gather(task, return_exceptions=True)


async def repeat(work: Callable[[], Awaitable[object]], interval_seconds: float, failure: str) -> None:
    """Do ``work`` again and again, with pauses of ``interval_seconds``; what it raises is logged as ``failure``."""
    while True:
        try:
            await work()
        except FlyteError as e:
            _log.warning(failure, problem=e.message)
        except Exception:
            # The loop has to outlive a defect: only the next process would start it again.
            _log.exception(failure)
        await asyncio.sleep(interval_seconds)
