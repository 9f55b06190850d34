"""The life of a server process: it serves until a signal and exits with a reliable status."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable

from flytetemporal import log


def run_until_signalled(serve: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run ``serve`` and exit. SIGTERM and SIGINT set its event, which asks it to stop."""
    log.configure()
    asyncio.run(_serve_until_signalled(serve))
    # Finalizing the interpreter after the Temporal client's threads have run can crash it, which loses the exit status.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


async def _serve_until_signalled(serve: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(stop)
