"""Repeat operations that fail for a while: a restart of admin must not cost the work of a task that ran for hours."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from flytetemporal.errors import Internal, QuotaExceeded, Unavailable

log = structlog.get_logger()

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 30.0
PASSING = (Unavailable, QuotaExceeded, Internal)
"""Errors after which the same operation can succeed later."""


async def retry_transient(operation: Callable[[], Awaitable[T]], what: str) -> T:
    """Return the result of ``operation``; repeat it with growing pauses while it raises one of ``PASSING``."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return await operation()
        except PASSING as e:
            log.warning("waiting", what=what, problem=e.message, seconds=pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
