"""Attempts of elements that may share a process: one activity runs several of them, one after another.

The loop over the attempts of an element is the same as without batches (``elements``); only the call of the activity
differs. Which elements form a batch depends on nothing but their order, so that a replay forms the same ones.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from temporalio import exceptions, workflow

from flytetemporal.contracts import activities, workflows
from flytetemporal.contracts.v1 import arrays_pb2, execution_pb2, operations_pb2
from flytetemporal.workflows import cancellation
from flytetemporal.workflows.node.node_run import NodeRun
from flytetemporal.workflows.node.wait_registry import Cause
from flytetemporal.workflows.nodes import task
from flytetemporal.workflows.operators import pauses

# A shard is cut into at least this number of batches, so that several processes and workers share it.
LEAST_BATCHES = 8
# The time that a batch should take, by what earlier ones have taken. A replay repeats it, so it cannot change.
TARGET_SECONDS = 1.0
# The fields that all attempts of a shard have in common.
_SHARED = ("node_event", "tasks", "task", "timeout", "settings", "workflow_id")


class Stopped(Exception):
    """A pause has stopped the batch of an attempt; ``result`` is how the attempt ended, if it has said so."""

    def __init__(self, result: execution_pb2.TaskAttemptResult | None = None) -> None:
        super().__init__("a pause has stopped the batch")
        self.result = result


@dataclass(slots=True, eq=False)
class _Queued:
    """An attempt that waits for its batch or is in one. ``result`` stays None if it has to run alone."""

    node: NodeRun
    attempt: execution_pb2.TaskAttempt
    # Builds the attempt again, after an operator has changed the array; ``changes`` were there when it was built last.
    rebuilt: Callable[[], execution_pb2.TaskAttempt]
    changes: int
    ended: asyncio.Future[None]
    batch: asyncio.Task[None] | None = None
    result: execution_pb2.TaskAttemptResult | None = None
    error: BaseException | None = None

    def end(self, result: execution_pb2.TaskAttemptResult | None = None, error: BaseException | None = None) -> None:
        """Set the outcome; the first one counts."""
        if not self.ended.done():
            self.result, self.error = result, error
            self.ended.set_result(None)


@dataclass(slots=True)
class ElementBatches:
    """The batches of one shard of the array ``node``, which has ``count`` elements.

    A batch has at most ``most`` of them, and ``at_once`` batches run at once; 0: all.
    """

    node: NodeRun
    task_queue: str
    count: int
    most: int
    at_once: int
    _size: int = 0
    _largest: int = 0
    _number: int = 0
    # How often an operator has changed the array since the shard started.
    _changes: int = 0
    _queue: list[_Queued] = field(default_factory=list)
    _open: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._size = self._largest = min(self.most, -(-self.count // LEAST_BATCHES))

    async def run(
        self, node: NodeRun, attempt: Callable[[], execution_pb2.TaskAttempt]
    ) -> execution_pb2.TaskAttemptResult | None:
        """Run an attempt in a batch and return its result, or None if it cannot share a process.

        Raises:
            Stopped: a pause has stopped it.
        """
        queued = _Queued(node, attempt(), attempt, self._changes, asyncio.get_running_loop().create_future())
        self._queue.append(queued)
        try:
            await asyncio.shield(queued.ended)
        except asyncio.CancelledError:
            # Elements of a shard are only stopped all together, so the batch has no reason to go on.
            if queued.batch is None:
                self._queue.remove(queued)
                raise
            queued.batch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await cancellation.wait_until_done([queued.batch])
            if queued.result is None:
                raise
        if queued.error is not None:
            raise queued.error
        return queued.result

    async def dispatch(self) -> None:
        """Form batches of the attempts that wait, until this is cancelled."""
        while True:
            await workflow.wait_condition(lambda: bool(self._queue) and self.node.pause is None and self._has_room())
            batch, self._queue = self._queue[: self._size], self._queue[self._size :]
            for queued in batch:
                if queued.changes != self._changes:
                    queued.attempt, queued.changes = queued.rebuilt(), self._changes
            running = asyncio.create_task(self._run(batch))
            for queued in batch:
                queued.batch = running
            self._open.append(running)

    def change(self, at_once: int) -> None:
        """Take over what an operator has changed, in the batches that have not started."""
        self._changes += 1
        self.at_once = at_once

    def _has_room(self) -> bool:
        self._open = [batch for batch in self._open if not batch.done()]
        return not self.at_once or len(self._open) < self.at_once

    async def _run(self, batch: Sequence[_Queued]) -> None:
        try:
            await self._execute(batch)
        except BaseException as e:
            for queued in batch:
                queued.end(error=e)
            if isinstance(e, asyncio.CancelledError):
                raise

    async def _execute(self, batch: Sequence[_Queued]) -> None:
        run_ = self.node.scope.run
        message = batch_of([queued.attempt for queued in batch])
        self._number += 1
        first = batch[0].node.id
        stop = pauses.stop_of_current()
        async with placed(batch[0].node):
            await run_.payload_budget.reserve(message.ByteSize())
            activity_id = f"{first}/batch-{self._number}"
            with contextlib.ExitStack() as waiting:
                for queued in batch:
                    waiting.enter_context(queued.node.waiting(self._cause(queued, activity_id)))
                waiting.enter_context(run_.pauses.stopping(stop, batch[0].node.path))
                try:
                    found = await self._activity(message, activity_id, f"{len(batch)} elements from {first} on")
                except (asyncio.CancelledError, exceptions.FailureError):
                    if not stop.absorb():
                        raise
                    for queued in batch:
                        queued.end(error=Stopped())
                    return
        if stop.absorb():
            _stop(batch, found)
        else:
            self._settle(batch, found)

    async def _activity(
        self, message: arrays_pb2.ElementBatch, activity_id: str, summary: str
    ) -> arrays_pb2.ElementBatchResult:
        found: arrays_pb2.ElementBatchResult = await workflow.execute_activity(
            activities.run_elements,
            message,
            task_queue=self.task_queue,
            activity_id=activity_id,
            start_to_close_timeout=task.UNLIMITED,
            heartbeat_timeout=activities.HEARTBEAT_TIMEOUT,
            retry_policy=task.RETRY,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=summary,
            priority=task.priority(self.node.scope.run.execution_id),
        )
        return found

    def _cause(self, queued: _Queued, activity_id: str) -> Cause:
        wait = operations_pb2.AttemptWait(
            attempt=queued.attempt.attempt, activity_id=activity_id, task_queue=self.task_queue
        )
        return lambda found: found.attempt.CopyFrom(wait)

    def _settle(self, batch: Sequence[_Queued], found: arrays_pb2.ElementBatchResult) -> None:
        """End the attempts of a batch that have a result, and queue the others again, before those that wait."""
        for ended in found.results:
            batch[ended.position].end(ended.result)
        for position in found.alone:
            batch[position].end()
        left = [queued for queued in batch if not queued.ended.done()]
        self._learn(found, is_complete=not left)
        if cancellation.is_cancelled():
            for queued in left:
                queued.end(error=asyncio.CancelledError())
            return
        for queued in left:
            queued.batch = None
        self._queue[:0] = left

    def _learn(self, found: arrays_pb2.ElementBatchResult, *, is_complete: bool) -> None:
        """Choose the size of the next batches: long elements are to be spread over all workers, short ones are not."""
        ended = len(found.results)
        if found.seconds and ended:
            self._size = max(1, min(self._largest, int(ended * TARGET_SECONDS / found.seconds)))
        elif not is_complete:
            self._size = max(1, min(self._size, ended))


def _stop(batch: Sequence[_Queued], found: arrays_pb2.ElementBatchResult) -> None:
    """End the attempts of a batch that a pause has stopped. What has been produced by then counts."""
    for ended in found.results:
        succeeded = ended.result.WhichOneof("outcome") == "outputs"
        batch[ended.position].end(ended.result, None if succeeded else Stopped(ended.result))
    for position in found.alone:
        batch[position].end()
    for queued in batch:
        queued.end(error=Stopped())


@contextlib.asynccontextmanager
async def placed(node: NodeRun) -> AsyncIterator[None]:
    """Hold a slot for the activity of elements while the block runs; none is granted while the node is paused."""
    while True:
        await node.wait_for_resume()
        async with node.scope.run.activity_window.held(node.id):
            if node.pause is None:
                yield
                return


def size(node: NodeRun, plan: arrays_pb2.ArrayPlan) -> int:
    """Return how many elements may share a process; a size below two means that none do."""
    settings = node.scope.run.argument.settings
    return settings.map_batch.value if settings.HasField("map_batch") else plan.batch


def batch_of(attempts: Sequence[execution_pb2.TaskAttempt]) -> arrays_pb2.ElementBatch:
    """Return the argument of ``run_elements`` for attempts of elements of one array."""
    batch = arrays_pb2.ElementBatch()
    for name in _SHARED:
        if name == "task":
            batch.shared.task = attempts[0].task
        elif attempts[0].HasField(name):
            getattr(batch.shared, name).CopyFrom(getattr(attempts[0], name))
    for attempt in attempts:
        own = batch.attempts.add()
        own.CopyFrom(attempt)
        for name in _SHARED:
            own.ClearField(name)
    return batch


def queue_of(node: NodeRun) -> str:
    """Return the task queue of the elements' attempts."""
    return workflows.task_queue(node.scope.run.argument.settings.cluster)
