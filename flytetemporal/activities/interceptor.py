"""Keys for the log of every activity, and its errors as Temporal's.

By default Temporal retries an activity after any error. Errors that a retry cannot fix are marked as not retryable.
Denied access to the store is retried for a while: an operator can be changing the credentials.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from cachetools import LRUCache
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from flytetemporal.errors import FlyteError, Internal, StoreAccessDenied
from flytetemporal.plugins import transient
from flytetemporal.plugins.transient import PASSING

DEFECT_ATTEMPTS = 6
"""Attempts of an activity that fails with an unexpected error; with Temporal's backoff they take half a minute."""
REMEMBERED_DENIALS = 10_000


class Denials:
    """When the store first denied access to each activity, as far as this worker has seen it.

    The number of an activity's tries says nothing about this: it can have waited for hours for a store that did not
    answer. Several workers that share the tries of an activity need longer to give up.
    """

    def __init__(self) -> None:
        self._since: LRUCache[tuple[str, str], float] = LRUCache(REMEMBERED_DENIALS)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Run a try of the current activity.

        Raises:
            ApplicationError: the store has denied access for ``transient.DENIED_SECONDS``; it is not retried.
        """
        try:
            yield
        except StoreAccessDenied as e:
            now = time.monotonic()
            if now - self._since.setdefault(self._key(), now) < transient.DENIED_SECONDS:
                raise
            self._forget()
            raise ApplicationError(e.message, type=type(e).__name__, non_retryable=True) from None
        except BaseException:
            self._forget()  # The store denies access no longer, or was not asked.
            raise
        self._forget()

    def _forget(self) -> None:
        self._since.pop(self._key(), None)

    def _key(self) -> tuple[str, str]:
        info = activity.info()
        return info.workflow_run_id or "", info.activity_id


class ErrorInterceptor(Interceptor):
    """The interceptor of every worker."""

    def __init__(self) -> None:
        self._denials = Denials()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Wrap the next link of the chain."""
        return _Translating(next, self._denials)


class _Translating(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, denials: Denials) -> None:
        super().__init__(next)
        self._denials = denials

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        keys = structlog.contextvars.bound_contextvars(execution=info.workflow_id, activity=info.activity_id)
        with keys, translated(), self._denials.counted():
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
        # Without the cause, unless it has to be found: tracebacks of a store's libraries have tens of kilobytes, and
        # Temporal replaces a failure of more than a few by "Failure exceeds size limit". Also, a workflow takes the
        # innermost cause for the code of its error.
        cause = e if isinstance(e, Internal) else None
        raise ApplicationError(e.message, type=type(e).__name__, non_retryable=final) from cause
    except Exception as e:
        # A defect, ours or of a library. A retry may succeed, but a run must not retry for ever.
        raise ApplicationError(f"{type(e).__name__}: {e}", type=type(e).__name__, non_retryable=_is_spent()) from e


def _is_spent() -> bool:
    return activity.info().attempt >= DEFECT_ATTEMPTS
