"""Node executions, as clients see them: one node, its data, its children, the workflow of a dynamic node."""

from collections.abc import Sequence

from flyteidl.admin import node_execution_pb2
from flyteidl.core import compiler_pb2, identifier_pb2
from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

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
from flytetemporal.admin.base.models import NodeExecutionRow
from flytetemporal.admin.events import event_rows
from flytetemporal.admin.executions import stored_data
from flytetemporal.db import filters
from flytetemporal.idl import phases

# The phase of a node that is known from an event of its task only. Clients fail on a node whose kind is
# unknown, so reads leave it out until its own event arrives.
_UNREPORTED = phases.N.Phase.Name(phases.N.UNDEFINED)


async def get(
    deps: Dependencies, request: node_execution_pb2.NodeExecutionGetRequest
) -> node_execution_pb2.NodeExecution:
    """Return a node execution."""
    execution_lookup.check_node_id(request.id)
    async with deps.sessions() as session:
        row = await _node(session, request.id)
        return (await _messages(session, [row]))[0]


async def list_node_executions(
    deps: Dependencies, request: node_execution_pb2.NodeExecutionListRequest
) -> node_execution_pb2.NodeExecutionList:
    """List the top-level nodes of an execution, or the children of the node ``unique_parent_id``."""
    validation.check_present(request, "workflow_execution_id")
    execution_lookup.check_execution_id(request.workflow_execution_id)
    page = list_requests.page(request, list_schemas.NODE_EXECUTION, "ListNodeExecutions")
    query = _of(request.workflow_execution_id).where(NodeExecutionRow.parent_node_id == request.unique_parent_id)
    async with deps.sessions() as session:
        if request.unique_parent_id:
            parent = identifier_pb2.NodeExecutionIdentifier(
                node_id=request.unique_parent_id, execution_id=request.workflow_execution_id
            )
            await _node(session, parent)
        else:
            query = query.where(NodeExecutionRow.parent_task_execution.is_(None))
        return await _list(session, page, query)


async def list_for_task(
    deps: Dependencies, request: node_execution_pb2.NodeExecutionForTaskListRequest
) -> node_execution_pb2.NodeExecutionList:
    """List the nodes whose parent is a task execution."""
    validation.check_present(request, "task_execution_id")
    execution_lookup.check_task_id(request.task_execution_id)
    page = list_requests.page(request, list_schemas.NODE_EXECUTION, "ListNodeExecutionsForTask")
    async with deps.sessions() as session:
        await execution_lookup.task(session, request.task_execution_id)
        query = _of(request.task_execution_id.node_execution_id.execution_id)
        return await _list(session, page, query.where(_made_by(request.task_execution_id)))


async def get_data(
    deps: Dependencies, request: node_execution_pb2.NodeExecutionGetDataRequest
) -> node_execution_pb2.NodeExecutionGetDataResponse:
    """Return the inputs and outputs of a node, and its compiled workflow if it is dynamic."""
    execution_lookup.check_node_id(request.id)
    async with deps.sessions() as session:
        row = await _node(session, request.id)
    closure = stored_messages.parse(node_execution_pb2.NodeExecutionClosure, row.closure)
    response = node_execution_pb2.NodeExecutionGetDataResponse(flyte_urls=stored_data.flyte_urls(request.id))
    await stored_data.add_inputs_and_outputs(deps, response, row.input_uri, closure)
    if closure.deck_uri:
        response.flyte_urls.deck = response.flyte_urls.inputs.removesuffix("i") + "d"
    if row.dynamic_workflow_remote_closure_reference:
        compiled = await _compiled(deps, row)
        response.dynamic_workflow.id.CopyFrom(compiled.primary.template.id)
        response.dynamic_workflow.compiled_workflow.CopyFrom(compiled)
        response.dynamic_workflow.dynamic_job_spec_uri = closure.dynamic_job_spec_uri
    return response


async def get_dynamic_workflow(
    deps: Dependencies, request: node_execution_pb2.GetDynamicNodeWorkflowRequest
) -> node_execution_pb2.DynamicNodeWorkflowResponse:
    """Return the compiled workflow of a dynamic node. Raises ``NotFound`` if the node is not dynamic."""
    execution_lookup.check_node_id(request.id)
    async with deps.sessions() as session:
        row = await _node(session, request.id)
    if not row.dynamic_workflow_remote_closure_reference:
        raise errors.NotFound("node does not contain dynamic workflow")
    return node_execution_pb2.DynamicNodeWorkflowResponse(compiled_workflow=await _compiled(deps, row))


def _of(execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> Select[NodeExecutionRow]:
    return select(NodeExecutionRow).where(
        execution_rows.of_execution(NodeExecutionRow, execution_id), NodeExecutionRow.phase != _UNREPORTED
    )


def _made_by(task: identifier_pb2.TaskExecutionIdentifier) -> ColumnElement[bool]:
    """Return the condition that an attempt of a dynamic task made a node.

    Events of our engine name the parent node, and the attempt as their retry group; those of older ones name the task.
    """
    metadata = node_execution_pb2.NodeExecutionMetaData(retry_group=str(task.retry_attempt)).SerializeToString()
    # The retry group is the first field of the stored message.
    of_attempt = func.substring(NodeExecutionRow.node_execution_metadata, 1, len(metadata)) == metadata
    return or_(
        NodeExecutionRow.parent_task_execution == event_rows.parent_task_key(task),
        and_(NodeExecutionRow.parent_node_id == task.node_execution_id.node_id, of_attempt),
    )


async def _node(session: AsyncSession, identifier: identifier_pb2.NodeExecutionIdentifier) -> NodeExecutionRow:
    row = await execution_lookup.node(session, identifier)
    if row.phase == _UNREPORTED:
        raise execution_lookup.missing_node(identifier)
    return row


async def _list(
    session: AsyncSession, page: filters.Page, query: Select[NodeExecutionRow]
) -> node_execution_pb2.NodeExecutionList:
    rows = (await session.scalars(page.apply(query))).all()
    shown = stored_messages.readable_rows(
        rows, _message, lambda nodes: node_execution_pb2.NodeExecutionList(node_executions=nodes)
    )
    found = await _messages(session, shown)
    for node in found:
        execution_rows.trim_error(node.closure)
    return node_execution_pb2.NodeExecutionList(node_executions=found, token=page.next_token(rows))


async def _compiled(deps: Dependencies, row: NodeExecutionRow) -> compiler_pb2.CompiledWorkflowClosure:
    uri = row.dynamic_workflow_remote_closure_reference
    return await stored_messages.load(deps.blobs, uri, compiler_pb2.CompiledWorkflowClosure)


def _message(row: NodeExecutionRow) -> node_execution_pb2.NodeExecution:
    return execution_rows.node_execution(row, execution_rows.execution_id(row))


async def _messages(session: AsyncSession, rows: Sequence[NodeExecutionRow]) -> list[node_execution_pb2.NodeExecution]:
    """Return the messages of nodes, which are all of one execution."""
    messages = [_message(row) for row in rows]
    # Events of version 0 do not say which nodes are parents, so Flyte looks for children on every read.
    unflagged = {
        message.id.node_id: message
        for message, row in zip(messages, rows, strict=True)
        if not (row.event_version or message.metadata.is_parent_node or message.metadata.is_dynamic)
    }
    if not unflagged:
        return messages
    execution_id, column = messages[0].id.execution_id, NodeExecutionRow.parent_node_id
    parents = await execution_rows.parents_among(session, execution_id, column, unflagged.keys())
    for row in rows:
        if row.node_id in parents:
            unflagged[row.node_id].metadata.is_parent_node = True
            unflagged[row.node_id].metadata.is_dynamic = bool(row.dynamic_workflow_remote_closure_reference)
    return messages
