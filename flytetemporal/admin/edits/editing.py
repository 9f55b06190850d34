"""Edit a running execution: check the request, record who asks, send the edit to the workflow, record its answer.

The workflow decides. What it refuses leaves no record; an edit without an answer stays recorded without a revision,
because it may have been applied.
"""

import re
import uuid

from flyteidl.admin import execution_pb2 as admin_execution_pb2
from sqlalchemy import select

from flytetemporal import errors
from flytetemporal.admin.base import execution_lookup, operator_actions, stored_messages, validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow, OperatorActionRow
from flytetemporal.admin.edits import changing, records, skipping
from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import edits_pb2
from flytetemporal.idl import phases

MAX_REASON_LENGTH = 4096
LISTED, MOST_LISTED = 100, 1000
_REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)


async def edit(deps: Dependencies, request: edits_pb2.EditRequest) -> edits_pb2.EditResponse:
    """Apply an edit to a running execution and return the execution's new revision.

    Raises:
        InvalidRequest: the edit asks for nothing, or for what cannot be.
        NotFound: the execution or the node does not exist.
        FailedPrecondition: the execution has ended, or the node is not in a state for this.
        Conflict: another edit came first.
        Unavailable: no worker answers; the edit may have been applied.
    """
    _check(request)
    async with deps.sessions() as session:
        row = await execution_lookup.execution(session, request.execution_id)
    record = await records.find(deps, row, request)
    if record is not None and record.revision:
        return edits_pb2.EditResponse(revision=record.revision)
    if record is None:  # Otherwise the workflow may have applied it before it ended, and its answer was lost.
        _check_runs(row)
    if not request.request_id:
        request.request_id = uuid.uuid4().hex
    command = await _command(deps, row, request)
    await _check_workers(deps, row)
    record = record or await records.add(deps, request)
    try:
        response = await deps.engine.edit(request.execution_id, command)
    except (errors.InvalidRequest, errors.NotFound, errors.FailedPrecondition, errors.Conflict):
        if record.is_new:
            await records.remove(deps, record)
        raise
    await records.answered(deps, record, response)
    return response


async def list_operator_actions(
    deps: Dependencies, request: edits_pb2.ListOperatorActionsRequest
) -> edits_pb2.ListOperatorActionsResponse:
    """List what operators did to an execution, newest first. Raises ``NotFound``."""
    execution_lookup.check_execution_id(request.execution_id, given=request.HasField("execution_id"))
    if request.limit > MOST_LISTED:
        raise errors.InvalidRequest(f"limit is {request.limit}; list at most {MOST_LISTED} actions at once")
    if request.token and not re.fullmatch(r"\d{1,18}", request.token, re.ASCII):
        raise errors.InvalidRequest("invalid value for token: pass the token of the page before")
    limit, row = request.limit or LISTED, OperatorActionRow
    async with deps.sessions() as session:
        execution = await execution_lookup.execution(session, request.execution_id)
        query = select(row).where(operator_actions.of_execution(execution))
        if request.token:
            query = query.where(row.id < int(request.token))
        rows = (await session.scalars(query.order_by(row.id.desc()).limit(limit))).all()
    token = str(rows[-1].id) if len(rows) == limit else ""
    return edits_pb2.ListOperatorActionsResponse(actions=[records.message(found) for found in rows], token=token)


def _check(request: edits_pb2.EditRequest) -> None:
    execution_lookup.check_execution_id(request.execution_id, given=request.HasField("execution_id"))
    validation.check_length(request.edited_by, "edited_by", validation.MAX_NAME_LENGTH)
    validation.check_length(request.reason, "reason", MAX_REASON_LENGTH)
    if request.request_id and not _REQUEST_ID.fullmatch(request.request_id):
        raise errors.InvalidRequest(
            "invalid value for request_id: give at most 128 letters, digits and characters of _.:-"
        )
    asked = records.asked(request)
    if "node_id" in asked.DESCRIPTOR.fields_by_name:
        validation.check_names(asked, "node_id")


def _check_runs(row: ExecutionRow) -> None:
    closure = stored_messages.parse(admin_execution_pb2.ExecutionClosure, row.closure)
    if closure.phase in phases.WORKFLOW_TERMINAL:
        phase = phases.W.Phase.Name(closure.phase)
        raise errors.FailedPrecondition(
            f"execution {row.execution_name} has ended ({phase}), so it cannot be edited; fork it to run a part again"
        )
    if closure.phase == phases.W.ABORTING:
        raise errors.FailedPrecondition(f"execution {row.execution_name} is being aborted, so it cannot be edited")


async def _command(deps: Dependencies, row: ExecutionRow, request: edits_pb2.EditRequest) -> edits_pb2.EditCommand:
    command = edits_pb2.EditCommand(request_id=request.request_id)
    if request.HasField("expected_revision"):
        command.expected_revision.CopyFrom(request.expected_revision)
    match request.WhichOneof("edit"):
        case "execution":
            command.execution.CopyFrom(request.execution)
        case "node":
            command.node.CopyFrom(await changing.command(deps, row, request.node))
        case "retry":
            command.retry.CopyFrom(request.retry)
        case _:
            command.skip.CopyFrom(await skipping.command(deps, row, request.skip))
    return command


async def _check_workers(deps: Dependencies, row: ExecutionRow) -> None:
    """Refuse at once what would only run into a timeout."""
    queue = workflows.engine_queue(row.cluster)
    if await deps.engine.pollers(queue, workflows_too=True) == 0:
        raise errors.Unavailable(
            f"no worker polls task queue {queue}, so execution {row.execution_name} cannot be edited: start one, then "
            "try again"
        )
