"""Call the engine's own activities: short, idempotent work that any worker can do."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy

from flytetemporal.contracts import activities

TIMEOUT = timedelta(seconds=60)
RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))

Argument = TypeVar("Argument")
Result = TypeVar("Result")


async def execute(
    activity: Callable[[Argument], Awaitable[Result]],
    argument: Argument,
    *,
    summary: str,
    limit: timedelta = TIMEOUT,
    retry_policy: RetryPolicy = RETRY,
) -> Result:
    """Run an activity of the engine. ``limit`` bounds one attempt; a worker that dies is noticed by its heartbeat.

    Raises:
        ActivityError: it failed with an error that is not retried, or ``retry_policy`` is exhausted.
    """
    return await workflow.execute_activity(
        activity,
        argument,
        start_to_close_timeout=limit,
        heartbeat_timeout=activities.HEARTBEAT_TIMEOUT,
        retry_policy=retry_policy,
        summary=summary,
    )
