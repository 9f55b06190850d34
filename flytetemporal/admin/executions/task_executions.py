"""Task executions: the attempts of a node."""

from collections.abc import Sequence

from flyteidl.admin import common_pb2, task_execution_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.base import execution_lookup, list_schemas, validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import NodeExecutionRow, TaskExecutionRow
from flytetemporal.admin.events import event_rows
from flytetemporal.admin.executions import stored_data
from flytetemporal.db import filters
from flytetemporal.idl import identifiers


async def get(
    deps: Dependencies, request: task_execution_pb2.TaskExecutionGetRequest
) -> task_execution_pb2.TaskExecution:
    """Return a task execution."""
    execution_lookup.check_task_id(request.id)
    async with deps.sessions() as session:
        row = await execution_lookup.task(session, request.id)
        return (await _messages(session, [row]))[0]


async def list_task_executions(
    deps: Dependencies, request: task_execution_pb2.TaskExecutionListRequest
) -> task_execution_pb2.TaskExecutionList:
    """List the attempts of a node; an unknown node has none."""
    validation.check_present(request, "node_execution_id")
    execution_lookup.check_node_id(request.node_execution_id)
    page = filters.page(
        limit=request.limit,
        token=request.token,
        filters=request.filters,
        sort_by=request.sort_by,
        entity=list_schemas.TASK_EXECUTION,
        method="ListTaskExecutions",
    )
    project, domain, name = identifiers.execution_key(request.node_execution_id.execution_id)
    query = select(TaskExecutionRow).where(
        TaskExecutionRow.execution_project == project,
        TaskExecutionRow.execution_domain == domain,
        TaskExecutionRow.execution_name == name,
        TaskExecutionRow.node_id == request.node_execution_id.node_id,
    )
    async with deps.sessions() as session:
        rows = (await session.scalars(page.apply(query))).all()
        found = await _messages(session, rows)
    return task_execution_pb2.TaskExecutionList(task_executions=found, token=page.next_token(rows))


async def get_data(
    deps: Dependencies, request: task_execution_pb2.TaskExecutionGetDataRequest
) -> task_execution_pb2.TaskExecutionGetDataResponse:
    """Return the inputs and outputs of an attempt."""
    execution_lookup.check_task_id(request.id)
    async with deps.sessions() as session:
        row = await execution_lookup.task(session, request.id)
    closure = task_execution_pb2.TaskExecutionClosure.FromString(row.closure)
    inputs, outputs = await stored_data.inputs_and_outputs(deps, row.input_uri, closure)
    return task_execution_pb2.TaskExecutionGetDataResponse(
        inputs=common_pb2.UrlBlob(),
        outputs=common_pb2.UrlBlob(),
        full_inputs=inputs,
        full_outputs=outputs,
        flyte_urls=stored_data.flyte_urls(request.id.node_execution_id, request.id.retry_attempt),
    )


async def _messages(session: AsyncSession, rows: Sequence[TaskExecutionRow]) -> list[task_execution_pb2.TaskExecution]:
    messages = [_message(row) for row in rows]
    keys = [event_rows.parent_task_key(message.id) for message in messages]
    parents = await _parents(session, rows, keys)
    for message, key in zip(messages, keys, strict=True):
        message.is_parent = key in parents
    return messages


def _message(row: TaskExecutionRow) -> task_execution_pb2.TaskExecution:
    execution = row.execution_project, row.execution_domain, row.execution_name
    entity = row.project, row.domain, row.name, row.version
    return task_execution_pb2.TaskExecution(
        id=identifier_pb2.TaskExecutionIdentifier(
            task_id=identifiers.identifier(identifier_pb2.TASK, entity),
            node_execution_id=identifier_pb2.NodeExecutionIdentifier(
                node_id=row.node_id, execution_id=identifiers.execution_identifier(execution)
            ),
            retry_attempt=row.retry_attempt,
        ),
        input_uri=row.input_uri,
        closure=task_execution_pb2.TaskExecutionClosure.FromString(row.closure),
    )


async def _parents(session: AsyncSession, rows: Sequence[TaskExecutionRow], keys: Sequence[bytes]) -> set[bytes]:
    """Return the ids of those attempts, all of one execution, that node executions name as their parent."""
    if not rows:
        return set()
    row = NodeExecutionRow
    query = (
        select(row.parent_task_execution)
        .where(
            row.execution_project == rows[0].execution_project,
            row.execution_domain == rows[0].execution_domain,
            row.execution_name == rows[0].execution_name,
            row.parent_task_execution.in_(keys),
        )
        .distinct()
    )
    return {key for key in await session.scalars(query) if key is not None}
