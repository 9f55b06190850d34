"""Heartbeats show Temporal that the worker of an activity is alive. Temporal answers them with cancellations."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

# One heartbeat can be late, or lost to a server that restarts: the next one still arrives in time.
BEATS_PER_TIMEOUT = 3


class HeartbeatInterceptor(Interceptor):
    """Heartbeats for activities that do not send their own.

    They show that the event loop runs, and so that the worker is alive. An activity that hangs has its own timeout.
    """

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Wrap the next link of the chain."""
        return _Beating(next)


class _Beating(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        timeout = activity.info().heartbeat_timeout
        if not timeout:  # A run that an earlier version has started, or a local activity.
            return await super().execute_activity(input)
        async with beating(timeout.total_seconds() / BEATS_PER_TIMEOUT):
            return await super().execute_activity(input)


@contextlib.asynccontextmanager
async def beating(seconds: float, details: Callable[[], tuple[Any, ...]] = tuple) -> AsyncIterator[None]:
    """Heartbeat every ``seconds`` while the context is open. A shorter activity sends none."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(seconds)
            activity.heartbeat(*details())

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
