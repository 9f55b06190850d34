"""The life of a server process: it serves until a signal and exits with a reliable status."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable

from flytetemporal import log
from flytetemporal.cli.errors import CommandError
from flytetemporal.errors import FlyteError


def run_until_signalled(serve: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run ``serve`` and exit. SIGTERM and SIGINT set its event, which asks it to stop.

    The exit status is 1, with one line that says why, if a server that it needs does not answer.
    """
    log.configure()
    status = 0
    try:
        asyncio.run(_serve_until_signalled(serve))
    except FlyteError as e:
        CommandError(e.message).show()
        status = 1
    # Finalizing the interpreter after the Temporal client's threads have run can crash it, which loses the exit status,
    # and can wait for a connection attempt that does not end.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


async def _serve_until_signalled(serve: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(stop)
