"""Runs a set of children together: all start at once; the end of the run stops them in order."""

import asyncio
from collections.abc import Callable, Sequence

from flytetemporal.cli.dev.child import Child, ChildSpec

# One wish to stop can arrive as several signals: a terminal or a wrapper tells the whole process group, too.
INSISTENCE_SECONDS = 1.0


class Supervisor:
    """Start, watch and stop the children.

    ``stages`` are stopped one after another, the first first; the children of one stage together. ``changed`` is
    called after every change of any child.
    """

    def __init__(self, stages: Sequence[Sequence[ChildSpec]], changed: Callable[[], None]) -> None:
        self._stages = [[Child(spec, changed) for spec in stage] for stage in stages]
        self._stop = asyncio.Event()
        self._stop_requested = 0.0
        self._runs: list[asyncio.Task[None]] = []

    @property
    def children(self) -> list[Child]:
        """All children, in the order of their stop."""
        return [child for stage in self._stages for child in stage]

    def request_stop(self) -> None:
        """End the run; a later request kills what still runs."""
        now = asyncio.get_running_loop().time()
        if not self._stop.is_set():
            self._stop_requested = now
            self._stop.set()
        elif now - self._stop_requested > INSISTENCE_SECONDS:
            for child in self.children:
                child.kill()

    async def run(self, all_ready: Callable[[], None]) -> None:
        """Run until a stop is requested; ``all_ready`` is called once, when every child has been ready.

        Raises:
            CommandFailed: a child cannot be kept alive. The others were stopped.
        """
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

    def heard(self, pid: int, status: str, ready: bool) -> None:
        """Hand a child's message to the children; see ``notify.Listener``."""
        for child in self.children:
            child.heard(pid, status, ready=ready)

    async def _announce(self, all_ready: Callable[[], None]) -> None:
        await asyncio.gather(*(child.ready.wait() for child in self.children))
        all_ready()

    async def _stop_all(self) -> None:
        for stage in self._stages:
            await asyncio.gather(*(child.stop() for child in stage))
        for run in self._runs:
            if not run.done():  # Waiting for a restart, or preparing a start.
                run.cancel()
        await asyncio.gather(*self._runs, return_exceptions=True)
