"""Run attempts in as few processes as possible: their clocks, their ends, and when a batch gives the rest back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from flytetemporal.activities import outputs
from flytetemporal.activities.batches.members import Member
from flytetemporal.activities.caching.task_cache import TaskCache
from flytetemporal.activities.task_results import TaskResults
from flytetemporal.activities.task_runs import stopped_in_time, timed_out
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.errors import Internal, StoreAccessDenied
from flytetemporal.plugins.protocol import ErrorKind, PhaseInfo, Plugin, Rejected, SharedProcess, TaskContext

# After this time a batch starts no more attempts: the workflow has others run the rest.
SECONDS = 2.0
# Temporal carries less than half a megabyte, and an error can have a hundred kilobytes.
MAX_RESULT_BYTES = 256 * 1024


class SharedRun:
    """The processes of one execution of the activity."""

    def __init__(self, plugin: Plugin, results: TaskResults, cache: TaskCache) -> None:
        self._plugin = plugin
        self._results = results
        self._cache = cache
        self._result_bytes = 0
        self._ends_at = asyncio.get_running_loop().time() + SECONDS

    async def to_end(self, waiting: Sequence[Member]) -> None:
        """Run attempts until all have results, or the time of the batch is over.

        Raises:
            Unavailable: no process can be started.
        """
        while waiting and not self._is_over():
            await self._in_one_process(waiting)
            waiting = [member for member in waiting if member.result is None]

    def _is_over(self) -> bool:
        return asyncio.get_running_loop().time() > self._ends_at or self._result_bytes > MAX_RESULT_BYTES

    async def _in_one_process(self, waiting: Sequence[Member]) -> None:
        try:
            process = await self._plugin.start_shared([_context(member) for member in waiting])
        except Rejected as e:
            for member in waiting:
                await self._settle(member, outputs.failed(e.code, e.message, ErrorKind.USER, recoverable=False))
            return
        timer = asyncio.get_running_loop().call_at(self._ends_at, process.take_back)
        try:
            async with _collecting() as group:
                await self._follow(process, waiting, group)
        except BaseException:
            # Shielded, since a second cancellation must not leave the process running.
            await asyncio.shield(process.stop())
            raise
        finally:
            timer.cancel()

    async def _follow(self, process: SharedProcess, waiting: Sequence[Member], group: asyncio.TaskGroup) -> None:
        """Note starts and ends until the process is gone. An attempt that takes too long ends it."""
        running: Member | None = None
        while True:
            limit = _context(running).timeout.total_seconds() if running is not None else 0
            deadline = asyncio.timeout(limit or None)
            try:
                async with deadline:
                    found = await process.next()
            except TimeoutError:
                if running is None or not deadline.expired():
                    raise
                await stopped_in_time(process.stop(), _context(running))
                await self._collect(running, timed_out(_context(running)))
                return
            if found is None:
                return
            member, info = waiting[found[0]], found[1]
            if info.is_terminal:
                running = None
                group.create_task(self._collect(member, info))
            else:
                running = member
                member.reports.report(info)
            if self._result_bytes > MAX_RESULT_BYTES:
                process.take_back()

    async def _collect(self, member: Member, last: PhaseInfo) -> None:
        """Make the result of an attempt that has ended, and keep it."""
        try:
            result = await self._results.collect(member.attempt, last, lambda _: None)
            if member.use is not None:
                await self._cache.store(member.attempt, member.use, result)
        except StoreAccessDenied as e:
            # Not kept: the store would not take it, and another attempt follows anyway.
            member.result = outputs.failed(type(e).__name__, e.message, ErrorKind.SYSTEM, recoverable=True)
            await member.reports.attach(member.result)
            return
        await self._settle(member, result)

    async def _settle(self, member: Member, result: execution_pb2.TaskAttemptResult) -> None:
        await member.reports.attach(result)
        await self._results.keep(member.attempt, result)
        self._result_bytes += result.ByteSize()
        member.result = result


@contextlib.asynccontextmanager
async def _collecting() -> AsyncIterator[asyncio.TaskGroup]:
    """Wait for all results; an error of one is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


def _context(member: Member) -> TaskContext:
    if member.context is None:
        raise Internal(f"attempt {member.attempt.request.generated_name} is not prepared")
    return member.context
