"""Repeat what may pass by itself: the work of a task that ran for hours must not be lost to a restart of admin."""

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
"""Errors of ours that may pass; all others stay what they are."""


async def retry_transient(operation: Callable[[], Awaitable[T]], what: str) -> T:
    """Return what ``operation`` does, as soon as the servers behind it answer; it must be safe to repeat."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return await operation()
        except PASSING as e:
            log.warning("waiting", what=what, problem=e.message, seconds=pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
