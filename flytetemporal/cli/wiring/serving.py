"""What every server process shares: it serves until a signal, and leaves with a true exit status."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable

from flytetemporal import log


def run(serve: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Serve until SIGTERM or SIGINT, which set the event, then leave the process."""
    log.configure()
    asyncio.run(_until_signalled(serve))
    # Finalising the interpreter after the Temporal client's threads have run can crash it, which loses the exit status.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


async def _until_signalled(serve: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(stop)
