"""Task executions, the attempts of a node, as clients see them: one, its data, all of a node."""

from collections.abc import Sequence

from flyteidl.admin import task_execution_pb2
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.base import (
    execution_lookup,
    execution_rows,
    list_requests,
    list_schemas,
    stored_messages,
    validation,
)
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import NodeExecutionRow, TaskExecutionRow
from flytetemporal.admin.events import event_rows
from flytetemporal.admin.executions import stored_data


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
    """List the attempts of a node. The list is empty if the node does not exist, as in Flyte."""
    validation.check_present(request, "node_execution_id")
    execution_lookup.check_node_id(request.node_execution_id)
    page = list_requests.page(request, list_schemas.TASK_EXECUTION, "ListTaskExecutions")
    query = select(TaskExecutionRow).where(
        execution_rows.of_execution(TaskExecutionRow, request.node_execution_id.execution_id),
        TaskExecutionRow.node_id == request.node_execution_id.node_id,
    )
    async with deps.sessions() as session:
        rows = (await session.scalars(page.apply(query))).all()
        shown = stored_messages.readable_rows(
            rows, _message, lambda attempts: task_execution_pb2.TaskExecutionList(task_executions=attempts)
        )
        found = await _messages(session, shown)
    return task_execution_pb2.TaskExecutionList(task_executions=found, token=page.next_token(rows))


async def get_data(
    deps: Dependencies, request: task_execution_pb2.TaskExecutionGetDataRequest
) -> task_execution_pb2.TaskExecutionGetDataResponse:
    """Return the inputs and outputs of an attempt."""
    execution_lookup.check_task_id(request.id)
    async with deps.sessions() as session:
        row = await execution_lookup.task(session, request.id)
    closure = stored_messages.parse(task_execution_pb2.TaskExecutionClosure, row.closure)
    response = task_execution_pb2.TaskExecutionGetDataResponse(
        flyte_urls=stored_data.flyte_urls(request.id.node_execution_id, request.id.retry_attempt)
    )
    await stored_data.add_inputs_and_outputs(deps, response, row.input_uri, closure)
    return response


def _message(row: TaskExecutionRow) -> task_execution_pb2.TaskExecution:
    return execution_rows.task_execution(row, execution_rows.execution_id(row))


async def _messages(session: AsyncSession, rows: Sequence[TaskExecutionRow]) -> list[task_execution_pb2.TaskExecution]:
    """Return the messages of attempts, which are all of one execution."""
    messages = [_message(row) for row in rows]
    if not messages:
        return []
    keys = [event_rows.parent_task_key(message.id) for message in messages]
    execution_id = messages[0].id.node_execution_id.execution_id
    column = NodeExecutionRow.parent_task_execution
    parents = await execution_rows.parents_among(session, execution_id, column, keys)
    for message, key in zip(messages, keys, strict=True):
        message.is_parent = key in parents
    return messages
