"""Time limits. The timer is Temporal's, so a limit holds across restarts of workers and on replay."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import TypeVar

from google.protobuf import timestamp_pb2
from temporalio import exceptions, workflow

from flytetemporal.idl import times
from flytetemporal.workflows import cancellation

T = TypeVar("T")


def left(limit: timedelta, since: timestamp_pb2.Timestamp) -> timedelta:
    """Return what is left of ``limit``, counted from ``since``, 1 ms at least; zero stays zero: no limit."""
    return max(limit - (workflow.now() - times.moment(since)), timedelta(milliseconds=1)) if limit else limit


async def within(
    limit: timedelta, work: Awaitable[T], clock: Callable[[asyncio.Timeout], AbstractContextManager[None]] | None = None
) -> T:
    """Return what ``work`` returns; zero means no limit.

    ``clock`` is entered with the timeout, which it can move.

    Raises:
        TimeoutError: the limit has passed; ``work`` was cancelled and has ended.
    """
    if not limit:
        return await work
    async with asyncio.timeout(limit.total_seconds()) as timeout:
        try:
            with clock(timeout) if clock is not None else nullcontext():
                return await work
        except exceptions.FailureError as e:
            # asyncio.timeout turns only a bare CancelledError into TimeoutError. An activity that is cancelled raises a
            # FailureError instead, and any other failure if the worker that should stop it is gone.
            if exceptions.is_cancelled_exception(e) or cancellation.is_cancelled():
                raise asyncio.CancelledError from e
            raise
