"""One node from its inputs to its last event: slot, admission, phases, active deadline, report of the failure.

What happens between QUEUED and the end depends on the node's kind and is done by ``nodes/``.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

from flyteidl.core import execution_pb2 as core_execution_pb2
from temporalio import exceptions

from flytetemporal.contracts.v1 import continuation_pb2, execution_pb2, operations_pb2
from flytetemporal.errors import ResolutionFailed, ValueTooLarge
from flytetemporal.workflows import attempts, cancellation
from flytetemporal.workflows import inputs as node_inputs
from flytetemporal.workflows.abort import Abort
from flytetemporal.workflows.inputs import Outputs
from flytetemporal.workflows.node import holding
from flytetemporal.workflows.node import run as runs
from flytetemporal.workflows.node.node_run import NodeRun, Phase
from flytetemporal.workflows.node.outcomes import (
    UNKNOWN,
    NodeFailure,
    NodeTimedOut,
    Values,
    execution_error,
    system_failure,
    timed_out,
    user_failure,
)

# Kinds that count towards max_parallelism.
COUNTED = ("task", "array", "launch_plan")

Kind: TypeAlias = Callable[[NodeRun, execution_pb2.NodeInputs], Awaitable[Values]]
"""Runs a node by its kind and reports its phases between QUEUED and failure."""


async def run_node(node: NodeRun, sources: Outputs, run_kind: Kind, abort: Abort) -> Values:
    """Run one node and return its outputs; ``sources`` are the outputs that it may bind to.

    Raises:
        NodeFailure: the node failed, and its FAILED event has been reported.
        asyncio.CancelledError: the node was stopped. If it had started, its ABORTED event has been reported.
        NodeSuspended: the node sleeps on without this coroutine.
    """
    if not node.scope.run.state.is_due(node.id):  # A node that the previous run has started waits at its next step.
        await node.wait_for_resume()
    # First the slot, then admission: a node that waits for a slot does not count as open and delays no drain.
    async with _slot(node), _admitted(node) as progress:
        if not progress.HasField("began_at"):
            await node.wait_for_resume()  # It was paused while it waited for admission.
        skip = node.scope.run.edits.take_skip(node.id) if not progress.HasField("held") else None
        if skip is not None:
            return holding.skipped(node, skip)
        recovered = await _recovered(node)
        if recovered is not None:
            return recovered
        while True:
            try:
                return await _run_admitted(node, sources, run_kind, abort)
            except _Failed as failed:
                outputs = await _end(node, failed, abort)
            if outputs is not None:
                return outputs


async def _recovered(node: NodeRun) -> Values | None:
    """Return the outputs that the node had in the execution that is recovered, by reference, or None if it must run."""
    recovery = node.scope.run.recovery
    # end-node has no outputs of its own to refer to, and costs nothing.
    if not recovery.is_active or node.progress.HasField("began_at") or node.node.WhichOneof("target") == "end":
        return None
    with node.waiting(lambda wait: wait.engine.CopyFrom(operations_pb2.EngineWait(work="recovery"))):
        earlier = await recovery.find(node.scope.parent_id, node.id, node.node.id)
    if recovery.is_stranger(node.id):
        node.progress.is_stranger = True
    if not earlier.has_outputs:
        return None
    event = node.phase_event(Phase.RECOVERED)
    event.input_uri, event.output_uri, event.deck_uri = earlier.input_uri, earlier.output_uri, earlier.deck_uri
    if earlier.HasField("child"):
        event.workflow_node_metadata.execution_id.CopyFrom(earlier.child)
    elif node.node.WhichOneof("target") == "task":
        event.task_node_metadata.SetInParent()
    node.report(event)
    return Values(None, earlier.output_uri)


class _Failed(Exception):
    """A node has failed, which is not reported yet. ``phase`` is that in which it ends."""

    def __init__(self, failure: NodeFailure, phase: core_execution_pb2.NodeExecution.Phase = Phase.FAILED) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.phase = phase


async def _end(node: NodeRun, failed: _Failed, abort: Abort) -> Values | None:
    """End a node that has failed, or hold it; return the outputs that an operator gave it, None if it runs again.

    Raises:
        NodeFailure: it ends, and its end has been reported.
    """
    failure = failed.failure
    try:
        # A node that is being stopped is not cancelled a second time, so nothing would end its wait.
        if holding.may_hold(node) and not cancellation.is_cancelled():
            return await holding.decided(node, failure, timed_out=failed.phase == Phase.TIMED_OUT)
    except NodeFailure:
        pass  # The run no longer holds it.
    except asyncio.CancelledError:
        report_aborted(node, abort)
        raise
    _report_failure(node, failure, failed.phase)
    failure.checkpoint_uri = ""  # It is this node's. The nodes above report the same failure.
    raise failure


async def _run_admitted(node: NodeRun, sources: Outputs, run_kind: Kind, abort: Abort) -> Values:
    progress = node.progress
    if progress.HasField("held"):  # By the previous run.
        held = progress.held
        kind, phase = (NodeTimedOut, Phase.TIMED_OUT) if held.timed_out else (NodeFailure, Phase.FAILED)
        raise _Failed(kind(held.error, checkpoint_uri=held.checkpoint_uri), phase)
    try:
        inputs = sources.resolve(node.node.inputs)
    except ResolutionFailed as e:
        raise _Failed(node_inputs.binding_failure(e)) from e
    if not progress.HasField("began_at"):  # The previous run has reported a node that it started.
        progress.began_at.CopyFrom(runs.now())
        _report_queued(node)
    return await _run_queued(node, inputs, run_kind, abort)


def _report_queued(node: NodeRun) -> None:
    event = node.phase_event(Phase.QUEUED)
    # A dynamic node whose workflow is taken up runs no attempt, which would write its inputs.
    if node.earlier.futures_uri and node.earlier.input_uri:
        event.input_uri = node.earlier.input_uri
    node.report(event)


async def _run_queued(node: NodeRun, inputs: execution_pb2.NodeInputs, run_kind: Kind, abort: Abort) -> Values:
    limit = attempts.node_limit(node)
    try:
        return await node.clock.within(limit, run_kind(node, inputs))
    except NodeFailure as failure:
        raise _Failed(failure) from failure
    except TimeoutError as e:
        raise _Failed(timed_out(node.id, limit, node.timeout), Phase.TIMED_OUT) from e
    except (asyncio.CancelledError, exceptions.FailureError) as e:
        # An activity that is cancelled raises a FailureError of its own kind, or any other if it fails as it stops.
        if not exceptions.is_cancelled_exception(e) and not cancellation.is_cancelled():
            raise _Failed(_engine_failure(node, e)) from e
        report_aborted(node, abort)
        raise asyncio.CancelledError from e


@contextlib.asynccontextmanager
async def _slot(node: NodeRun) -> AsyncIterator[None]:
    """Hold one of the ``max_parallelism`` slots if the kind of the node counts."""
    slots = node.scope.run.parallelism
    if node.node.WhichOneof("target") not in COUNTED:
        yield
    elif slots.is_free:
        async with slots.held(node.id):
            yield
    else:
        async with contextlib.AsyncExitStack() as stack:
            while True:
                with node.waiting(lambda wait: wait.slot.CopyFrom(slots.wait())):
                    await stack.enter_async_context(slots.held(node.id))
                if node.pause is None or node.is_resumed:
                    break
                # It was paused while it waited for the slot, which others can use in the meantime.
                await stack.aclose()
                await node.wait_for_resume()
            yield


@contextlib.asynccontextmanager
async def _admitted(node: NodeRun) -> AsyncIterator[continuation_pb2.OpenNode]:
    """Run the block when the node may start; until then, a query answers that the node waits for the drain."""
    continuation = node.scope.run.continuation
    async with contextlib.AsyncExitStack() as stack:
        if continuation.is_draining:
            with node.waiting(lambda wait: wait.engine.CopyFrom(operations_pb2.EngineWait(work="continue as new"))):
                progress = await stack.enter_async_context(continuation.working(node.id))
        else:
            progress = await stack.enter_async_context(continuation.working(node.id))
        yield progress


def report_aborted(node: NodeRun, abort: Abort) -> None:
    """Report that a node was stopped, and why."""
    event = node.phase_event(Phase.ABORTED)
    event.error.CopyFrom(execution_error("NodeAborted", abort.reason, UNKNOWN))
    event.deck_uri = node.progress.deck_uri
    node.report(event)


def _report_failure(
    node: NodeRun,
    failure: NodeFailure,
    phase: core_execution_pb2.NodeExecution.Phase = Phase.FAILED,
) -> None:
    event = node.phase_event(phase)
    event.error.CopyFrom(failure.error)
    event.deck_uri = node.progress.deck_uri
    if failure.checkpoint_uri:
        event.task_node_metadata.checkpoint_uri = failure.checkpoint_uri
    node.report(event)


def _engine_failure(node: NodeRun, error: BaseException) -> NodeFailure:
    """Return the failure of a node whose activity failed: retries exhausted, a bug, or a value that is too large."""
    cause = error.__cause__ or error
    # What fails in a child workflow, such as that of an array shard, is wrapped in one failure more.
    while isinstance(cause, exceptions.FailureError) and cause.__cause__ is not None:
        cause = cause.__cause__
    named = isinstance(cause, exceptions.ApplicationError) and cause.type
    if named == ValueTooLarge.__name__:
        return user_failure(named, f"node [{node.id}]: {cause}")
    return system_failure(named or type(cause).__name__, str(cause))
