"""Lookup of executions, nodes and task executions by id, with Flyte's error texts."""

from flyteidl.core import identifier_pb2
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.base import validation
from flytetemporal.admin.base.models import ExecutionRow, NodeExecutionRow, TaskExecutionRow
from flytetemporal.idl import identifiers


def check_execution_id(identifier: identifier_pb2.WorkflowExecutionIdentifier, *, given: bool = True) -> None:
    """Refuse an incomplete id. ``given``: the request has the field at all. Raises ``InvalidRequest``."""
    if not given:
        raise validation.missing("id")
    validation.check_present(identifier, "project", "domain", "name")


def check_node_id(identifier: identifier_pb2.NodeExecutionIdentifier) -> None:
    """Refuse an incomplete id. Raises ``InvalidRequest``."""
    validation.check_present(identifier, "execution_id", "node_id")
    check_execution_id(identifier.execution_id)


def check_task_id(identifier: identifier_pb2.TaskExecutionIdentifier) -> None:
    """Refuse an incomplete id, and one whose entity is not a task. Raises ``InvalidRequest``."""
    validation.check_present(identifier, "task_id", "node_execution_id")
    check_node_id(identifier.node_execution_id)
    task = identifier.task_id
    if task.resource_type not in (identifier_pb2.TASK, identifier_pb2.UNSPECIFIED):
        kind = identifiers.resource_type_name(task.resource_type).lower()
        raise errors.InvalidRequest(
            f"unexpected resource type {kind} for identifier [{identifiers.text(task)}], expected task instead"
        )
    validation.check_present(task, "project", "domain", "name", "version")


def missing_execution(identifier: identifier_pb2.WorkflowExecutionIdentifier) -> errors.NotFound:
    """Return the error of an execution that does not exist."""
    return errors.NotFound(f"missing entity of type execution with identifier {identifiers.execution_text(identifier)}")


def missing_node(identifier: identifier_pb2.NodeExecutionIdentifier) -> errors.NotFound:
    """Return the error of a node execution that does not exist."""
    return errors.NotFound(f"missing entity of type node execution with identifier {identifiers.node_text(identifier)}")


def missing_task(identifier: identifier_pb2.TaskExecutionIdentifier) -> errors.NotFound:
    """Return the error of a task execution that does not exist."""
    return errors.NotFound(f"missing entity of type task execution with identifier {identifiers.task_text(identifier)}")


async def find_execution(
    session: AsyncSession, identifier: identifier_pb2.WorkflowExecutionIdentifier
) -> ExecutionRow | None:
    """Return the row of an execution; None if there is none."""
    return await session.get(ExecutionRow, identifiers.execution_key(identifier))


async def execution(session: AsyncSession, identifier: identifier_pb2.WorkflowExecutionIdentifier) -> ExecutionRow:
    """Return the row of an execution. Raises ``NotFound``."""
    row = await find_execution(session, identifier)
    if row is None:
        raise missing_execution(identifier)
    return row


async def locked_execution(
    session: AsyncSession, identifier: identifier_pb2.WorkflowExecutionIdentifier
) -> ExecutionRow:
    """Return the row of an execution, locked until the transaction ends. Raises ``NotFound``.

    Events, aborts and the sweeper change the same row; the lock puts them in one order.
    """
    key = identifiers.execution_key(identifier)
    row = await session.get(ExecutionRow, key, with_for_update=True)
    if row is None:
        raise missing_execution(identifier)
    return row


async def find_node(
    session: AsyncSession, identifier: identifier_pb2.NodeExecutionIdentifier
) -> NodeExecutionRow | None:
    """Return the row of a node execution; None if there is none."""
    key = (*identifiers.execution_key(identifier.execution_id), identifier.node_id)
    return await session.get(NodeExecutionRow, key)


async def node(session: AsyncSession, identifier: identifier_pb2.NodeExecutionIdentifier) -> NodeExecutionRow:
    """Return the row of a node execution. Raises ``NotFound``."""
    row = await find_node(session, identifier)
    if row is None:
        raise missing_node(identifier)
    return row


async def task(session: AsyncSession, identifier: identifier_pb2.TaskExecutionIdentifier) -> TaskExecutionRow:
    """Return the row of a task execution. Raises ``NotFound``."""
    node_id = identifier.node_execution_id
    key = (
        *identifiers.execution_key(node_id.execution_id),
        node_id.node_id,
        *identifiers.entity_key(identifier.task_id),
        identifier.retry_attempt,
    )
    row = await session.get(TaskExecutionRow, key)
    if row is None:
        raise missing_task(identifier)
    return row
