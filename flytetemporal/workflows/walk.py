"""Walk one level of a graph: start what is ready, end when nothing is left or a failure ends it.

Work per ended node is O(its successors). Nodes are coroutines; siblings are started and cancelled in position order,
so a replay issues the same commands.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Protocol

from flyteidl.core import workflow_pb2
from temporalio import exceptions

from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.errors import ResolutionFailed
from flytetemporal.workflows import inputs as node_inputs
from flytetemporal.workflows.graph import END, START
from flytetemporal.workflows.inputs import Outputs
from flytetemporal.workflows.node import NodeRun, Phase, node_run
from flytetemporal.workflows.outcomes import UNKNOWN, NodeFailure, Values, execution_error, system_failure
from flytetemporal.workflows.run import Scope

WORKFLOW_ABORTED = "Workflow aborted."
AUTO_ABORT = "Some node execution failed, auto-abort."
CARRY_ON = workflow_pb2.WorkflowMetadata.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE
# Kinds that count towards max_parallelism.
COUNTED = ("task", "array", "launch_plan")


@dataclass(slots=True)
class Abort:
    """Why nodes are being cancelled; one for all levels of an execution, set before the first of them is."""

    reason: str = WORKFLOW_ABORTED


class RunKind(Protocol):
    """Runs a node by its kind: ``nodes.dispatch.run``, given here because kinds that nest walk again."""

    async def __call__(self, walk: "Walk", node: NodeRun, inputs: execution_pb2.NodeInputs) -> Values:
        """Run ``node`` and report its phases between QUEUED and failure."""
        ...


class Walk:
    """One level: the primary workflow, or a subworkflow below one of its nodes."""

    def __init__(self, scope: Scope, run_kind: RunKind, abort: Abort) -> None:
        self.scope = scope
        self.outputs = Outputs()
        self.run_kind = run_kind
        self.abort = abort
        self._body = scope.body
        self._waiting = [len(upstream) for upstream in self._body.upstream]
        self._spoiled = [False] * len(self._body.nodes)
        self._open = len(self._body.nodes)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._ended: dict[int, asyncio.Future[None]] = {}
        self._is_ended = [False] * len(self._body.nodes)
        self._failure: NodeFailure | None = None
        self._stopping = False
        self._result: Values | None = None
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, inputs: Values) -> Values:
        """Walk to the end and return what end-node collected.

        Raises:
            NodeFailure: a node failed; everything that ran has been stopped or has ended.
            asyncio.CancelledError: the execution is being aborted; everything that ran has been stopped.
        """
        self._start_node(inputs)
        try:
            await self._done
        except asyncio.CancelledError:
            if not self.scope.parent_id:
                self.abort.reason = WORKFLOW_ABORTED
            await self._stop()
            raise
        if self._failure is not None:
            self.abort.reason = AUTO_ABORT
            await self._stop()
            raise self._failure
        if self._result is None:
            raise system_failure("OutputsNotFound", f"workflow {self._body.message.id.name} ended without its end-node")
        return self._result

    async def ended(self, positions: Iterable[int]) -> None:
        """Return when the nodes at ``positions`` have ended; for children of a branch, which wait inside it."""
        for position in positions:
            if not self._is_ended[position]:
                future = self._ended.setdefault(position, asyncio.get_running_loop().create_future())
                await asyncio.shield(future)

    async def run_node(self, node: NodeRun) -> Values:
        """Run one node from its inputs to its last event.

        Raises:
            NodeFailure: it failed, and its FAILED event is on the way.
            asyncio.CancelledError: it was stopped, and its ABORTED event, if it had begun, is on the way.
        """
        async with self._slot(node):
            try:
                inputs = self.outputs.resolve(node.node.inputs)
            except ResolutionFailed as e:
                failure = node_inputs.binding_failure(e)
                _report_failure(node, failure)
                raise failure from e
            node.report(node.phase_event(Phase.QUEUED))
            return await self._run_queued(node, inputs)

    async def _run_queued(self, node: NodeRun, inputs: execution_pb2.NodeInputs) -> Values:
        try:
            return await self.run_kind(self, node, inputs)
        except NodeFailure as failure:
            _report_failure(node, failure)
            raise
        except (asyncio.CancelledError, exceptions.FailureError) as e:
            if not exceptions.is_cancelled_exception(e):
                broken = _engine_failure(e)
                _report_failure(node, broken)
                raise broken from e
            event = node.phase_event(Phase.ABORTED)
            event.error.CopyFrom(execution_error("NodeAborted", self.abort.reason, UNKNOWN))
            node.report(event)
            raise asyncio.CancelledError from e

    @contextlib.asynccontextmanager
    async def _slot(self, node: NodeRun) -> AsyncIterator[None]:
        parallelism = self.scope.run.parallelism
        if parallelism is None or node.node.WhichOneof("target") not in COUNTED:
            yield
            return
        async with parallelism:
            yield

    def _start_node(self, inputs: Values) -> None:
        node = node_run(self.scope, self._body.nodes[START])
        uri = inputs.uri
        if inputs.literals is not None:
            uri = f"{node.output_dir()}/outputs.pb"
            node.store(inputs.literals, uri)
        event = node.phase_event(Phase.SUCCEEDED)
        event.output_uri = uri
        node.report(event)
        self._end(START, Values(inputs.literals, uri))

    def _end(self, position: int, values: Values | None) -> None:
        ended: deque[tuple[int, Values | None]] = deque([(position, values)])
        while ended:  # a long chain of skipped nodes must not recurse
            position, values = ended.popleft()
            self._settle(position, values)
            for successor in self._body.downstream[position]:
                self._waiting[successor] -= 1
                self._spoiled[successor] |= values is None
                if self._waiting[successor] == 0 and self._begin(successor):
                    ended.append((successor, None))
        if self._open == 0 and not self._done.done():
            self._done.set_result(None)

    def _settle(self, position: int, values: Values | None) -> None:
        node = self._body.nodes[position]
        self._open -= 1
        self._is_ended[position] = True
        if values is not None:
            self.outputs.add(node.id, values, {alias.alias: alias.var for alias in node.output_aliases})
            if position == END:
                self._result = values
        if position in self._ended:
            self._ended.pop(position).set_result(None)

    def _begin(self, position: int) -> bool:
        """Start a ready node; return True when it is skipped instead."""
        if self._stopping or (self._failure is not None and not self._carries_on):
            return False
        if self._spoiled[position]:
            node = node_run(self.scope, self._body.nodes[position])
            node.report(node.phase_event(Phase.SKIPPED))
            return True
        self._tasks[position] = asyncio.create_task(self._run(position))
        return False

    async def _run(self, position: int) -> None:
        try:
            values = await self.run_node(node_run(self.scope, self._body.nodes[position]))
        except NodeFailure as failure:
            self._fail(position, failure)
        except asyncio.CancelledError:
            if not self._stopping:  # somebody cancelled the activity itself, not the execution
                self._fail(position, system_failure("NodeAborted", "the node's activity was cancelled from outside"))
            raise
        except Exception as e:
            if not self._done.done():
                self._done.set_exception(e)
        else:
            self._end(position, values)
        finally:
            self._tasks.pop(position, None)

    def fail(self, failure: NodeFailure) -> None:
        """End the walk with ``failure``, whatever the policy."""
        if self._failure is None:
            self._failure = failure
        if not self._done.done():
            self._done.set_result(None)

    def _fail(self, position: int, failure: NodeFailure) -> None:
        if self._carries_on:
            self._failure = failure
            self._end(position, None)
        else:
            self.fail(failure)

    @property
    def _carries_on(self) -> bool:
        # Flyte applies the policy of the top-level workflow to every level.
        return self.scope.run.graph.bodies[0].message.on_failure == CARRY_ON

    async def _stop(self) -> None:
        self._stopping = True
        tasks = [self._tasks[position] for position in sorted(self._tasks)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _report_failure(node: NodeRun, failure: NodeFailure) -> None:
    event = node.phase_event(Phase.FAILED)
    event.error.CopyFrom(failure.error)
    if failure.checkpoint_uri:
        event.task_node_metadata.checkpoint_uri = failure.checkpoint_uri
    node.report(event)


def _engine_failure(error: BaseException) -> NodeFailure:
    """An activity gave up: infrastructure failed longer than its retries lasted, or our code did."""
    cause = error.__cause__ or error
    code = getattr(cause, "type", None) or type(cause).__name__
    return system_failure(code, str(cause))
