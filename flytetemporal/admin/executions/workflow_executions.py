"""Workflow executions, as clients see them: read, list, archive, abort.

Launching is in ``launching``, metrics are in ``execution_metrics``; this module names their functions for the service.
"""

from datetime import UTC, datetime

from flyteidl.admin import common_pb2, execution_pb2
from sqlalchemy import select
from sqlalchemy.orm import defer

from flytetemporal import errors
from flytetemporal.admin.base import (
    execution_lookup,
    execution_rows,
    list_requests,
    list_schemas,
    stored_messages,
    validation,
)
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow
from flytetemporal.admin.executions import aborting, execution_metrics, launching, shared_reads, stored_data
from flytetemporal.idl import identifiers, phases, times

create = launching.create
relaunch = launching.relaunch
recover = launching.recover
get_metrics = execution_metrics.get_metrics
terminate = aborting.terminate


async def get(deps: Dependencies, request: execution_pb2.WorkflowExecutionGetRequest) -> execution_pb2.Execution:
    """Return an execution."""
    execution_lookup.check_execution_id(request.id, given=request.HasField("id"))
    row = await shared_reads.execution(deps.sessions, identifiers.execution_key(request.id))
    if row is None:
        raise execution_lookup.missing_execution(request.id)
    found = message(row)
    system = found.spec.metadata.system_metadata
    # As flyteadmin does for an execution that has no stored namespace.
    system.namespace = system.namespace or f"{request.id.project}-{request.id.domain}"
    return found


async def get_data(
    deps: Dependencies, request: execution_pb2.WorkflowExecutionGetDataRequest
) -> execution_pb2.WorkflowExecutionGetDataResponse:
    """Return the inputs and outputs of an execution; empty maps in place of what cannot be returned."""
    execution_lookup.check_execution_id(request.id, given=request.HasField("id"))
    async with deps.sessions() as session:
        row = await execution_lookup.execution(session, request.id)
    closure = stored_messages.parse(execution_pb2.ExecutionClosure, row.closure)
    response = execution_pb2.WorkflowExecutionGetDataResponse()
    await stored_data.add_inputs_and_outputs(deps, response, row.inputs_uri, closure)
    return response


async def list_executions(deps: Dependencies, request: common_pb2.ResourceListRequest) -> execution_pb2.ExecutionList:
    """List the executions of a project and domain, without archived ones unless a filter names the state."""
    validation.check_present(request.id, "project", "domain")
    page = list_requests.page(request, list_schemas.EXECUTION, "ListExecutions")
    query = select(ExecutionRow).where(
        ExecutionRow.execution_project == request.id.project, ExecutionRow.execution_domain == request.id.domain
    )
    if request.id.name:
        query = query.where(ExecutionRow.execution_name == request.id.name)
    if not page.filters_on("state"):
        query = query.where(ExecutionRow.state == execution_pb2.EXECUTION_ACTIVE)
    # No list shows the start argument, which holds settings and small inputs: tens of kB per row.
    query = query.options(defer(ExecutionRow.engine_input))
    async with deps.sessions() as session:
        rows = (await session.scalars(page.apply(query))).all()
    found = stored_messages.readable(rows, message, lambda listed: execution_pb2.ExecutionList(executions=listed))
    for execution in found:
        execution_rows.trim_error(execution.closure)
    return execution_pb2.ExecutionList(executions=found, token=page.next_token(rows))


async def update(
    deps: Dependencies, request: execution_pb2.ExecutionUpdateRequest
) -> execution_pb2.ExecutionUpdateResponse:
    """Archive an execution, or make it active again, in any phase."""
    execution_lookup.check_execution_id(request.id, given=request.HasField("id"))
    if request.state not in execution_pb2.ExecutionState.values():
        raise errors.InvalidRequest("invalid value for state")
    async with deps.sessions.begin() as session:
        row = await execution_lookup.locked_execution(session, request.id)
        closure = stored_messages.parse(execution_pb2.ExecutionClosure, row.closure)
        closure.state_change_details.CopyFrom(
            execution_pb2.ExecutionStateChangeDetails(
                state=request.state, occurred_at=times.timestamp(datetime.now(UTC))
            )
        )
        row.closure, row.state = closure.SerializeToString(), request.state
    return execution_pb2.ExecutionUpdateResponse()


def message(row: ExecutionRow | shared_reads.Found) -> execution_pb2.Execution:
    """Return an execution as clients read it."""
    found = execution_pb2.Execution(
        id=execution_rows.execution_id(row),
        spec=stored_messages.parse(execution_pb2.ExecutionSpec, row.spec),
        closure=stored_messages.parse(execution_pb2.ExecutionClosure, row.closure),
    )
    found.spec.ClearField("inputs")
    if found.closure.phase == phases.W.ABORTED and found.closure.WhichOneof("output_result") is None:
        found.closure.abort_metadata.cause = row.abort_cause
    return found
