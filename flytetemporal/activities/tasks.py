"""Run one attempt of a task: inputs, plugin, outputs, events.

A failed task comes back as a message that says whether it can be retried. Only failures of the infrastructure are
raised: Temporal then repeats the activity under the same attempt number of Flyte.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from weakref import WeakValueDictionary

from flyteidl.core import tasks_pb2
from temporalio import activity

from flytetemporal.activities import events, outputs
from flytetemporal.activities.batches.run_elements import BatchActivity, Parts
from flytetemporal.activities.caching.catalog import Catalog
from flytetemporal.activities.caching.single_flight import SingleFlight
from flytetemporal.activities.caching.task_cache import CacheUse, TaskCache, is_hit
from flytetemporal.activities.data import TemplateCache
from flytetemporal.activities.offloading import DEFAULTS, Limits, Offloading
from flytetemporal.activities.slots import AttemptSlots
from flytetemporal.activities.task_attempts import Attempt
from flytetemporal.activities.task_inputs import TaskInputs
from flytetemporal.activities.task_reports import TaskReports
from flytetemporal.activities.task_results import TaskResults
from flytetemporal.activities.task_runs import TaskRun, is_aborted, once_allowed
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.errors import ResolutionFailed, StoreAccessDenied
from flytetemporal.plugins.protocol import ErrorKind, Plugin, Rejected
from flytetemporal.plugins.registry import Registry
from flytetemporal.plugins.task_identity import TaskIdentity
from flytetemporal.storage.blobs import BlobStore

_FLIGHT = "another attempt that computes the same cached outputs"


class TaskActivities:
    """``run_task`` and ``run_elements`` of ``contracts/activities``.

    The plugins of ``registry`` are open while the worker runs.
    """

    def __init__(
        self,
        blobs: BlobStore,
        sink: events.EventSink,
        registry: Registry,
        slots: AttemptSlots,
        limits: Limits = DEFAULTS,
        catalog: Catalog | None = None,
        identity: TaskIdentity | None = None,
    ) -> None:
        self._sink = sink
        self._registry = registry
        self._slots = slots
        self._templates = TemplateCache(blobs)
        self._offloading = Offloading(blobs, limits)
        self._inputs = TaskInputs(blobs, self._offloading)
        self._results = TaskResults(blobs, self._offloading)
        self._cache = TaskCache(blobs, self._inputs, self._offloading, catalog)
        self._identity = identity or TaskIdentity()
        self._flights = SingleFlight(self._cache, catalog)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._batches = BatchActivity(
            Parts(
                sink,
                registry,
                self._templates,
                self._inputs,
                self._results,
                self._cache,
                limits.least,
                self._locks,
                self._identity,
            )
        )

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for the worker."""
        return [self.run_task, self._batches.run_elements]

    @activity.defn
    async def run_task(self, attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        """Run one attempt of a task to its end: inputs in, plugin run, outputs out, its events sent."""
        scheduled = Attempt(attempt, await self._templates.load(attempt.tasks, attempt.task))
        reports = TaskReports(self._sink, scheduled)
        run = TaskRun(reports)
        # After a reset of the workflow the same attempt is scheduled again while the earlier one is still stopping.
        lock = self._locks.setdefault(f"{activity.info().workflow_id}/{attempt.generated_name}", asyncio.Lock())
        async with run.heartbeating(), lock:
            try:
                return await self._repeated_or_new(scheduled, run, reports)
            except StoreAccessDenied as e:
                # Not kept: the store would not take it, and another attempt follows anyway.
                result = outputs.failed(type(e).__name__, e.message, ErrorKind.SYSTEM, recoverable=True)
                await reports.attach(result)
                return result

    async def _repeated_or_new(
        self, attempt: Attempt, run: TaskRun, reports: TaskReports
    ) -> execution_pb2.TaskAttemptResult:
        if activity.info().attempt > 1:
            kept = await self._results.kept(attempt)
            if kept is not None:
                return await self._finish(attempt, kept, reports)
        try:
            plugin = self._registry.find(attempt.task, attempt.image)
        except Rejected as e:
            await self._inputs.write_for_readers(attempt)
            return await self._finish(attempt, _rejection(e), reports)
        with self._slot_of(plugin, attempt.task):
            return await self._result(attempt, plugin, run, reports)

    def _slot_of(self, plugin: Plugin, task: tasks_pb2.TaskTemplate) -> AbstractContextManager[None]:
        # Eager attempts come from a task queue of their own, whose slots are not those of ``AttemptSlots``.
        if plugin.only_watches and not task.metadata.is_eager:
            return self._slots.watching()
        return contextlib.nullcontext()

    async def _result(
        self, attempt: Attempt, plugin: Plugin, run: TaskRun, reports: TaskReports
    ) -> execution_pb2.TaskAttemptResult:
        """Run an attempt and return its result, whether it succeeds, fails or is aborted."""
        reports.name_plugin(plugin.identifier)
        try:
            result = await self._run(attempt, plugin, run)
        except Rejected as e:
            await self._inputs.write_for_readers(attempt)
            result = _rejection(e)
        except ResolutionFailed as e:
            result = outputs.failed("BindingResolutionFailure", e.message, ErrorKind.SYSTEM, recoverable=False)
        except asyncio.CancelledError:
            if not is_aborted():
                raise
            result = outputs.failed("Aborted", "the attempt was stopped", ErrorKind.SYSTEM, recoverable=False)
            result.deck_uri = await self._results.deck_of_stopped(attempt)
            # The workflow reports the abort, since admin may not answer now. An aborted attempt is never repeated, so
            # its result is not kept.
            await reports.attach(result, aborted=True)
            return result
        if result.HasField("failure"):  # The next attempt must not run beside what is left of this one.
            await run.finalize(plugin)
            return await self._finish(attempt, result, reports)
        result = await self._finish(attempt, result, reports)
        await run.finalize(plugin)
        return result

    async def _run(self, attempt: Attempt, plugin: Plugin, run: TaskRun) -> execution_pb2.TaskAttemptResult:
        # Before the attempt waits for a place: a hit needs none.
        use = await self._cache.look_up(attempt)
        if use is None:
            return await self._run_in_place(attempt, plugin, run)
        async with self._flights.alone(attempt, use, lambda: self._waiting(attempt.task, run)):
            if use.hit is not None:
                return await self._found(attempt, plugin, use)
            result = await self._run_in_place(attempt, plugin, run)
            await self._cache.store(attempt, use, result)
            return result

    @contextlib.contextmanager
    def _waiting(self, task: tasks_pb2.TaskTemplate, run: TaskRun) -> Iterator[None]:
        """Wait for another attempt's outputs. Its slot goes to others, since the one that it waits for may need it."""
        with contextlib.nullcontext() if task.metadata.is_eager else self._slots.watching(), run.waiting(_FLIGHT):
            yield

    async def _found(self, attempt: Attempt, plugin: Plugin, use: CacheUse) -> execution_pb2.TaskAttemptResult:
        # Resolved again: no attempt holds its values while it waits for another one.
        inputs, file = await once_allowed(self._inputs.resolve, attempt)
        if activity.info().attempt > 1:
            await plugin.abort(attempt.context(inputs, self._offloading.limits.least), b"")
        return await once_allowed(self._cache.result, attempt, use, file)

    async def _run_in_place(self, attempt: Attempt, plugin: Plugin, run: TaskRun) -> execution_pb2.TaskAttemptResult:
        async with run.placed(plugin, attempt.task):
            inputs, file = await once_allowed(self._inputs.resolve, attempt)
            attempt = await once_allowed(self._inputs.with_checkpoint, attempt)
            context = await self._identity.given(attempt.context(inputs, self._offloading.limits.least))
            # The worker of the earlier execution may have died, and what it had started may still run.
            taken = await plugin.take_over(context) if activity.info().attempt > 1 else None
            if taken is None:
                await once_allowed(self._inputs.write, attempt, file)
            async with run.aborting_on_error(plugin, context):
                return await self._results.collect(attempt, await run.to_end(plugin, context, taken), run.note)

    async def _finish(
        self, attempt: Attempt, result: execution_pb2.TaskAttemptResult, reports: TaskReports
    ) -> execution_pb2.TaskAttemptResult:
        """Attach the events that admin does not have, unless a kept result has them, and keep the result."""
        if not result.unreported and not _was_found(attempt, result):
            await reports.attach(result)
        if not is_hit(result):  # A repeated activity finds a hit again.
            await self._results.keep(attempt, result)
        return result


def _was_found(attempt: Attempt, result: execution_pb2.TaskAttemptResult) -> bool:
    """Whether clients are to see no task execution: nothing ran. An array has one for all its elements."""
    # An earlier execution of the activity may have reported that the task runs.
    return is_hit(result) and not attempt.is_element and activity.info().attempt == 1


def _rejection(rejected: Rejected) -> execution_pb2.TaskAttemptResult:
    return outputs.failed(rejected.code, rejected.message, ErrorKind.USER, recoverable=False)
