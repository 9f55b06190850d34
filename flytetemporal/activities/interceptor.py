"""Keys for the log of every activity, and its errors as Temporal's.

By default Temporal retries an activity after any error. Errors that a retry cannot fix are marked as not retryable.
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
"""Attempts of an activity that fails with an unexpected error; with Temporal's backoff they take half a minute."""


class ErrorInterceptor(Interceptor):
    """The interceptor of every worker."""

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
    """Raise errors as ``ApplicationError`` with the name of their class as type, which retry policies refer to."""
    try:
        yield
    except asyncio.CancelledError as e:
        details = activity.cancellation_details()
        if details is None or not details.worker_shutdown:
            raise
        # The SDK would report a cancellation, although the workflow wants none: another worker must take over.
        text = "the worker stops; another worker takes over"
        raise ApplicationError(text, type="WorkerStopped", category=ApplicationErrorCategory.BENIGN) from e
    except ApplicationError:
        raise
    except FlyteError as e:
        final = not isinstance(e, PASSING) or (isinstance(e, Internal) and _is_spent())
        raise ApplicationError(e.message, type=type(e).__name__, non_retryable=final) from e
    except Exception as e:
        # A defect, ours or of a library. A retry may succeed, but a run must not retry for ever.
        raise ApplicationError(f"{type(e).__name__}: {e}", type=type(e).__name__, non_retryable=_is_spent()) from e


def _is_spent() -> bool:
    return activity.info().attempt >= DEFECT_ATTEMPTS
