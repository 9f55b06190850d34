"""Abort executions, with those that they have launched."""

import contextlib

import structlog
from flyteidl.admin import execution_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.base import execution_lookup, stored_messages
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow, ExecutionTagRow, is_open
from flytetemporal.admin.concurrency import places
from flytetemporal.admin.executions import delivery
from flytetemporal.idl import identifiers, naming, phases

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def terminate(
    deps: Dependencies, request: execution_pb2.ExecutionTerminateRequest
) -> execution_pb2.ExecutionTerminateResponse:
    """Record an abort, then cancel the workflow. The workflow reports the end once its nodes have stopped."""
    # Row first: if admin dies in between, the sweeper delivers the recorded abort. The reverse order could stop an
    # execution without a record of who stopped it and why.
    await record_abort(deps, request)
    await delivery.try_cancel(deps, request.id, request.cause)
    await abort_children(deps, request.id)
    return execution_pb2.ExecutionTerminateResponse()


async def record_abort(deps: Dependencies, request: execution_pb2.ExecutionTerminateRequest) -> None:
    """Set an execution to ABORTING and record the cause.

    Raises:
        NotFound: the execution does not exist.
        AlreadyTerminal: the execution has ended.
    """
    execution_lookup.check_execution_id(request.id, given=request.HasField("id"))
    async with deps.sessions.begin() as session:
        await set_aborting(session, request.id, request.cause)


async def set_aborting(
    session: AsyncSession, execution_id: identifier_pb2.WorkflowExecutionIdentifier, cause: str
) -> None:
    """Do as ``record_abort``, in a transaction of the caller's."""
    # The lock keeps events out: an end that is being reported is stored before this read or after the abort.
    row = await execution_lookup.locked_execution(session, execution_id)
    closure = stored_messages.parse(execution_pb2.ExecutionClosure, row.closure)
    if closure.phase in phases.WORKFLOW_TERMINAL:
        raise phases.already_ended(phases.W.Phase.Name(closure.phase))
    closure.phase = phases.W.ABORTING
    closure.abort_metadata.cause = cause
    row.phase, row.abort_cause, row.closure = "ABORTING", cause, closure.SerializeToString()
    await places.leave(session, execution_id)


async def abort_children(deps: Dependencies, parent: identifier_pb2.WorkflowExecutionIdentifier) -> None:
    """Abort what an eager workflow has launched: its task is killed and no longer can.

    Children of launch plan nodes are left to the workflow of their parent, which waits for their ends. Children that
    are launched after this are found by the sweeper.
    """
    child, tag = ExecutionRow, ExecutionTagRow
    project, domain, name = identifiers.execution_key(parent)
    query = (
        select(child.execution_name)
        .join(
            tag,
            and_(
                child.execution_project == tag.execution_project,
                child.execution_domain == tag.execution_domain,
                child.execution_name == tag.execution_name,
            ),
        )
        .where(
            tag.execution_project == project,
            tag.execution_domain == domain,
            tag.key == naming.EAGER_LABEL,
            tag.value == name,
            child.execution_name != name,
            is_open(child, or_aborting=False),
        )
    )
    async with deps.sessions() as session:
        children = (await session.scalars(query)).all()
    for child_name in children:
        child_id = identifiers.execution_identifier((project, domain, child_name))
        # One that has ended since, or whose row is damaged, must not keep the others running.
        with contextlib.suppress(errors.FailedPrecondition, errors.NotFound):
            await terminate(deps, execution_pb2.ExecutionTerminateRequest(id=child_id, cause=cascade(name)))


def cascade(parent_name: str) -> str:
    """Return the cause of an abort that follows from that of a parent."""
    return f"cascading abort as parent execution id [{parent_name}] has ended"
