"""Deliver recorded starts and aborts to Temporal.

Both are idempotent: the call that records one delivers it, and the sweeper delivers it again if that failed.
"""

import structlog
from flyteidl.core import identifier_pb2
from sqlalchemy import select

from flytetemporal import errors
from flytetemporal.admin.base import execution_rows, temporal_answers
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow
from flytetemporal.admin.executions import closing, launch_targets, pausing
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.idl import identifiers

# Codes of executions that cannot start; see docs/operations.md.
START_REFUSED = "StartRefused"
GRAPH_LOST = "GraphLost"
ARGUMENT_LOST = "StartArgumentLost"

_log = structlog.get_logger(__name__)


async def start(deps: Dependencies, argument: execution_pb2.ExecutionInput) -> bool:
    """Start an execution's workflow; return whether this call started it.

    The sweeper repeats a start that fails for a reason that can pass. For any other reason the execution fails here:
    its callers would wait for it for ever.
    """
    execution_id = argument.execution_id
    try:
        argument = await pausing.with_pauses(deps, argument)
        started = await deps.engine.start(await launch_targets.inline_graph(deps.blobs, argument))
    except errors.Unavailable as error:
        _log.warning("execution_not_started", execution=_text(execution_id), error=error.message)
        return False
    except errors.StartRefused as error:
        await fail(deps, execution_id, START_REFUSED, error.message)
        return False
    except errors.NotFound as error:
        await fail(deps, execution_id, GRAPH_LOST, f"the workflow's graph is gone from the store: {error.message}")
        return False
    await _catch_up(deps, execution_id, argument.pauses.revision)
    return started


async def fail(
    deps: Dependencies, execution_id: identifier_pb2.WorkflowExecutionIdentifier, code: str, text: str
) -> bool:
    """Record that an execution which cannot start has failed; return whether it was open."""
    _log.error("execution_cannot_start", execution=_text(execution_id), code=code, error=text)
    return await closing.close(deps, execution_id, temporal_answers.failed(code, text))


async def cancel(deps: Dependencies, execution_id: identifier_pb2.WorkflowExecutionIdentifier, reason: str) -> None:
    """Cancel the workflow of an execution whose abort is recorded; if none runs, close the execution at once.

    Raises:
        Unavailable: Temporal does not answer; the sweeper repeats the call.
    """
    try:
        await deps.engine.cancel(execution_id, reason)
    except (errors.NotFound, errors.InvalidRequest):  # No workflow can have an id that Temporal refuses.
        await closing.close_aborted(deps, execution_id)


async def _catch_up(
    deps: Dependencies, execution_id: identifier_pb2.WorkflowExecutionIdentifier, pause_revision: int
) -> None:
    """Cancel the workflow that was just started if its execution was aborted meanwhile; pause it if it was paused.

    The abort found no workflow to cancel if it came between the commit of the row and the start. So did a pause with a
    revision above that of the start argument.
    """
    query = select(ExecutionRow.phase, pausing.newest_revision())
    async with deps.sessions() as session:
        found = await session.execute(query.where(execution_rows.of_execution(ExecutionRow, execution_id)))
        phase, newest = found.one()
    if newest > pause_revision:
        await pausing.try_deliver(deps, execution_id)
    if phase in ("ABORTING", "ABORTED"):
        await try_cancel(deps, execution_id, "aborted before it started")


async def try_cancel(deps: Dependencies, execution_id: identifier_pb2.WorkflowExecutionIdentifier, reason: str) -> None:
    """Deliver a recorded abort; leave it to the sweeper if Temporal does not answer."""
    try:
        await cancel(deps, execution_id, reason)
    except errors.Unavailable as error:
        _log.warning("abort_not_delivered", execution=_text(execution_id), error=error.message)


def _text(execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> str:
    return ":".join(identifiers.execution_key(execution_id))
