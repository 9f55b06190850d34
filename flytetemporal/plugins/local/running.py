"""The attempts that a plugin runs on this machine, from the folders they are given to the phase they end with."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from flytetemporal.errors import Internal
from flytetemporal.plugins.local import limits, outcome
from flytetemporal.plugins.local.host import Host
from flytetemporal.plugins.local.limited_log import LimitedLog
from flytetemporal.plugins.local.outcome import Exit
from flytetemporal.plugins.local.workspace import Workspace
from flytetemporal.plugins.protocol import PhaseInfo, Rejected, TaskContext
from flytetemporal.storage import failures

LOG_SECONDS = 0.5
"""The time between two looks at the size of logs. A log exceeds its limit by what a task writes meanwhile."""
Program = TypeVar("Program")


@dataclass(frozen=True, slots=True)
class Running(Generic[Program]):
    """An attempt that runs; ``program`` is its process or container."""

    program: Program
    workspace: Workspace
    kernel_kills: int
    """Processes that the kernel had killed for lack of memory before this attempt started."""

    async def tail(self) -> str:
        """Return the end of the output, for a message."""
        return outcome.tail(await asyncio.to_thread(self.workspace.log_end))

    async def last_phase(self, context: TaskContext, ended: Exit, *, out_of_memory: bool) -> PhaseInfo:
        """Return the phase of an attempt whose program has ended.

        A SIGKILL that this worker has not sent counts as lack of memory if the kernel has killed a process for that
        while the attempt ran. The kernel does not say which one, so it can have been another process.
        """
        if ended.code == 0:
            return outcome.phase(context.name, ended, "", out_of_memory=False)
        killed = outcome.was_killed(ended) and limits.kernel_kills() > self.kernel_kills
        return outcome.phase(
            context.name,
            ended,
            await self.tail(),
            out_of_memory=out_of_memory or killed,
            store_unreachable=await self._tells_of_outage(),
        )

    async def _tells_of_outage(self) -> bool:
        output = await asyncio.to_thread(self.workspace.log_end, failures.TRACEBACK_CHARACTERS)
        return failures.tells_of_outage(output.decode(errors="ignore"))


class RunningAttempts(Generic[Program]):
    """The running attempts of one plugin, by their keys."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._running: dict[str, Running[Program]] = {}
        self._logs: dict[str, LimitedLog] = {}

    @contextlib.asynccontextmanager
    async def prepared(self, context: TaskContext) -> AsyncIterator[Workspace]:
        """Make the folders of an attempt; remove them if the attempt is rejected, since it is not aborted then."""
        workspace = self._host.workspace(context)
        await asyncio.to_thread(workspace.make)
        self._logs[context.key] = LimitedLog(workspace.log, self._host.max_log_bytes)
        try:
            yield workspace
        except BaseException as e:
            self._logs.pop(context.key).close()
            if isinstance(e, Rejected):
                await asyncio.to_thread(workspace.remove)
            raise

    def add(self, context: TaskContext, running: Running[Program]) -> Running[Program]:
        """Remember an attempt that has started, and return it."""
        self._running[context.key] = running
        return running

    def find(self, context: TaskContext) -> Running[Program] | None:
        """Return an attempt that runs, or None."""
        return self._running.get(context.key)

    def get(self, context: TaskContext) -> Running[Program]:
        """Return an attempt that this worker has started.

        Raises:
            Internal: it has not, or the attempt has ended.
        """
        running = self.find(context)
        if running is None:
            raise Internal(f"attempt {context.key} does not run on this worker")
        return running

    def take(self, context: TaskContext) -> Running[Program] | None:
        """Forget an attempt and return it. Of two that want to clean up after it, the first gets it, the other None."""
        return self._running.pop(context.key, None)

    async def limit_logs(self) -> None:
        """Cut the logs that are too long; to be called again and again while attempts run."""
        if self._logs:
            await asyncio.to_thread(_limit, list(self._logs.values()))

    def take_all(self) -> list[Running[Program]]:
        """Forget all attempts and return them."""
        running = list(self._running.values())
        self._running.clear()
        while self._logs:
            self._logs.popitem()[1].close()
        return running

    async def put_away(self, context: TaskContext, running: Running[Program]) -> None:
        """Keep the log where readers look for it, and remove the folders."""
        written = self._logs.pop(context.key, None)
        if written is not None:
            await asyncio.to_thread(written.close)
        await self._host.logs.keep(context, running.workspace.log)
        await asyncio.to_thread(running.workspace.remove)


def _limit(logs: Iterable[LimitedLog]) -> None:
    for each in logs:
        each.limit()
