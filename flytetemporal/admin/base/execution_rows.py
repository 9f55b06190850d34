"""What the rows of executions, nodes and tasks have in common: their key columns, ids and messages.

Lookup by id, with Flyte's errors, is in ``execution_lookup``.
"""

from collections.abc import Collection
from typing import Any, TypeVar

from flyteidl.admin import execution_pb2, node_execution_pb2, task_execution_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from flytetemporal.admin.base import stored_messages
from flytetemporal.admin.base.models import ExecutionRow, NodeExecutionRow, SignalRow, TaskExecutionRow
from flytetemporal.idl import identifiers
from flytetemporal.idl.identifiers import ExecutionKey

TRIMMED_ERROR_BYTES = 100

AnyRow = ExecutionRow | NodeExecutionRow | TaskExecutionRow | SignalRow
SelectedColumns = Row[*tuple[Any, ...]]
T = TypeVar("T", str, bytes | None)


def of_execution(
    row: type[ExecutionRow] | type[NodeExecutionRow] | type[TaskExecutionRow] | type[SignalRow],
    execution_id: identifier_pb2.WorkflowExecutionIdentifier,
) -> ColumnElement[bool]:
    """Return the condition that a row belongs to the execution."""
    project, domain, name = identifiers.execution_key(execution_id)
    return (row.execution_project == project) & (row.execution_domain == domain) & (row.execution_name == name)


def execution_key(row: AnyRow | SelectedColumns) -> ExecutionKey:
    """Return the key of the execution that the row belongs to."""
    return row.execution_project, row.execution_domain, row.execution_name


def execution_id(row: AnyRow | SelectedColumns) -> identifier_pb2.WorkflowExecutionIdentifier:
    """Return the id of the execution that the row belongs to."""
    return identifiers.execution_identifier(execution_key(row))


def node_execution(
    row: NodeExecutionRow | SelectedColumns, execution_id: identifier_pb2.WorkflowExecutionIdentifier
) -> node_execution_pb2.NodeExecution:
    """Return the message of a node execution. ``row`` has at least node id, input URI, closure and metadata."""
    message = node_execution_pb2.NodeExecution(
        id=identifier_pb2.NodeExecutionIdentifier(node_id=row.node_id, execution_id=execution_id),
        input_uri=row.input_uri,
    )
    stored_messages.merge(message.closure, row.closure)
    stored_messages.merge(message.metadata, row.node_execution_metadata)
    return message


def task_execution(
    row: TaskExecutionRow | SelectedColumns, execution_id: identifier_pb2.WorkflowExecutionIdentifier
) -> task_execution_pb2.TaskExecution:
    """Return the message of a task execution. ``row`` has at least node id, task id, attempt, input URI and closure."""
    entity = row.project, row.domain, row.name, row.version
    message = task_execution_pb2.TaskExecution(
        id=identifier_pb2.TaskExecutionIdentifier(
            task_id=identifiers.identifier(identifier_pb2.TASK, entity),
            node_execution_id=identifier_pb2.NodeExecutionIdentifier(node_id=row.node_id, execution_id=execution_id),
            retry_attempt=row.retry_attempt,
        ),
        input_uri=row.input_uri,
    )
    stored_messages.merge(message.closure, row.closure)
    return message


def trim_error(closure: execution_pb2.ExecutionClosure | node_execution_pb2.NodeExecutionClosure) -> None:
    """Cut the text of an error to its first 100 bytes, as Flyte's lists do."""
    text = closure.error.message.encode()
    if len(text) > TRIMMED_ERROR_BYTES:
        closure.error.message = text[:TRIMMED_ERROR_BYTES].decode(errors="ignore")


async def parents_among(
    session: AsyncSession,
    execution_id: identifier_pb2.WorkflowExecutionIdentifier,
    column: InstrumentedAttribute[T],
    candidates: Collection[T],
) -> set[T]:
    """Return those candidates that nodes of the execution name as their parent.

    ``column`` is the one in which a node row names its parent node or its parent task.
    """
    if not candidates:
        return set()
    query = select(column).where(of_execution(NodeExecutionRow, execution_id), column.in_(candidates)).distinct()
    return set(await session.scalars(query))
