"""Walk one level of a graph: start what is ready, end when nothing is left or a failure ends it.

``level_progress`` computes which nodes are ready, ``level_tasks`` keeps their coroutines, and ``node_lifecycle`` runs a
node from its inputs to its last event. Siblings start in order of position, so that a replay issues the same commands
in the same order.
"""

import asyncio
import dataclasses
import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from flyteidl.core import workflow_pb2
from temporalio import workflow

from flytetemporal.contracts.v1 import continuation_pb2, execution_pb2, graph_pb2, operations_pb2
from flytetemporal.workflows import failing, node_lifecycle
from flytetemporal.workflows.abort import SIBLING_FAILED, WORKFLOW_ABORTED, Abort
from flytetemporal.workflows.inputs import Outputs
from flytetemporal.workflows.level_progress import LevelProgress
from flytetemporal.workflows.level_tasks import LevelTasks
from flytetemporal.workflows.node import below
from flytetemporal.workflows.node.graph import END, START
from flytetemporal.workflows.node.node_run import NodeRun, Phase, node_run
from flytetemporal.workflows.node.outcomes import NodeFailure, NodeTimedOut, Values, system_failure
from flytetemporal.workflows.node.run import Scope
from flytetemporal.workflows.node.suspension import NodeSuspended
from flytetemporal.workflows.run_state import PRIMARY, ContinueAsNewRequested

RUN_TO_COMPLETION = workflow_pb2.WorkflowMetadata.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE


class RunKind(Protocol):
    """Runs a node by its kind: ``nodes.dispatch.run``, passed in because kinds that nest walk again."""

    async def __call__(self, walk: "Walk", node: NodeRun, inputs: execution_pb2.NodeInputs) -> Values:
        """Run ``node`` and report its phases between QUEUED and failure."""
        ...


def _ignore(_: NodeFailure) -> None:
    """Ignore the failure."""


class Walk:
    """One level: the primary workflow, or a workflow below one of its nodes.

    ``abort`` is that of the level above. ``on_failing`` is called with the failure as soon as the level is bound to
    fail, before any node is stopped.
    """

    def __init__(
        self,
        scope: Scope,
        run_kind: RunKind,
        abort: Abort | None = None,
        on_failing: Callable[[NodeFailure], None] = _ignore,
    ) -> None:
        self.scope = scope
        self.outputs = Outputs()
        self.run_kind = run_kind
        self.abort = Abort(above=abort)
        self._on_failing = on_failing
        self._body = scope.body
        self._progress = LevelProgress(scope.body)
        self._tasks = LevelTasks(scope, self.abort, self._run)
        # The failure that ends the level, and those that the policy lets it outlive.
        self._failure: NodeFailure | None = None
        self._failures: dict[int, NodeFailure] = {}
        self._result: Values | None = None
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, inputs: Values) -> Values:
        """Walk to the end and return the outputs that end-node collected.

        Raises:
            NodeFailure: a node failed; everything that ran has been stopped or has ended.
            asyncio.CancelledError: the execution is being aborted; everything that ran has been stopped.
            ContinueAsNewRequested: the execution continues in a new run.
        """
        run = self.scope.run
        restored = run.state.take_level(self.scope.parent_id)
        if restored is None:
            self._start_node(inputs)
        else:
            self._restore(restored)
        waits = run.waits.level(self.scope.parent_id, self._waits)
        with waits, run.state.walking(self.scope.parent_id, self):
            try:
                await self._done
                # The next run could not repeat the end of a level: some nodes are stopped by then.
                with run.continuation.postponed():
                    failure = await self._failed()
            except asyncio.CancelledError:
                # Only an abort of the execution cancels the primary level.
                if self.scope.parent_id == PRIMARY:
                    self.abort.own_reason = WORKFLOW_ABORTED
                await self._tasks.stop()
                raise
        if failure is not None:
            raise failure
        if self._result is None:
            raise system_failure("OutputsNotFound", f"workflow {self._body.message.id.name} ended without its end-node")
        return self._result

    # What node kinds and the continuation call.

    async def run_node(self, node: NodeRun, sources: Outputs | None = None) -> Values:
        """Run one node; ``sources`` are the outputs that it may bind to, by default those of the whole level.

        Raises:
            NodeFailure: it failed, and its FAILED event has been reported.
            asyncio.CancelledError: it was stopped. If it had started, its ABORTED event has been reported.
        """
        kind = functools.partial(self.run_kind, self)
        return await node_lifecycle.run_node(node, sources or self.outputs, kind, self.abort)

    async def wait_for(self, positions: Iterable[int]) -> None:
        """Return when the nodes at ``positions`` have ended; children of a branch wait inside it."""
        await self._progress.wait_for(positions)

    def running(self) -> list[str]:
        """Return the ids of the nodes that run or sleep."""
        return self._tasks.running()

    def has_ended(self, node_id: str) -> bool | None:
        """Whether a node of this level has ended; None if it is not of this level."""
        for position in range(len(self._body.nodes)):
            if self._node_id(position) == node_id:
                return self._progress.has_ended(position)
        return None

    def will_run(self, node_id: str) -> bool:
        """Whether a node is below one of this level that has not ended."""
        nodes = enumerate(self._body.nodes)
        return any(not self._progress.has_ended(n) and below.contains(self.scope, node, node_id) for n, node in nodes)

    def fail(self, failure: NodeFailure) -> None:
        """End the walk with ``failure``, whatever the policy; a second failure changes nothing."""
        if self._failure is None:
            self._failure = failure
            self._tasks.close()
        if not self._done.done():
            self._done.set_result(None)

    def state(self) -> continuation_pb2.LevelState:
        """Return which nodes have ended and how, for the next run."""
        return continuation_pb2.LevelState(
            parent_id=self.scope.parent_id,
            ended_with_outputs=self._progress.ended(with_outputs=True),
            ended_without_outputs=self._progress.ended(with_outputs=False),
            outputs=self.outputs.ended(),
            failed=[
                continuation_pb2.FailedNode(
                    position=position, error=failure.error, timed_out=isinstance(failure, NodeTimedOut)
                )
                for position, failure in self._failures.items()
            ],
        )

    def request_continue_as_new(self, request: ContinueAsNewRequested) -> bool:
        """Make the walk raise ``request``; return False if it is ending anyway."""
        if self._done.done():
            return False
        self._done.set_exception(request)
        return True

    # The start of the level.

    def _start_node(self, inputs: Values) -> None:
        """End start-node with the inputs of the workflow as its outputs; that makes the first nodes ready."""
        node = node_run(self.scope, self._body.nodes[START])
        uri = inputs.uri
        if inputs.literals is not None:
            uri = f"{node.output_dir()}/outputs.pb"
            node.store(inputs.literals, uri)
        event = node.phase_event(Phase.SUCCEEDED)
        event.output_uri = uri
        node.report(event)
        self._end(START, Values(inputs.literals, uri))

    def _restore(self, state: continuation_pb2.LevelState) -> None:
        """Continue where the previous run ended."""
        self.outputs.restore(state.outputs)
        for failed in state.failed:
            self._failures[failed.position] = (
                NodeTimedOut(failed.error) if failed.timed_out else NodeFailure(failed.error)
            )
        for position in state.ended_with_outputs:
            self._progress.end(position, has_outputs=True)
        for position in state.ended_without_outputs:
            self._progress.end(position, has_outputs=False)
        # First the nodes that were open, then those that were about to start. The former have something to wait for or
        # to stop, and they held their slots before.
        is_resumed = self.scope.run.state.is_resumed
        for position in sorted(self._progress.ready(), key=lambda n: not is_resumed(self._node_id(n))):
            if self._begin(position):
                self._end(position, None)
        if self._progress.is_complete and not self._done.done():
            self._done.set_result(None)

    # The life of a node in the level.

    def _begin(self, position: int) -> bool:
        """Start a ready node; return True if it is skipped instead."""
        if self._tasks.is_stopping or self._failure is not None:
            return False
        if self._progress.is_skipped(position):
            node = node_run(self.scope, self._body.nodes[position])
            node.report(node.phase_event(Phase.SKIPPED))
            return True
        self._tasks.launch(position)
        return False

    async def _run(self, position: int) -> None:
        try:
            spec = self._body.nodes[position]
            # A node with a timeout is never suspended: the timers of its deadlines are in its coroutine.
            node = node_run(self.scope, spec)
            values = await self.run_node(node.suspendable() if not node.timeout else node)
        except NodeSuspended as suspended:
            self._tasks.suspend(position, suspended)
        except NodeFailure as failure:
            self._end_failed(position, failure)
        except asyncio.CancelledError:
            if not self._tasks.is_stopping:  # The node's activity was cancelled through Temporal, not the execution.
                stopped = system_failure("NodeAborted", "the node's activity was cancelled from outside")
                self._end_failed(position, stopped)
            raise
        except Exception as e:
            # A bug: raised by the walk, it fails the workflow task, and a fixed worker continues the run.
            if not self._done.done():
                self._done.set_exception(e)
        else:
            self._end(position, values)

    def _end_failed(self, position: int, failure: NodeFailure) -> None:
        # Flyte applies the policy of the top-level workflow to every level.
        if self.scope.run.graph.bodies[0].message.on_failure == RUN_TO_COMPLETION:
            self._failures[position] = failure
            self._end(position, None)
        else:
            self.fail(failure)

    def _end(self, position: int, values: Values | None) -> None:
        """End a node, with outputs or without, and start or skip the nodes that this makes ready."""
        ended: deque[tuple[int, Values | None]] = deque([(position, values)])
        while ended:  # Not recursive: a chain of skipped nodes can be longer than Python's stack.
            position, values = ended.popleft()
            if values is not None:
                node = self._body.nodes[position]
                self.outputs.add(node.id, values, {alias.alias: alias.var for alias in node.output_aliases})
                if position == END:
                    self._result = values
            ready = self._progress.end(position, has_outputs=values is not None)
            ended.extend((successor, None) for successor in ready if self._begin(successor))
        if self._progress.is_complete and not self._done.done():
            self._done.set_result(None)

    # The end of the level.

    async def _failed(self) -> NodeFailure | None:
        """If a node failed: stop what runs, run the failure node, and return the failure of the level."""
        if self._failure is None and self._failures:
            self._failure = failing.combined(self._body, self._failures)
        failure = self._failure
        if failure is None:
            return None
        self._on_failing(failure)
        self.abort.own_reason = SIBLING_FAILED
        await self._tasks.stop()
        self.abort.own_reason = ""
        node = failing.failure_node(self._body, failure)
        if node is None:
            return failure
        failure_node = asyncio.create_task(self._run_failure_node(node))
        self._tasks.add_failure_node(failure_node)
        await workflow.wait([failure_node])
        try:
            failure_node.result()
        except NodeFailure as own:
            return failing.of_failure_node(own)
        return failure

    async def _run_failure_node(self, node: graph_pb2.Node) -> Values:
        # It sees the inputs of the workflow and no other node.
        sources = self.outputs.only(self._body.nodes[START].id)
        scope = dataclasses.replace(self.scope, may_hold=False)  # The run has failed, so nothing is left to wait for.
        return await self.run_node(node_run(scope, node), sources)

    # Answers to queries.

    def _waits(self) -> Iterator[operations_pb2.Wait]:
        """Yield the waits of the nodes without a coroutine: suspended nodes, then those that wait for other nodes."""
        for position, suspended in self._tasks.suspended.items():
            until, name = operations_pb2.TimerWait(until=suspended.until), self._body.nodes[position].name
            yield operations_pb2.Wait(node_id=self._node_id(position), name=name, since=suspended.since, timer=until)
        for position, before in self._progress.blocked():
            nodes = operations_pb2.NodesWait(node_ids=[self._node_id(other) for other in before])
            yield operations_pb2.Wait(
                node_id=self._node_id(position), name=self._body.nodes[position].name, nodes=nodes
            )

    def _node_id(self, position: int) -> str:
        return self.scope.node_id(self._body.nodes[position].id)
