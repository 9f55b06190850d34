"""Runs processes together: all start at once, and they stop in stages."""

import asyncio
from collections.abc import Callable, Sequence

from flytetemporal.cli.dev.child_process import ChildProcess, ProcessSpec

# One Ctrl-C can arrive as several signals: a terminal or a wrapper signals the whole process group, too.
REPEATED_STOP_SECONDS = 1.0


class Supervisor:
    """Starts, watches and stops processes.

    The ``stages`` are stopped in their order, the processes of one stage together. ``changed`` is called after each
    change of a process.
    """

    def __init__(self, stages: Sequence[Sequence[ProcessSpec]], changed: Callable[[], None]) -> None:
        self._stages = [[ChildProcess(spec, changed) for spec in stage] for stage in stages]
        self._stop = asyncio.Event()
        self._stop_requested = 0.0
        self._runs: list[asyncio.Task[None]] = []

    @property
    def children(self) -> list[ChildProcess]:
        """All processes, in the order in which they stop."""
        return [child for stage in self._stages for child in stage]

    def request_stop(self) -> None:
        """Stop all processes; a second request, more than ``REPEATED_STOP_SECONDS`` later, kills them."""
        now = asyncio.get_running_loop().time()
        if not self._stop.is_set():
            self._stop_requested = now
            self._stop.set()
        elif now - self._stop_requested > REPEATED_STOP_SECONDS:
            for child in self.children:
                child.kill()

    async def run(self, all_ready: Callable[[], None]) -> None:
        """Run until a stop is requested; call ``all_ready`` once, when every process has been ready.

        Raises:
            CommandError: a process did not start or keeps dying. The others are stopped.
        """
        # Not a TaskGroup: it would cancel the other runs at once, but the processes have to stop in their order.
        self._runs = [asyncio.create_task(child.keep_running()) for child in self.children]
        announce = asyncio.create_task(self._announce(all_ready))
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([*self._runs, stop], return_when=asyncio.FIRST_COMPLETED)
        finally:
            announce.cancel()
            stop.cancel()
            await self._stop_all()
        for run in self._runs:
            if not run.cancelled() and (error := run.exception()) is not None:
                raise error
        if announce.done() and not announce.cancelled():
            announce.result()

    def notified(self, pid: int, status: str, ready: bool) -> None:
        """Pass a notification on to the processes; see ``cli.serving.notifications``."""
        for child in self.children:
            child.notified(pid, status, ready=ready)

    async def _announce(self, all_ready: Callable[[], None]) -> None:
        for child in self.children:
            await child.ready.wait()
        all_ready()

    async def _stop_all(self) -> None:
        for stage in self._stages:
            async with asyncio.TaskGroup() as stopping:
                for child in stage:
                    stopping.create_task(child.stop())
        for run in self._runs:
            if not run.done():  # It waits before a restart, or prepares a start.
                run.cancel()
        # All have ended or are cancelled; run() raises the error of one that failed.
        await asyncio.gather(*self._runs, return_exceptions=True)
