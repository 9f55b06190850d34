"""The activity ``run_elements``: it finds what needs no process, and runs the rest of its attempts in few processes.

Each attempt has its own result, which is stored as soon as it is known: if the worker dies, only those without one are
repeated. What fails, is killed or takes too long costs the others of its batch a new process, and nothing else.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from weakref import WeakValueDictionary

import structlog
from temporalio import activity

from flytetemporal.activities import events, outputs
from flytetemporal.activities.batches.members import Member, alone, answer, members
from flytetemporal.activities.batches.shared_runs import SharedRun
from flytetemporal.activities.caching.task_cache import TaskCache
from flytetemporal.activities.data import TemplateCache
from flytetemporal.activities.heartbeats import beating
from flytetemporal.activities.task_inputs import TaskInputs
from flytetemporal.activities.task_results import TaskResults
from flytetemporal.activities.task_runs import HEARTBEAT_SECONDS, is_aborted, once_allowed
from flytetemporal.contracts.v1 import arrays_pb2
from flytetemporal.errors import ResolutionFailed, StoreAccessDenied
from flytetemporal.plugins.protocol import ErrorKind, Plugin, Rejected
from flytetemporal.plugins.registry import Registry
from flytetemporal.plugins.task_identity import TaskIdentity
from flytetemporal.storage.concurrency import for_each

# Attempts whose files are read and written at once.
CONCURRENT_FILES = 8
_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
Locks = WeakValueDictionary[str, asyncio.Lock]


@dataclass(frozen=True, slots=True)
class Parts:
    """What ``run_elements`` shares with ``run_task``."""

    sink: events.EventSink
    registry: Registry
    templates: TemplateCache
    inputs: TaskInputs
    results: TaskResults
    cache: TaskCache
    least_offloaded: int
    """The size from which outputs are offloaded; 0: never."""
    locks: Locks
    identity: TaskIdentity


class BatchActivity:
    """``run_elements`` of ``contracts/activities``."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn
    async def run_elements(self, batch: arrays_pb2.ElementBatch) -> arrays_pb2.ElementBatchResult:
        """Run attempts one after another; return the results of those that have ended within the time of a batch."""
        parts = self._parts
        task = await parts.templates.load(batch.shared.tasks, batch.shared.task)
        found = members(batch, task, parts.sink)
        plugin = self._plugin(found[0])
        # An attempt that waits for another one's outputs could wait for one behind it in its own batch.
        if plugin is None or task.metadata.cache_serializable:
            reason = "its cache is serialized" if plugin is not None else "it does not run as a process"
            _log.info("elements_run_alone", task=task.id.name, elements=len(found), reason=reason)
            return alone(found)
        async with _beating(found), self._locked(found):
            return await self._run(found, plugin)

    def _plugin(self, member: Member) -> Plugin | None:
        try:
            plugin = self._parts.registry.find(member.attempt.task, member.attempt.image)
        except Rejected:
            return None  # ``run_task`` says why.
        return plugin if plugin.shares_processes and not member.attempt.reads_whole_inputs else None

    @contextlib.asynccontextmanager
    async def _locked(self, found: Sequence[Member]) -> AsyncIterator[None]:
        """Wait until no earlier execution of the same attempts runs on this worker; see ``run_task``."""
        workflow_id = activity.info().workflow_id
        # All batches take them in the same order, so that no two wait for each other.
        names = sorted(f"{workflow_id}/{member.attempt.request.generated_name}" for member in found)
        async with contextlib.AsyncExitStack() as stack:
            for name in names:
                await stack.enter_async_context(self._parts.locks.setdefault(name, asyncio.Lock()))
            yield

    async def _run(self, found: Sequence[Member], plugin: Plugin) -> arrays_pb2.ElementBatchResult:
        for member in found:
            member.reports.name_plugin(plugin.identifier)
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        try:
            await for_each(lambda member: self._prepare(member, plugin), found, CONCURRENT_FILES)
            run = SharedRun(plugin, self._parts.results, self._parts.cache)
            await run.to_end([member for member in found if member.context is not None and member.result is None])
        except asyncio.CancelledError:
            if not is_aborted():
                raise
            await self._abort(found)
        return answer(found, loop.time() - started_at)

    async def _prepare(self, member: Member, plugin: Plugin) -> None:
        """Find the result of an attempt that needs no process, and write what the others read."""
        attempt, parts = member.attempt, self._parts
        if activity.info().attempt > 1:
            member.result = await parts.results.kept(attempt)
            if member.result is not None:
                return
        try:
            await self._prepare_new(member, plugin)
        except Rejected as e:
            await parts.inputs.write_for_readers(attempt)
            member.result = outputs.failed(e.code, e.message, ErrorKind.USER, recoverable=False)
        except ResolutionFailed as e:
            code = "BindingResolutionFailure"
            member.result = outputs.failed(code, e.message, ErrorKind.SYSTEM, recoverable=False)
        except StoreAccessDenied as e:
            member.result = outputs.failed(type(e).__name__, e.message, ErrorKind.SYSTEM, recoverable=True)
            await member.reports.attach(member.result)
            return
        if member.result is not None:
            await member.reports.attach(member.result)
            await parts.results.keep(attempt, member.result)

    async def _prepare_new(self, member: Member, plugin: Plugin) -> None:
        parts = self._parts
        member.use = await parts.cache.look_up(member.attempt)
        inputs, file = await once_allowed(parts.inputs.resolve, member.attempt)
        member.attempt = await once_allowed(parts.inputs.with_checkpoint, member.attempt)
        context = member.attempt.context(inputs, parts.least_offloaded)
        if activity.info().attempt > 1:
            # The worker of the earlier execution may have died, and what it had started may still run.
            await plugin.abort(context, b"")
        if member.use is not None and member.use.hit is not None:
            member.result = await once_allowed(parts.cache.result, member.attempt, member.use, file)
            return
        await once_allowed(parts.inputs.write, member.attempt, file)
        member.context = await parts.identity.given(context)

    async def _abort(self, found: Sequence[Member]) -> None:
        """Give each attempt without a result that of one that was stopped. It is not kept: no attempt repeats it."""
        for member in found:
            if member.result is None:
                result = outputs.failed("Aborted", "the attempt was stopped", ErrorKind.SYSTEM, recoverable=False)
                await member.reports.attach(result, aborted=True)
                member.result = result


@contextlib.asynccontextmanager
async def _beating(found: Sequence[Member]) -> AsyncIterator[None]:
    """Heartbeat with the details that ``run_task`` sends, too: handle, what is waited for, and a remark."""

    def details() -> tuple[bytes, bytes, bytes]:
        ended = sum(member.result is not None for member in found)
        return b"", b"", f"{ended} of the {len(found)} elements of its batch have ended".encode()

    try:
        async with beating(HEARTBEAT_SECONDS, details):
            yield
    finally:
        for member in found:
            member.reports.stop()
