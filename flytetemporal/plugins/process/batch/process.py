"""A process of a batch, as its worker sees it."""

import asyncio
import contextlib
import functools
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from flytetemporal.plugins.local.limited_log import LimitedLog
from flytetemporal.plugins.local.outcome import Exit
from flytetemporal.plugins.local.running import Running
from flytetemporal.plugins.process.batch import plan
from flytetemporal.plugins.process.batch.plan import Plan
from flytetemporal.plugins.process.running import Process
from flytetemporal.plugins.protocol import PhaseInfo, SharedProcess, TaskContext

_READ_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the plugin does for each attempt of a batch."""

    started: Callable[[TaskContext, Running[Process]], PhaseInfo]
    ended: Callable[[TaskContext, Running[Process], Exit], Awaitable[PhaseInfo]]
    finished: Callable[[], Awaitable[None]]
    """Called when the process is gone, and nothing more is read from its folder."""


@dataclass(slots=True)
class Progress:
    """The FIFO of a batch, which is open for writing as well: so it has no end before the worker writes that."""

    descriptor: int
    lines: asyncio.Queue[list[str]] = field(default_factory=asyncio.Queue)
    _pending: bytes = b""

    @classmethod
    def of(cls, folder: Plan) -> "Progress":
        """Open the FIFO of a batch and start to read."""
        progress = cls(folder.open_progress(os.O_RDWR | os.O_NONBLOCK))
        asyncio.get_running_loop().add_reader(progress.descriptor, progress._read)
        return progress

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            *lines, self._pending = (self._pending + os.read(self.descriptor, _READ_BYTES)).split(b"\n")
            for line in lines:
                self.lines.put_nowait(line.decode(errors="replace").split())

    def gone(self) -> None:
        """Write that the process is gone, behind all that it has written."""
        os.write(self.descriptor, f"\n{plan.GONE}\n".encode())

    def close(self) -> None:
        """Stop reading."""
        if self.descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self.descriptor)
            os.close(self.descriptor)
            self.descriptor = -1


class BatchProcess(SharedProcess):
    """The attempts of ``contexts`` in one process; ``running`` are the same attempts, by what is theirs."""

    def __init__(
        self,
        contexts: Sequence[TaskContext],
        running: Sequence[Running[Process]],
        folder: Plan,
        progress: Progress,
        hooks: Hooks,
        grace: timedelta,
    ) -> None:
        self._contexts = contexts
        self._running = running
        self._process = running[0].program
        self._plan = folder
        self._progress = progress
        self._hooks = hooks
        self._grace = grace
        self._current: int | None = None
        self._started = 0
        self._taken_back = False
        self._is_gone = False
        self._waiting = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        await self._process.wait()
        self._progress.gone()

    async def next(self) -> tuple[int, PhaseInfo] | None:
        """Return the next start or end of an attempt, None after the last one."""
        while not self._is_gone:
            match await self._progress.lines.get():
                case [plan.STARTED, number] if number == str(self._started) and self._started < len(self._contexts):
                    position = self._current = self._started
                    self._started += 1
                    return position, self._hooks.started(self._contexts[position], self._running[position])
                case [plan.ENDED, number, code] if number == str(self._current) and code.isdecimal():
                    return await self._end(Exit(int(code)))
                case [plan.GONE]:
                    self._is_gone = True
                case _:
                    pass  # The task can write to the FIFO too.
        if self._current is not None:
            return await self._end(await self._process.wait())
        if not self._started and not self._taken_back:  # Or the same would happen to the next process.
            self._current, self._started = 0, 1
            return await self._end(await self._process.wait())
        await self._close()
        return None

    async def _end(self, ended: Exit) -> tuple[int, PhaseInfo]:
        position, self._current = self._current or 0, None
        return position, await self._hooks.ended(self._contexts[position], self._running[position], ended)

    def take_back(self) -> None:
        """Claim the attempts that have not started."""
        self._taken_back = True
        with contextlib.suppress(FileNotFoundError):
            for number in range(self._started, len(self._contexts)):
                self._plan.claim(number)

    async def stop(self) -> None:
        """Kill the process, gently first."""
        self.take_back()
        await self._process.stop(self._grace)
        await self._close()

    async def _close(self) -> None:
        self._is_gone = True
        await self._waiting
        self._progress.close()
        self._plan.close()
        await self._hooks.finished()


class Logs:
    """The logs of attempts that share a process, which ``limit`` cuts while they are written."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._open: dict[str, LimitedLog] = {}

    def opened(self, context: TaskContext, running: Running[Process]) -> None:
        """Limit the log of an attempt from now on."""
        with contextlib.suppress(OSError):
            self._open[context.key] = LimitedLog(running.workspace.log, self._limit_bytes)

    def closed(self, context: TaskContext) -> None:
        """Limit the log of an attempt that has ended a last time. Blocking."""
        log = self._open.pop(context.key, None)
        if log is not None:
            log.close()

    async def limit(self) -> None:
        """Cut the logs that are too long."""
        for log in list(self._open.values()):
            await asyncio.to_thread(functools.partial(log.limit))
