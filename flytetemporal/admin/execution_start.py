"""Start what is recorded, stop what is being aborted; both may be repeated at will."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog
from flyteidl.core import identifier_pb2
from flyteidl.event import event_pb2
from sqlalchemy import func, select

from flytetemporal import errors
from flytetemporal.admin import event_batches, event_rows, launch_targets
from flytetemporal.admin.dependencies import Dependencies
from flytetemporal.admin.models import ExecutionRow
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.idl import identifiers, phases, times, workflow_progress
from flytetemporal.idl.identifiers import ExecutionKey

_log = structlog.get_logger(__name__)
_PAGE = 200
_AT_ONCE = 8


async def start(deps: Dependencies, argument: execution_pb2.ExecutionInput) -> bool:
    """Start an execution's workflow; return whether Temporal has it. What fails here is repeated by the sweep."""
    execution_id = argument.execution_id
    try:
        await deps.engine.start(await launch_targets.inline_graph(deps.blobs, argument))
    except (errors.Unavailable, errors.NotFound) as error:
        _log.warning("execution_not_started", execution=_text(execution_id), error=error.message)
        return False
    await _stop_if_aborted(deps, execution_id)
    return True


async def cancel(deps: Dependencies, execution_id: identifier_pb2.WorkflowExecutionIdentifier, reason: str) -> None:
    """Ask a recorded abort of the engine; where nothing runs, the execution is closed at once.

    Raises:
        Unavailable: Temporal does not answer; the sweep repeats it.
    """
    try:
        await deps.engine.cancel(execution_id, reason)
    except errors.NotFound:
        await close_aborted(deps, execution_id)


async def close_aborted(deps: Dependencies, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> None:
    """Record the end of an abort that no workflow will report."""
    key = identifiers.execution_key(execution_id)
    event = event_pb2.WorkflowExecutionEvent(
        execution_id=execution_id, phase=phases.W.ABORTED, occurred_at=times.timestamp(datetime.now(UTC))
    )
    async with deps.sessions.begin() as session:
        state = await event_rows.lock_execution(session, key)
        if state is not None and workflow_progress.advance(state.closure, event):
            await event_rows.store_execution(session, key, state)
            await event_batches.close_open(session, key, state.closure)


async def start_pending(deps: Dependencies, *, min_age: timedelta = timedelta(0)) -> int:
    """Start every execution that nobody started and abort again what is being aborted; return how many there were.

    ``min_age`` leaves young rows to the call that is starting them.
    """
    count, after = 0, 0
    while page := await _pending(deps, after, min_age):
        gate = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(_repair(deps, gate, row) for row in page))
        count, after = count + len(page), page[-1].id
    return count


async def _pending(deps: Dependencies, after: int, min_age: timedelta) -> Sequence[ExecutionRow]:
    query = (
        select(ExecutionRow)
        .where(
            ExecutionRow.phase.in_(("UNDEFINED", "ABORTING")),
            ExecutionRow.id > after,
            ExecutionRow.created_at <= func.now() - min_age,
        )
        .order_by(ExecutionRow.id)
        .limit(_PAGE)
    )
    async with deps.sessions() as session:
        return (await session.scalars(query)).all()


async def _repair(deps: Dependencies, gate: asyncio.Semaphore, row: ExecutionRow) -> None:
    execution_id = identifiers.execution_identifier(_key(row))
    async with gate:
        if row.phase == "ABORTING":
            await _try_cancel(deps, execution_id, row.abort_cause)
        elif row.engine_input is not None:
            await start(deps, execution_pb2.ExecutionInput.FromString(row.engine_input))


async def _stop_if_aborted(deps: Dependencies, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> None:
    """Stop the workflow again when its execution was aborted while it was being started."""
    row = ExecutionRow
    project, domain, name = identifiers.execution_key(execution_id)
    query = select(row.phase).where(
        row.execution_project == project, row.execution_domain == domain, row.execution_name == name
    )
    async with deps.sessions() as session:
        phase = (await session.execute(query)).scalar_one()
    if phase in ("ABORTING", "ABORTED"):
        await _try_cancel(deps, execution_id, "aborted before it started")


async def _try_cancel(
    deps: Dependencies, execution_id: identifier_pb2.WorkflowExecutionIdentifier, reason: str
) -> None:
    try:
        await cancel(deps, execution_id, reason)
    except errors.Unavailable as error:
        _log.warning("abort_not_delivered", execution=_text(execution_id), error=error.message)


def _key(row: ExecutionRow) -> ExecutionKey:
    return row.execution_project, row.execution_domain, row.execution_name


def _text(execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> str:
    return ":".join(identifiers.execution_key(execution_id))
