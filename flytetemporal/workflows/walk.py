"""Walk one level of a graph: start what is ready, end when nothing is left or a failure ends it.

Work per ended node is O(its successors). Nodes are coroutines; siblings are started and cancelled in position order,
so a replay issues the same commands.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from flyteidl.core import workflow_pb2
from temporalio import exceptions, workflow

from flytetemporal.contracts.v1 import continuation_pb2, execution_pb2, graph_pb2, operations_pb2
from flytetemporal.errors import ResolutionFailed, ValueTooLarge
from flytetemporal.workflows import cancellation, deadlines, failing
from flytetemporal.workflows import inputs as node_inputs
from flytetemporal.workflows.continuation import TELLING_PATCH
from flytetemporal.workflows.inputs import Outputs
from flytetemporal.workflows.launch_queue import LaunchQueue, SuspendedNode
from flytetemporal.workflows.node import run as runs
from flytetemporal.workflows.node.graph import END, START
from flytetemporal.workflows.node.node_run import NodeRun, Phase, node_run
from flytetemporal.workflows.node.outcomes import (
    UNKNOWN,
    NodeFailure,
    NodeTimedOut,
    Values,
    execution_error,
    system_failure,
    user_failure,
)
from flytetemporal.workflows.node.run import Scope
from flytetemporal.workflows.node.suspension import NodeSuspended
from flytetemporal.workflows.run_state import ContinueAsNewRequested

WORKFLOW_ABORTED = "Workflow aborted."
AUTO_ABORT = "Some node execution failed, auto-abort."
ABOVE_TIMED_OUT = "A node above has timed out, auto-abort."
# A node may be open so many times its time-out, all its attempts together. Flyte's factor.
ACTIVE_DEADLINE = 2
CARRY_ON = workflow_pb2.WorkflowMetadata.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE
# Kinds that count towards max_parallelism.
COUNTED = ("task", "array", "launch_plan")


@dataclass(slots=True)
class Abort:
    """Why nodes are being cancelled; one for all levels of an execution, set before the first of them is.

    What nobody sets a reason for is stopped by the deadline of a node above.
    """

    reason: str = ABOVE_TIMED_OUT


class RunKind(Protocol):
    """Runs a node by its kind: ``nodes.dispatch.run``, given here because kinds that nest walk again."""

    async def __call__(self, walk: "Walk", node: NodeRun, inputs: execution_pb2.NodeInputs) -> Values:
        """Run ``node`` and report its phases between QUEUED and failure."""
        ...


def _nothing(_: NodeFailure) -> None:
    """Tell nobody."""


class Walk:
    """One level: the primary workflow, or a subworkflow below one of its nodes.

    ``on_failing`` is told the error as soon as the level is bound to fail, before anything is stopped.
    """

    def __init__(
        self, scope: Scope, run_kind: RunKind, abort: Abort, on_failing: Callable[[NodeFailure], None] = _nothing
    ) -> None:
        self.scope = scope
        self.outputs = Outputs()
        self.run_kind = run_kind
        self.abort = abort
        self._on_failing = on_failing
        self._body = scope.body
        self._waiting = [len(upstream) for upstream in self._body.upstream]
        self._upstream_skipped = [False] * len(self._body.nodes)
        self._open = len(self._body.nodes)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._launch_queue = LaunchQueue(scope.run, self._node_id, self._start_task)
        self._ended: dict[int, asyncio.Future[None]] = {}
        self._is_ended = [False] * len(self._body.nodes)
        # Ended, and what follows is skipped.
        self._propagates_skip = [False] * len(self._body.nodes)
        self._failure: NodeFailure | None = None
        self._failures: dict[int, NodeFailure] = {}
        self._failure_node: asyncio.Task[Values] | None = None
        self._stopping = False
        self._result: Values | None = None
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, inputs: Values) -> Values:
        """Walk to the end and return what end-node collected.

        Raises:
            NodeFailure: a node failed; everything that ran has been stopped or has ended.
            asyncio.CancelledError: the execution is being aborted; everything that ran has been stopped.
            ContinueAsNewRequested: the execution goes on in a new run.
        """
        run = self.scope.run
        restored = run.state.take_level(self.scope.parent_id)
        if restored is None:
            self._start_node(inputs)
        else:
            self._restore(restored)
        waits = run.waits.level(self.scope.parent_id, self._not_begun)
        with waits, run.state.walking(self.scope.parent_id, self):
            try:
                await self._done
                with run.continuation.postponed():
                    failure = await self._failed()
            except asyncio.CancelledError:
                if not self.scope.parent_id:
                    self.abort.reason = WORKFLOW_ABORTED
                await self._stop()
                raise
        if failure is not None:
            raise failure
        if self._result is None:
            raise system_failure("OutputsNotFound", f"workflow {self._body.message.id.name} ended without its end-node")
        return self._result

    async def _failed(self) -> NodeFailure | None:
        """When a node failed: stop what runs, run the failure node, and return how the level ends."""
        if self._failure is None and self._failures:
            self._failure = failing.gathered(self._body, self._failures)
        failure = self._failure
        if failure is None:
            return None
        self._on_failing(failure)
        self.abort.reason = AUTO_ABORT
        await self._stop()
        self.abort.reason = ABOVE_TIMED_OUT
        node = failing.failure_node(self._body, failure)
        if node is None:
            return failure
        self._failure_node = asyncio.create_task(self._run_failure_node(node))
        await workflow.wait([self._failure_node])
        try:
            self._failure_node.result()
        except NodeFailure as own:
            return failing.of_failure_node(own)
        return failure

    async def _run_failure_node(self, node: graph_pb2.Node) -> Values:
        # It sees the inputs of the workflow and no other node.
        return await self.run_node(node_run(self.scope, node), self.outputs.only(self._body.nodes[START].id))

    async def ended(self, positions: Iterable[int]) -> None:
        """Return when the nodes at ``positions`` have ended; for children of a branch, which wait inside it."""
        for position in positions:
            if not self._is_ended[position]:
                future = self._ended.setdefault(position, asyncio.get_running_loop().create_future())
                await asyncio.shield(future)

    def running(self) -> list[str]:
        """Return the ids of the nodes that run."""
        return [self._node_id(position) for position in sorted([*self._tasks, *self._launch_queue.suspended])]

    def _node_id(self, position: int) -> str:
        return self.scope.node_id(self._body.nodes[position].id)

    async def run_node(self, node: NodeRun, sources: Outputs | None = None) -> Values:
        """Run one node from its inputs to its last event; ``sources`` are what it may bind to, if not all nodes.

        Raises:
            NodeFailure: it failed, and its FAILED event is on the way.
            asyncio.CancelledError: it was stopped, and its ABORTED event, if it had begun, is on the way.
        """
        async with self._slot(node), self._working(node) as progress:
            try:
                inputs = (sources or self.outputs).resolve(node.node.inputs)
            except ResolutionFailed as e:
                failure = node_inputs.binding_failure(e)
                _report_failure(node, failure)
                raise failure from e
            if not progress.HasField("began_at"):
                progress.began_at.CopyFrom(runs.now())
                node.report(node.phase_event(Phase.QUEUED))
            return await self._run_queued(node, inputs)

    async def _run_queued(self, node: NodeRun, inputs: execution_pb2.NodeInputs) -> Values:
        limit = deadlines.left(ACTIVE_DEADLINE * node.node.timeout.ToTimedelta(), node.progress.began_at)
        try:
            return await deadlines.within(limit, self.run_kind(self, node, inputs))
        except NodeFailure as failure:
            _report_failure(node, failure)
            raise
        except TimeoutError as e:
            node.report(node.phase_event(Phase.TIMED_OUT))
            raise NodeTimedOut from e
        except (asyncio.CancelledError, exceptions.FailureError) as e:
            if not exceptions.is_cancelled_exception(e) and not cancellation.is_cancelled():
                broken = _engine_failure(node, e)
                _report_failure(node, broken)
                raise broken from e
            self._report_aborted(node)
            raise asyncio.CancelledError from e

    def _report_aborted(self, node: NodeRun) -> None:
        event = node.phase_event(Phase.ABORTED)
        event.error.CopyFrom(execution_error("NodeAborted", self.abort.reason, UNKNOWN))
        node.report(event)

    @contextlib.asynccontextmanager
    async def _slot(self, node: NodeRun) -> AsyncIterator[None]:
        slots = self.scope.run.parallelism
        if node.node.WhichOneof("target") not in COUNTED:
            yield
        elif slots.is_free:
            async with slots.held(node.id):
                yield
        else:
            async with contextlib.AsyncExitStack() as stack:
                with node.waiting(lambda wait: wait.slot.CopyFrom(slots.wait())):
                    await stack.enter_async_context(slots.held(node.id))
                yield

    @contextlib.asynccontextmanager
    async def _working(self, node: NodeRun) -> AsyncIterator[continuation_pb2.OpenNode]:
        continuation = self.scope.run.continuation
        async with contextlib.AsyncExitStack() as stack:
            if continuation.is_draining:
                with node.waiting(lambda wait: wait.engine.CopyFrom(operations_pb2.EngineWait(work="continue as new"))):
                    progress = await stack.enter_async_context(continuation.working(node.id))
            else:
                progress = await stack.enter_async_context(continuation.working(node.id))
            yield progress

    def state(self) -> continuation_pb2.LevelState:
        """Return where the level stands, for the next run."""
        ended = [position for position, is_ended in enumerate(self._is_ended) if is_ended]
        return continuation_pb2.LevelState(
            parent_id=self.scope.parent_id,
            ended_with_outputs=[position for position in ended if not self._propagates_skip[position]],
            ended_without_outputs=[position for position in ended if self._propagates_skip[position]],
            outputs=self.outputs.ended(),
            failed=[
                continuation_pb2.FailedNode(
                    position=position, error=failure.error, timed_out=isinstance(failure, NodeTimedOut)
                )
                for position, failure in self._failures.items()
            ],
        )

    def request_continue_as_new(self, request: ContinueAsNewRequested) -> bool:
        """Leave the walk to the next run; False when it is ending anyway."""
        if self._done.done():
            return False
        self._done.set_exception(request)
        return True

    def _restore(self, state: continuation_pb2.LevelState) -> None:
        """Go on where the run before stood: first what was open there, then what was about to begin."""
        self.outputs.restore(state.outputs)
        for failed in state.failed:
            self._failures[failed.position] = NodeTimedOut() if failed.timed_out else NodeFailure(failed.error)
        for positions, skips in ((state.ended_with_outputs, False), (state.ended_without_outputs, True)):
            for position in positions:
                self._open -= 1
                self._is_ended[position] = True
                self._propagates_skip[position] = skips
                for successor in self._body.downstream[position]:
                    self._waiting[successor] -= 1
                    self._upstream_skipped[successor] |= skips
        ready = [position for position, left in enumerate(self._waiting) if left == 0 and not self._is_ended[position]]
        is_resumed = self.scope.run.state.is_resumed
        for position in sorted(ready, key=lambda n: not is_resumed(self.scope.node_id(self._body.nodes[n].id))):
            if self._begin(position):
                self._end(position, None)
        if self._open == 0:
            self._done.set_result(None)

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
                self._upstream_skipped[successor] |= values is None
                if self._waiting[successor] == 0 and self._begin(successor):
                    ended.append((successor, None))
        if self._open == 0 and not self._done.done():
            self._done.set_result(None)

    def _settle(self, position: int, values: Values | None) -> None:
        node = self._body.nodes[position]
        self._open -= 1
        self._is_ended[position] = True
        self._propagates_skip[position] = values is None
        if values is not None:
            self.outputs.add(node.id, values, {alias.alias: alias.var for alias in node.output_aliases})
            if position == END:
                self._result = values
        if position in self._ended:
            self._ended.pop(position).set_result(None)

    def _begin(self, position: int) -> bool:
        """Start a ready node; return True when it is skipped instead."""
        if self._stopping or self._failure is not None:
            return False
        if self._upstream_skipped[position]:
            node = node_run(self.scope, self._body.nodes[position])
            node.report(node.phase_event(Phase.SKIPPED))
            return True
        self._launch_queue.launch(position)
        return False

    def _start_task(self, position: int) -> None:
        self._tasks[position] = asyncio.create_task(self._run(position))

    async def _run(self, position: int) -> None:
        try:
            spec = self._body.nodes[position]
            values = await self.run_node(node_run(self.scope, spec, may_suspend=not spec.timeout.ToTimedelta()))
        except NodeSuspended as suspended:
            self._suspend(position, suspended)
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

    def _suspend(self, position: int, suspended: NodeSuspended) -> None:
        self._launch_queue.suspend(position, suspended)
        if self._stopping:
            self._launch_queue.discard(position, self._report_stopped)

    def _report_stopped(self, position: int, suspended: SuspendedNode) -> None:
        node = node_run(self.scope, self._body.nodes[position])
        suspended.report_aborted(node)
        self._report_aborted(node)

    def fail(self, failure: NodeFailure) -> None:
        """End the walk with ``failure``, whatever the policy."""
        if self._failure is None:
            self._failure = failure
            self._launch_queue.close()
        if not self._done.done():
            self._done.set_result(None)

    def _fail(self, position: int, failure: NodeFailure) -> None:
        if self._carries_on:
            self._failures[position] = failure
            self._end(position, None)
        else:
            self.fail(failure)

    @property
    def _carries_on(self) -> bool:
        # Flyte applies the policy of the top-level workflow to every level.
        return self.scope.run.graph.bodies[0].message.on_failure == CARRY_ON

    async def _stop(self) -> None:
        self._stopping = True
        # Asked whatever runs: that may hang on the order of callbacks, which is another one in another Python.
        tells = workflow.patched(TELLING_PATCH)
        self._launch_queue.close()
        try:
            if not self._launch_queue.is_empty:
                await cancellation.wait_until_done(
                    [asyncio.create_task(self._launch_queue.discard_all(self._report_stopped))]
                )
        finally:
            await self._stop_running(tells=tells)

    async def _stop_running(self, *, tells: bool) -> None:
        tasks: list[asyncio.Task[None] | asyncio.Task[Values]] = [
            self._tasks[position] for position in sorted(self._tasks)
        ]
        if self._failure_node is not None:
            tasks.append(self._failure_node)
        try:
            if tells:
                await self._have_due_nodes_begun()
        finally:
            await cancellation.cancel_and_wait(tasks, self.scope.run.workflow_task_budget)

    async def _have_due_nodes_begun(self) -> None:
        """Let nodes that were started in this very pass of the event loop begin, if there is something to tell of them.

        A task that is cancelled before it has begun does not run one line.
        """
        if any(self.scope.run.state.is_due(self._node_id(position)) for position in self._tasks):
            await cancellation.wait_until_done([asyncio.create_task(asyncio.sleep(0))])

    def _not_begun(self) -> Iterator[operations_pb2.Wait]:
        """Yield what the nodes of this level wait for that have not begun, or that are suspended."""
        for position, suspended in self._launch_queue.suspended.items():
            until, name = operations_pb2.TimerWait(until=suspended.until), self._body.nodes[position].name
            yield operations_pb2.Wait(node_id=self._node_id(position), name=name, since=suspended.since, timer=until)
        for position, left in enumerate(self._waiting):
            if left == 0 or self._is_ended[position]:
                continue
            node = self._body.nodes[position]
            before = [
                self._body.nodes[other].id for other in self._body.upstream[position] if not self._is_ended[other]
            ]
            ids = [self.scope.node_id(other) for other in before]
            yield operations_pb2.Wait(
                node_id=self.scope.node_id(node.id), name=node.name, nodes=operations_pb2.NodesWait(node_ids=ids)
            )


def _report_failure(node: NodeRun, failure: NodeFailure) -> None:
    event = node.phase_event(Phase.FAILED)
    event.error.CopyFrom(failure.error)
    if failure.checkpoint_uri:
        event.task_node_metadata.checkpoint_uri = failure.checkpoint_uri
    node.report(event)


def _engine_failure(node: NodeRun, error: BaseException) -> NodeFailure:
    """An activity gave up: infrastructure failed longer than its retries lasted, our code did, or a value is too large.

    What fails in a workflow below this one lies a layer deeper.
    """
    cause = error.__cause__ or error
    while isinstance(cause, exceptions.FailureError) and cause.__cause__ is not None:
        cause = cause.__cause__
    named = isinstance(cause, exceptions.ApplicationError) and cause.type
    if named == ValueTooLarge.__name__:
        return user_failure(named, f"node [{node.id}]: {cause}")
    return system_failure(named or type(cause).__name__, str(cause))
