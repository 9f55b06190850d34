"""A shard of the elements of an array node: each has attempts until one succeeds or its budget is exhausted."""

import asyncio
import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2, literals_pb2, tasks_pb2
from temporalio import exceptions, workflow

from flytetemporal.contracts import activities
from flytetemporal.contracts.v1 import arrays_pb2, execution_pb2, graph_pb2
from flytetemporal.idl import locations, naming
from flytetemporal.workflows import attempts, cancellation, engine_activities
from flytetemporal.workflows.abort import Abort
from flytetemporal.workflows.array_report import ArrayReport
from flytetemporal.workflows.node.node_run import NodeRun
from flytetemporal.workflows.node.outcomes import NodeFailure, user_failure
from flytetemporal.workflows.nodes import cached_tasks, element_batches, inline_tasks, launch_plan, task
from flytetemporal.workflows.nodes.element_batches import ElementBatches
from flytetemporal.workflows.operators import pauses
from flytetemporal.workflows.operators.pauses import Stop
from flytetemporal.workflows.throttling.slots import Slots
from flytetemporal.workflows.versions import Patch

TaskPhase = core_execution_pb2.TaskExecution
# Elements whose inputs are in one file, that run in one workflow, and whose outputs one activity gathers.
SHARD_SIZE = 500
DATA_TIMEOUT = timedelta(minutes=5)
# Errors that a shard returns, and the length of each; further ones are only counted.
ERRORS = 100
ERROR_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class ArrayShard:
    """Elements ``first`` to ``first + count - 1`` of the array ``node``; ``task`` is None if they run a launch plan.

    If more than ``tolerated`` fail, the others are stopped. At most ``window`` run at once; 0: all.
    """

    node: NodeRun
    task: graph_pb2.TaskSummary | None
    plan: arrays_pb2.ArrayPlan
    first: int
    count: int
    tolerated: int
    window: int

    @property
    def target(self) -> graph_pb2.Node:
        """The inner node, which each element runs."""
        return self.node.node.array.node

    def inputs(self, index: int) -> execution_pb2.ElementInputs:
        """Return the inputs of an element."""
        if self.node.node.array.HasField("job"):
            return execution_pb2.ElementInputs(whole_uri=self.node.inputs_uri)
        return execution_pb2.ElementInputs(
            chunk_uri=locations.chunk_uri(self.node.output_dir(), self.first // SHARD_SIZE),
            position=index - self.first,
            shared_uri=self.plan.shared_uri,
            listed=not self.node.node.array.takes_element,
        )

    def element(self, index: int) -> NodeRun:
        """Return one element as a node; its events are those of the array, though."""
        inner = graph_pb2.Node()
        inner.CopyFrom(self.target)
        inner.id = f"n{index}"
        return dataclasses.replace(
            self.node,
            scope=dataclasses.replace(self.node.scope, ancestors=self.node.path),
            node=inner,
            id=naming.node_id(
                naming.node_path(inner.id, self.node.id, self.node.attempt), self.node.scope.run.hash_bits
            ),
            data_dir=locations.element_dir(self.node.output_dir(), index),
            attempt=0,
            may_suspend=False,
        )


class Elements:
    """The running elements of one shard."""

    def __init__(self, shard: ArrayShard, report: ArrayReport, abort: Abort) -> None:
        self._shard = shard
        self._report = report
        self._abort = abort
        self._batches = _batches(shard)
        # The elements of a batch run one after another, so there the window counts batches.
        self._window = Slots("concurrency", 0 if self._batches else shard.window)
        self._alone = Slots("concurrency", shard.window if self._batches else 0)
        self._attempts = [0] * shard.count
        self._budgets: dict[int, attempts.Budget] = {}
        self._memory = _memory(shard.node)
        self._failures: dict[int, str] = {}
        self._open: dict[str, None] = {}
        self._left = shard.count
        self._durations: literals_pb2.LiteralMap | None = None
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> arrays_pb2.ElementsOutcome:
        """Run the shard until all elements have ended, or too many have failed and the others have been stopped."""
        if self._shard.task is not None and self._shard.task.type == inline_tasks.CORE_SLEEP:
            self._durations = await self._read()
        else:
            await self._recover()
        left = [n for n, attempt in enumerate(self._attempts) if not attempt]
        running = [asyncio.create_task(self._one(self._shard.first + n)) for n in left]
        if self._batches is not None:
            running.append(asyncio.create_task(self._batches.dispatch()))
        try:
            await self._done
        finally:
            await cancellation.cancel_and_wait(running)
        failures = list(self._failures.items())
        return arrays_pb2.ElementsOutcome(
            attempts=self._attempts,
            failed=len(failures),
            errors=[arrays_pb2.ElementError(index=index, message=text) for index, text in failures[:ERRORS]],
        )

    async def _recover(self) -> None:
        """In a recovery or a fork: take the outputs of the elements that succeeded before."""
        shard, run_ = self._shard, self._shard.node.scope.run
        if shard.task is None or shard.node.node.array.HasField("job"):
            return
        if not run_.recovery.reuses_elements(shard.node.scope.parent_id, shard.node.id):
            return
        earlier = identifier_pb2.NodeExecutionIdentifier(
            node_id=shard.node.id, execution_id=run_.argument.recovered_from
        )
        found = await engine_activities.execute(
            activities.recover_elements,
            arrays_pb2.RecoverElementsRequest(
                node=earlier, first=shard.first, count=shard.count, directory=shard.node.output_dir()
            ),
            limit=DATA_TIMEOUT,
            summary=f"earlier elements of {shard.node.id}",
        )
        for position, attempt in enumerate(found.attempts):
            if attempt:
                self._attempts[position] = attempt
                self._left -= 1
                self._report.element(shard.first + position, attempt - 1, TaskPhase.SUCCEEDED)
        if self._left == 0:
            self._done.set_result(None)

    def change(self, window: int) -> None:
        """Take over what an operator has changed; it counts for attempts that have not started.

        ``window`` is the number of elements, or of batches of them, that run at once; 0: all.
        """
        if self._batches is not None:
            self._batches.change(window)
            self._alone.resize(window)
        else:
            self._window.resize(window)
        memory, self._memory = self._memory, _memory(self._shard.node)
        if self._memory != memory:  # It counts instead of what elements got after they had run out of it.
            for budget in self._budgets.values():
                budget.progress.ClearField("memory_bytes")

    def running(self) -> list[str]:
        """Return the ids of the elements that run."""
        return list(self._open)

    async def _one(self, index: int) -> None:
        node = self._shard.element(index)
        try:
            async with self._window.held(node.id):
                self._open[node.id] = None
                self._attempts[index - self._shard.first] = await self._run(node, index) + 1
        except NodeFailure as failure:
            self._failures[index] = failure.error.message[:ERROR_CHARACTERS]
        except asyncio.CancelledError:
            raise
        except Exception as e:
            # An activity that is cancelled raises a FailureError, of whatever kind if it fails as it stops.
            if exceptions.is_cancelled_exception(e) or cancellation.is_cancelled():
                raise asyncio.CancelledError from e
            if not self._done.done():
                self._done.set_exception(e)
        finally:
            self._open.pop(node.id, None)
            self._budgets.pop(index, None)
        self._left -= 1
        if (self._left == 0 or len(self._failures) > self._shard.tolerated) and not self._done.done():
            self._done.set_result(None)

    async def _run(self, node: NodeRun, index: int) -> int:
        """Run an element to its end and return the attempt that succeeded."""
        if self._shard.task is None:
            return await self._child(node, index)
        if self._durations is not None:
            return await self._sleep(node, index, self._durations)
        return await self._task(node, index, self._shard.task)

    async def _task(self, node: NodeRun, index: int, summary: graph_pb2.TaskSummary) -> int:
        budget = self._budgets[index] = attempts.budget_of(node, summary.retries, summary.id.name)
        inputs = execution_pb2.NodeInputs(element=self._shard.inputs(index))
        while True:
            number = budget.attempt
            element = execution_pb2.ArrayElement(
                index=index,
                node_id=node.id,
                external_id=self._report.external_id(index, number),
                array_attempt=self._shard.node.attempt,
            )
            result = await self._unless_stopped(node, summary, inputs, budget, element)
            if result is None:
                budget.repeat()
                continue
            self._report.attempt_ended(result)
            if result.dynamic:
                self._report.element(index, number, TaskPhase.FAILED)
                raise user_failure("DynamicElement", "an element of an array cannot be dynamic")
            if result.WhichOneof("outcome") == "outputs":
                return number
            if cancellation.is_cancelled():
                raise asyncio.CancelledError
            failure = result.failure
            # Operators can have changed it. The counts of an element are in its budget only.
            changed = attempts.budget_of(node, summary.retries, summary.id.name)
            budget = self._budgets[index] = dataclasses.replace(changed, progress=budget.progress)
            retry = budget.after(
                failure.error, recoverable=failure.recoverable, next_memory_bytes=failure.next_memory_bytes
            )
            await attempts.pause(node, budget, retry, failure.error)

    async def _unless_stopped(
        self,
        node: NodeRun,
        summary: graph_pb2.TaskSummary,
        inputs: execution_pb2.NodeInputs,
        budget: attempts.Budget,
        element: execution_pb2.ArrayElement,
    ) -> execution_pb2.TaskAttemptResult | None:
        """Run one attempt of an element; None: a pause has stopped it, and its end is reported."""
        index, number = element.index, budget.attempt
        stop = pauses.stop_of_current()
        result: execution_pb2.TaskAttemptResult | None
        try:
            result = await self._attempt(node, summary, inputs, budget, stop, element)
        except element_batches.Stopped as stopped:
            result, is_stopped = stopped.result, True
        except BaseException as e:
            if cancellation.is_cancelled():
                self._report.element(index, number, TaskPhase.ABORTED)
            if isinstance(e, GeneratorExit) or not stop.absorb():
                raise
            return None
        else:
            is_stopped = stop.absorb()
        if not is_stopped or (result is not None and result.WhichOneof("outcome") == "outputs"):
            return result
        if result is None:
            self._report.element(index, number, TaskPhase.ABORTED)
        else:
            self._report.attempt_ended(result)
        return None

    async def _attempt(
        self,
        node: NodeRun,
        summary: graph_pb2.TaskSummary,
        inputs: execution_pb2.NodeInputs,
        budget: attempts.Budget,
        stop: Stop,
        element: execution_pb2.ArrayElement,
    ) -> execution_pb2.TaskAttemptResult:
        await node.wait_for_resume()
        found = await cached_tasks.look_up(node, summary, inputs, budget.attempt, element)
        if found.HasField("hit"):
            return found.hit
        # One whose memory was raised has other limits than the rest of its batch.
        if self._batches is not None and not budget.progress.memory_bytes:
            attempt = functools.partial(task.task_attempt, node, inputs, budget, element, found)
            result = await self._batches.run(node, attempt)
            if result is not None:
                return result
        async with self._alone.held(node.id), element_batches.placed(node):
            own = task.task_attempt(node, inputs, budget, element, found)
            return await task.run_attempt(node, summary, own, stop)

    async def _sleep(self, node: NodeRun, index: int, durations: literals_pb2.LiteralMap) -> int:
        await node.wait_for_resume()
        await self._take_turn(node)
        values = literals_pb2.LiteralMap()
        for name, literal in durations.literals.items():
            mapped = literal.WhichOneof("value") == "collection"
            position = index - self._shard.first
            values.literals[name].CopyFrom(literal.collection.literals[position] if mapped else literal)
        self._report.element(index, 0, TaskPhase.RUNNING)
        try:
            await inline_tasks.sleep_element(node, values)
        except NodeFailure:
            self._report.element(index, 0, TaskPhase.FAILED)
            raise
        except BaseException:
            self._report.element(index, 0, TaskPhase.ABORTED)
            raise
        self._report.element(index, 0, TaskPhase.SUCCEEDED)
        return 0

    async def _take_turn(self, node: NodeRun) -> None:
        # Elements beyond those that are shown report nothing, so the pump does not run and turns are never renewed.
        if workflow.patched(Patch.ELEMENTS_TAKE_STEPS):
            await node.scope.run.workflow_task_budget.take_step()
        else:
            await node.scope.run.workflow_task_budget.take_turn()

    async def _child(self, node: NodeRun, index: int) -> int:
        await node.wait_for_resume()
        child = launch_plan.child_id(node)
        request = execution_pb2.LaunchRequest(
            create=launch_plan.request(node, child), element=self._shard.inputs(index)
        )
        await launch_plan.launch(node, request)
        outcome = await launch_plan.wait_for_child(self._abort, node, child)
        await launch_plan.copy_outputs(node, outcome)
        return 0

    async def _read(self) -> literals_pb2.LiteralMap:
        found = await engine_activities.execute(
            activities.read_elements,
            self._shard.inputs(self._shard.first),
            limit=DATA_TIMEOUT,
            summary=f"inputs of elements of {self._shard.node.id}",
        )
        return found.literals


def _memory(node: NodeRun) -> str:
    """Return the memory that an operator has given to the elements; empty if none has."""
    entries = node.changes.resources.requests
    return next((entry.value for entry in entries if entry.name == tasks_pb2.Resources.MEMORY), "")


def _batches(shard: ArrayShard) -> ElementBatches | None:
    """Return the batches of a shard, None if each element runs in a process of its own."""
    summary, most = shard.task, element_batches.size(shard.node, shard.plan)
    if most < 2 or summary is None or summary.is_eager or shard.node.node.array.HasField("job"):
        return None
    queue = element_batches.queue_of(shard.node)
    return ElementBatches(shard.node, queue, shard.count, most, shard.window)


async def gather(
    node: NodeRun, variables: Sequence[str], first: int, succeeded: Sequence[int], uri: str
) -> execution_pb2.NodeOutputs:
    """Make lists of the outputs of elements from ``first`` on; ``succeeded`` is ``GatherRequest.attempts``."""
    return await engine_activities.execute(
        activities.gather_elements,
        arrays_pb2.GatherRequest(
            variables=variables, directory=node.output_dir(), first=first, attempts=succeeded, write_to=uri
        ),
        limit=DATA_TIMEOUT,
        summary=f"outputs of elements of {node.id}",
    )
