"""Servers start in any order: wait for one that does not answer yet."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

T = TypeVar("T")
WAIT_SECONDS = 30.0
PAUSE_SECONDS = 0.1

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def wait_for(what: str, attempt: Callable[[], Awaitable[T]], *errors: type[Exception]) -> T:
    """Repeat ``attempt`` while it raises one of ``errors``; the last one is raised when the time is up."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + WAIT_SECONDS
    told = False
    while True:
        try:
            return await attempt()
        except errors as e:
            if loop.time() > deadline:
                raise
            if not told:
                told = True
                _log.info("server_awaited", server=what, answer=str(e).splitlines()[0] if str(e) else type(e).__name__)
        await asyncio.sleep(PAUSE_SECONDS)
