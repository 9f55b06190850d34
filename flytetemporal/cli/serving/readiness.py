"""Waiting for a server that does not answer yet: servers are started in any order."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

T = TypeVar("T")
WAIT_SECONDS = 30.0
PAUSE_SECONDS = 0.1

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def wait_until_ready(server: str, attempt: Callable[[], Awaitable[T]], *errors: type[Exception]) -> T:
    """Repeat ``attempt`` while it raises one of ``errors``, for at most ``WAIT_SECONDS``; return its result.

    The first failure is logged with the name of the server; the last one is raised.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + WAIT_SECONDS
    logged = False
    while True:
        try:
            return await attempt()
        except errors as e:
            if loop.time() > deadline:
                raise
            if not logged:
                logged = True
                _log.info(
                    "server_awaited", server=server, answer=str(e).splitlines()[0] if str(e) else type(e).__name__
                )
        await asyncio.sleep(PAUSE_SECONDS)
