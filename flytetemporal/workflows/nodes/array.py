"""Array nodes (map tasks): the inner node runs once for each element of the input lists.

A single shard of elements runs here, and so do all executions of a launch plan. Otherwise each shard runs in a workflow
of its own, so that no history grows with the number of elements. The rules mirror flytepropeller's
pkg/controller/nodes/array/handler.go.
"""

import asyncio
import math
from collections.abc import Callable, Sequence

from temporalio import exceptions, workflow

from flytetemporal.contracts import activities
from flytetemporal.contracts.v1 import arrays_pb2, execution_pb2, graph_pb2, operations_pb2
from flytetemporal.idl import error_text, locations
from flytetemporal.workflows import cancellation, engine_activities
from flytetemporal.workflows.array_report import ArrayReport, TaskPhase
from flytetemporal.workflows.node.node_run import NodeRun, Phase
from flytetemporal.workflows.node.outcomes import (
    UNKNOWN,
    NodeFailure,
    Values,
    execution_error,
    system_failure,
    user_failure,
)
from flytetemporal.workflows.nodes import array_shards, elements, inline_tasks
from flytetemporal.workflows.nodes.elements import DATA_TIMEOUT, SHARD_SIZE, ArrayShard, Elements
from flytetemporal.workflows.walk import Walk

# If there are several shards: elements of one that run at once, and shards that run at once.
SHARD_WINDOW = 200
SHARDS_AT_ONCE = 20
# Executions of a launch plan signal this workflow, however many shards there are, so its history limits their number.
MOST_EXECUTIONS = 3000
EXECUTIONS_AT_ONCE = 100


async def run(walk: Walk, node: NodeRun, inputs: execution_pb2.NodeInputs) -> Values:
    """Run all elements and return lists of their outputs."""
    task = _task(node)
    report = ArrayReport(node, task.id if task is not None else None)
    with node.waiting(lambda wait: wait.engine.CopyFrom(operations_pb2.EngineWait(work="inputs"))):
        plan = await _plan(node, task, inputs)
    if plan.HasField("error"):
        raise NodeFailure(plan.error)
    if plan.size:  # Flyte reports no QUEUED for an empty array.
        report.phase(TaskPhase.QUEUED)
    if node.attempt == 0:
        node.report(node.phase_event(Phase.RUNNING))
    report.phase(TaskPhase.RUNNING)
    try:
        array = _Array(walk, node, task, plan, report)
        with node.scope.run.edits.followed(node.id, array.change):
            outputs = await array.run()
    except NodeFailure as failure:
        report.phase(TaskPhase.FAILED, error=failure.error)
        raise
    except BaseException:
        report.phase(TaskPhase.ABORTED)
        raise
    uri = locations.outputs_uri(node.output_dir())
    report.phase(TaskPhase.SUCCEEDED, output_uri=uri)
    event = node.phase_event(Phase.SUCCEEDED)
    event.output_uri = uri
    node.report(event)
    return Values(outputs.literals if outputs.HasField("literals") else None, uri)


class _Array:
    """One attempt of an array node whose inputs are in the store."""

    def __init__(
        self,
        walk: Walk,
        node: NodeRun,
        task: graph_pb2.TaskSummary | None,
        plan: arrays_pb2.ArrayPlan,
        report: ArrayReport,
    ) -> None:
        self._walk = walk
        self._node = node
        self._task = task
        self._plan = plan
        self._report = report
        self._tolerated = max(plan.size - _least(node, plan.size), -1)
        self._outcomes: dict[int, arrays_pb2.ElementsOutcome] = {}
        self._running: dict[int, Callable[[], Sequence[str]]] = {}
        self._changed: dict[int, Callable[[int], None]] = {}
        self._lanes: list[asyncio.Task[None]] = []
        self._firsts = iter(range(0, plan.size, SHARD_SIZE))
        # Whether shards may start.
        self._is_open = False
        self._window, self._at_once = self._concurrency()

    async def run(self) -> execution_pb2.NodeOutputs:
        """Run all elements and return the lists of their outputs.

        Raises:
            NodeFailure: too many of them failed.
        """
        if self._plan.HasField("outputs"):
            for index in range(self._plan.size):
                self._report.element(index, 0, TaskPhase.SUCCEEDED)
            return self._plan.outputs
        with self._node.waiting(lambda wait: wait.nested.node_ids.extend(self._shown())):
            async with self._report.reporting():
                await self._run_shards()
        if self._failed() > self._tolerated:
            text = self._summary()
            code = "" if text else "ArrayNodeFailing"
            raise NodeFailure(execution_error(code, text or "Unknown reason", UNKNOWN))
        return await self._gathered()

    def _shown(self) -> Sequence[str]:
        return [node_id for running in self._running.values() for node_id in running()]

    async def _run_shards(self) -> None:
        """Run the shards in order, several at once, until all have ended or too many elements have failed."""
        self._is_open = True
        self._fill_lanes()
        try:
            while pending := [lane for lane in self._lanes if not lane.done()]:
                await workflow.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                ended = [lane for lane in self._lanes if lane.done()]
                if self._is_over() or any(lane.cancelled() or lane.exception() for lane in ended):
                    break
        finally:
            self._is_open = False
            await cancellation.cancel_and_wait(self._lanes)
        if self._is_over():
            return
        for lane in self._lanes:
            _raise(lane)

    def _fill_lanes(self) -> None:
        """Start the lanes that may run and do not, unless one has failed."""
        for number in range(self._at_once):
            if number == len(self._lanes):
                self._lanes.append(asyncio.create_task(self._lane(number)))
            elif (lane := self._lanes[number]).done() and not lane.cancelled() and lane.exception() is None:
                self._lanes[number] = asyncio.create_task(self._lane(number))

    def change(self) -> None:
        """Take over what an operator has changed, in the shards that run and in those that follow."""
        self._window, self._at_once = self._concurrency()
        for change in list(self._changed.values()):
            change(self._window)
        if self._is_open:
            self._fill_lanes()

    async def _lane(self, number: int) -> None:
        # All lanes share the iterator, so each takes the next shard when it is done with one.
        while number < self._at_once and not self._is_over() and (first := next(self._firsts, None)) is not None:
            tolerated = max(self._tolerated - self._failed(), 0)
            shard = ArrayShard(
                node=self._node,
                task=self._task,
                plan=self._plan,
                first=first,
                count=min(SHARD_SIZE, self._plan.size - first),
                tolerated=SHARD_SIZE if self._node.node.array.runs_all else tolerated,
                window=self._window,
            )
            self._outcomes[first] = await self._run_shard(shard)

    async def _run_shard(self, shard: ArrayShard) -> arrays_pb2.ElementsOutcome:
        try:
            if self._task is None or self._plan.size <= SHARD_SIZE:
                running = Elements(shard, self._report, self._walk.abort)
                self._running[shard.first], self._changed[shard.first] = running.running, running.change
                return await running.run()
            self._running[shard.first] = lambda: [f"{self._node.id}-{self._node.attempt}-n{shard.first}"]
            telling = array_shards.Telling(self._node, shard.first, self._changed, lambda: self._window)
            return await array_shards.run(shard, self._task, telling, interruptible=self._is_interruptible())
        finally:
            self._running.pop(shard.first, None)
            self._changed.pop(shard.first, None)

    def _concurrency(self) -> tuple[int, int]:
        """Return how many elements of a shard run at once, and how many shards; 0 elements: all."""
        changes = self._node.changes
        own = self._node.node.array.parallelism.value
        most = changes.max_parallelism.value if changes.HasField("max_parallelism") else own
        if self._plan.size <= SHARD_SIZE:
            return most or (EXECUTIONS_AT_ONCE if self._task is None else 0), 1
        if self._task is None:
            return min(most or EXECUTIONS_AT_ONCE, EXECUTIONS_AT_ONCE), 1
        window = min(most or SHARD_WINDOW, SHARD_WINDOW)
        return window, min(most // window, SHARDS_AT_ONCE) if most else SHARDS_AT_ONCE

    def _is_interruptible(self) -> bool:
        return self._node.scope.run.is_interruptible(self._node.node.array.node)

    def _failed(self) -> int:
        return sum(outcome.failed for outcome in self._outcomes.values())

    def _is_over(self) -> bool:
        return self._failed() > self._tolerated and not self._node.node.array.runs_all

    def _summary(self) -> str:
        errors = [
            (error.index, error.message) for first in sorted(self._outcomes) for error in self._outcomes[first].errors
        ]
        return error_text.of_elements(errors)

    async def _gathered(self) -> execution_pb2.NodeOutputs:
        node, uri = self._node, locations.outputs_uri(self._node.output_dir())
        variables = list(self._task.output_names if self._task is not None else self._plan.variables)
        attempts = [number for first in sorted(self._outcomes) for number in self._outcomes[first].attempts]
        if self._task is None or self._plan.size <= SHARD_SIZE:
            return await elements.gather(node, variables, 0, attempts, uri)
        parts = [locations.part_uri(node.output_dir(), first) for first in sorted(self._outcomes)]
        return await engine_activities.execute(
            activities.join_elements,
            arrays_pb2.JoinRequest(variables=variables, parts=parts, write_to=uri),
            limit=DATA_TIMEOUT,
            summary=f"outputs of {node.id}",
        )


def _raise(lane: asyncio.Task[None]) -> None:
    """Raise the error of a lane that was not stopped here."""
    error = None if lane.cancelled() else lane.exception()
    if lane.cancelled() or (error is not None and exceptions.is_cancelled_exception(error)):
        raise system_failure("NodeAborted", "elements were cancelled from outside")
    if error is not None:
        raise error


def _task(node: NodeRun) -> graph_pb2.TaskSummary | None:
    """Return the task that the elements run; None if they run a launch plan."""
    inner = node.node.array.node
    kind = inner.WhichOneof("target")
    if kind == "task":
        return node.scope.program.graph.tasks[inner.task.task]
    if kind != "launch_plan":
        raise user_failure(
            "UnsupportedElement", f"array node [{node.id}] maps over a {kind}; it can map over a task or a launch plan"
        )
    return None


async def _plan(
    node: NodeRun, task: graph_pb2.TaskSummary | None, inputs: execution_pb2.NodeInputs
) -> arrays_pb2.ArrayPlan:
    array = node.node.array
    request = arrays_pb2.ArrayRequest(
        inputs=inputs,
        bound_inputs=array.bound_inputs,
        inputs_uri=node.inputs_uri,
        directory=node.output_dir(),
        chunk_size=SHARD_SIZE,
    )
    if array.HasField("job"):
        request.job.CopyFrom(array.job)
    if task is None:
        request.launch_plan.CopyFrom(array.node.launch_plan)
    elif task.type == inline_tasks.ECHO and len(task.input_names) == len(task.output_names) == 1:
        request.echo_variable = task.output_names[0]
        request.outputs_uri = locations.outputs_uri(node.output_dir())
    if inputs.WhichOneof("value") == "deferred":
        await node.scope.run.reports.flush()
    await node.scope.run.payload_budget.reserve(request.ByteSize())
    plan = await engine_activities.execute(
        activities.plan_array,
        request,
        limit=DATA_TIMEOUT,
        summary=f"elements of {node.id}",
    )
    if task is None and plan.size > MOST_EXECUTIONS:
        text = f"array node [{node.id}] maps a launch plan over {plan.size} elements; the limit is {MOST_EXECUTIONS}"
        raise user_failure("ArrayTooLarge", text)
    return plan


def _least(node: NodeRun, size: int) -> int:
    """Return how many elements must succeed.

    Raises:
        NodeFailure: the ratio of them is not a number.
    """
    array = node.node.array
    match array.WhichOneof("success_criteria"):
        case "min_successes":
            return array.min_successes
        case "min_success_ratio" if not math.isfinite(array.min_success_ratio):
            text = f"array node [{node.id}] has a min_success_ratio of {array.min_success_ratio}"
            raise user_failure("BadSpecificationError", text)
        case "min_success_ratio":
            # The ratio is a 32-bit float: 0.99 of 100 elements is 99. Flyte rounds up to 100.
            return math.ceil(float(f"{array.min_success_ratio:.6g}") * size - 1e-6)
        case _:
            return size
