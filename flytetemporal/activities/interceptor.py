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

from flytetemporal.errors import FlyteError, Internal
from flytetemporal.plugins.transient import PASSING

DEFECT_ATTEMPTS = 6
"""Tries of what fails for a reason that nobody foresaw; with Temporal's back-off they take half a minute."""


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
    except ApplicationError:
        raise
    except FlyteError as e:
        final = not isinstance(e, PASSING) or (isinstance(e, Internal) and _is_spent())
        raise ApplicationError(e.message, type=type(e).__name__, non_retryable=final) from e
    except Exception as e:
        # A defect, ours or a library's. It may pass; a run must not wait for that for ever.
        raise ApplicationError(f"{type(e).__name__}: {e}", type=type(e).__name__, non_retryable=_is_spent()) from e


def _is_spent() -> bool:
    return activity.info().attempt >= DEFECT_ATTEMPTS
