"""Heartbeats: they tell Temporal that an activity's worker lives, and bring word of cancellation back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

# A late one, or one that a server which starts again did not take, is made up for by the next.
BEATS_PER_TIMEOUT = 3


class HeartbeatInterceptor(Interceptor):
    """Install on workers whose activities do not heartbeat by themselves.

    The event loop that answers is a sign of life for all that runs in it; what hangs has its time-out.
    """

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Wrap the next link of the chain."""
        return _Beating(next)


class _Beating(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        timeout = activity.info().heartbeat_timeout
        if not timeout:  # Of a run that was started by an earlier version, or of a local activity.
            return await super().execute_activity(input)
        async with beating(timeout.total_seconds() / BEATS_PER_TIMEOUT):
            return await super().execute_activity(input)


@contextlib.asynccontextmanager
async def beating(seconds: float, details: Callable[[], tuple[Any, ...]] = tuple) -> AsyncIterator[None]:
    """Heartbeat every so many seconds; what is over before the first is due costs the server nothing."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(seconds)
            activity.heartbeat(*details())

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
