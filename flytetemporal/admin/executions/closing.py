"""Close executions whose workflow does not report their end: it was terminated, lost or never started."""

import contextlib
from datetime import UTC, datetime

from flyteidl.admin import execution_pb2 as admin_execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2
from flyteidl.event import event_pb2

from flytetemporal import errors
from flytetemporal.admin.base import execution_lookup
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.events import event_rows, group_rows
from flytetemporal.admin.outbox import event_log
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.idl import identifiers, phases, times
from flytetemporal.idl.progress import workflow_events

ExecutionId = identifier_pb2.WorkflowExecutionIdentifier


async def close(deps: Dependencies, execution_id: ExecutionId, outcome: execution_pb2.ExecutionOutcome) -> bool:
    """Record the end of an execution and of its open nodes and tasks; return whether it was open.

    An execution that is being aborted ends as ABORTED, whatever the outcome of its workflow.
    """
    async with deps.sessions.begin() as session:
        state = await event_rows.find_and_lock_execution(session, execution_id)
        if state is None or state.closure.phase in phases.WORKFLOW_TERMINAL:
            return False
        aborting = state.closure.phase == phases.W.ABORTING
        event = _event(execution_id, execution_pb2.ExecutionOutcome(phase=phases.W.ABORTED) if aborting else outcome)
        # A recorded abort has its cause already; an abort made in Temporal has it in the outcome only.
        if event.phase == phases.W.ABORTED and not aborting:
            state.closure.abort_metadata.cause = outcome.error.message
        workflow_events.advance(state.closure, event)
        await event_rows.store_executions(session, [(execution_id, state)])
        await event_log.record(session, deps.events, [event])
        await group_rows.close_open(session, {identifiers.execution_key(execution_id): state.closure})
    # After the commit: a parent that reads the child at once must find it ended.
    await _notify_parent(deps, execution_id, event)
    return True


async def _notify_parent(
    deps: Dependencies, execution_id: ExecutionId, event: event_pb2.WorkflowExecutionEvent
) -> None:
    """Signal the end to the execution that launched this one, in place of the workflow that can no longer do so."""
    async with deps.sessions() as session:
        row = await execution_lookup.execution(session, execution_id)
    metadata = admin_execution_pb2.ExecutionSpec.FromString(row.spec).metadata
    if not metadata.HasField("parent_node_execution"):
        return
    outcome = execution_pb2.ExecutionOutcome(phase=event.phase, output_uri=event.output_uri)
    if event.HasField("error"):
        outcome.error.CopyFrom(event.error)
    state = execution_pb2.ChildState(execution_id=execution_id, outcome=outcome)
    # A lost signal only costs time: the parent polls its children at long intervals.
    with contextlib.suppress(errors.NotFound, errors.Unavailable):
        await deps.engine.child_ended(metadata.parent_node_execution.execution_id, state)


async def close_aborted(deps: Dependencies, execution_id: ExecutionId) -> bool:
    """Record the end of an abort that no workflow reports; return whether the execution was open."""
    return await close(deps, execution_id, execution_pb2.ExecutionOutcome(phase=phases.W.ABORTED))


async def force(deps: Dependencies, execution_id: ExecutionId, cause: str) -> bool:
    """Terminate the workflow, without its cleanup, and close the execution; return whether it was open.

    Raises:
        Unavailable: Temporal does not answer.
    """
    with contextlib.suppress(
        errors.NotFound, errors.InvalidRequest
    ):  # No workflow runs, so there is only the row to close.
        await deps.engine.terminate(execution_id, cause)
    return await close_aborted(deps, execution_id)


def _event(execution_id: ExecutionId, outcome: execution_pb2.ExecutionOutcome) -> event_pb2.WorkflowExecutionEvent:
    event = event_pb2.WorkflowExecutionEvent(
        execution_id=execution_id, phase=outcome.phase, occurred_at=times.timestamp(datetime.now(UTC))
    )
    if outcome.phase == core_execution_pb2.WorkflowExecution.SUCCEEDED:
        event.output_uri = outcome.output_uri
    elif outcome.phase == core_execution_pb2.WorkflowExecution.FAILED:
        event.error.CopyFrom(outcome.error)
    return event
