"""Around every activity: keys for the log, and our errors as Temporal's.

Temporal retries whatever an activity raises unless told otherwise; what somebody must mend first is not retried.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from flytetemporal.activities.patience import PASSING
from flytetemporal.errors import FlyteError


class ErrorInterceptor(Interceptor):
    """Install on every worker."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Wrap the next link of the chain."""
        return _Translating(next)


class _Translating(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        keys = structlog.contextvars.bound_contextvars(execution=info.workflow_id, activity=info.activity_id)
        with keys, translated():
            return await super().execute_activity(input)


@contextmanager
def translated() -> Iterator[None]:
    """Raise our errors as ``ApplicationError`` with their class name as type, which retry policies go by."""
    try:
        yield
    except asyncio.CancelledError as e:
        details = activity.cancellation_details()
        if details is None or not details.worker_shutdown:
            raise
        # The SDK would report it as cancelled, although nobody has cancelled it: another worker must take over.
        text = "the worker stops; another one takes over"
        raise ApplicationError(text, type="WorkerStopped", category=ApplicationErrorCategory.BENIGN) from e
    except FlyteError as e:
        raise ApplicationError(e.message, type=type(e).__name__, non_retryable=not isinstance(e, PASSING)) from e
