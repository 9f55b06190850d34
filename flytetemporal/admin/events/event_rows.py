"""The rows that events change: loaded together, merged in memory, stored together.

Whoever loads node or task rows here to change them holds the lock of their execution (``lock_execution``), so rows are
never written by two at a time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flyteidl.admin import execution_pb2, node_execution_pb2, task_execution_pb2
from flyteidl.core import catalog_pb2, identifier_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from google.protobuf import timestamp_pb2
from google.protobuf.message import Message
from sqlalchemy import ColumnElement, Table, Text, any_, func, literal, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.base.models import ExecutionRow, NodeExecutionRow, TaskExecutionRow
from flytetemporal.idl import identifiers, phases, times
from flytetemporal.idl.identifiers import EntityKey, ExecutionKey

TaskKey = tuple[str, EntityKey, int]
"""Node id, task and attempt: one task execution within an execution."""

_NODE_TERMINAL = [phases.N.Phase.Name(phase) for phase in sorted(phases.NODE_TERMINAL)]
_TASK_TERMINAL = [phases.T.Phase.Name(phase) for phase in sorted(phases.TASK_TERMINAL)]


@dataclass(slots=True)
class ExecutionState:
    """What events change of an execution."""

    closure: execution_pb2.ExecutionClosure
    cluster: str
    changed: bool = False


@dataclass(slots=True)
class NodeState:
    """What events change of a node execution."""

    execution: node_execution_pb2.NodeExecution
    parent_node_id: str = ""
    parent_task: bytes | None = None
    dynamic_closure_uri: str = ""
    event_version: int = 0
    changed: bool = False


@dataclass(slots=True)
class TaskState:
    """What events change of a task execution."""

    execution: task_execution_pb2.TaskExecution
    phase_version: int = 0
    changed: bool = False


def task_key(identifier: identifier_pb2.TaskExecutionIdentifier) -> TaskKey:
    """Return the key of a task execution within its execution."""
    return (
        identifier.node_execution_id.node_id,
        identifiers.entity_key(identifier.task_id),
        identifier.retry_attempt,
    )


def parent_task_key(identifier: identifier_pb2.TaskExecutionIdentifier) -> bytes:
    """Return the form in which node rows name the task execution they belong to; equal for equal ids."""
    node_id, entity, attempt = task_key(identifier)
    normal = identifier_pb2.TaskExecutionIdentifier(
        task_id=identifiers.identifier(identifier_pb2.TASK, entity),
        node_execution_id=identifier_pb2.NodeExecutionIdentifier(
            node_id=node_id, execution_id=identifier.node_execution_id.execution_id
        ),
        retry_attempt=attempt,
    )
    return normal.SerializeToString(deterministic=True)


async def lock_execution(session: AsyncSession, key: ExecutionKey) -> ExecutionState | None:
    """Load an execution and keep all other writers of it and of its nodes and tasks out; None when it is not there."""
    query = select(ExecutionRow.closure, ExecutionRow.cluster).where(*_of(ExecutionRow, key)).with_for_update()
    row = (await session.execute(query)).one_or_none()
    return None if row is None else ExecutionState(execution_pb2.ExecutionClosure.FromString(row.closure), row.cluster)


async def store_execution(session: AsyncSession, key: ExecutionKey, state: ExecutionState) -> None:
    """Store what events changed of an execution."""
    closure = state.closure
    columns: dict[str, Any] = {
        "phase": phases.W.Phase.Name(closure.phase),
        "closure": closure.SerializeToString(),
        "execution_updated_at": _moment(closure.updated_at),
        "started_at": _moment(closure.started_at),
        "duration": closure.duration.ToTimedelta() if closure.HasField("duration") else None,
        "cluster": state.cluster,
        **_error_columns(closure),
    }
    await session.execute(update(ExecutionRow).where(*_of(ExecutionRow, key)).values(columns))


async def load_nodes(session: AsyncSession, key: ExecutionKey, node_ids: Iterable[str]) -> dict[str, NodeState]:
    """Return those of the nodes that are there, by id."""
    wanted = literal(sorted(set(node_ids)), postgresql.ARRAY(Text))
    return await _nodes(session, key, NodeExecutionRow.node_id == any_(wanted))


async def open_nodes(session: AsyncSession, key: ExecutionKey) -> dict[str, NodeState]:
    """Return the nodes that have not ended."""
    return await _nodes(session, key, NodeExecutionRow.phase.not_in(_NODE_TERMINAL))


async def _nodes(session: AsyncSession, key: ExecutionKey, where: ColumnElement[bool]) -> dict[str, NodeState]:
    row = NodeExecutionRow
    query = select(
        row.node_id,
        row.input_uri,
        row.closure,
        row.node_execution_metadata,
        row.parent_node_id,
        row.parent_task_execution,
        row.dynamic_workflow_remote_closure_reference,
        row.event_version,
    ).where(*_of(row, key), where)
    execution_id = identifiers.execution_identifier(key)
    found = {}
    for node_id, input_uri, closure, metadata, parent, parent_task, dynamic, version in await session.execute(query):
        execution = node_execution_pb2.NodeExecution(
            id=identifier_pb2.NodeExecutionIdentifier(node_id=node_id, execution_id=execution_id), input_uri=input_uri
        )
        execution.closure.MergeFromString(closure)
        execution.metadata.MergeFromString(metadata)
        found[node_id] = NodeState(execution, parent, parent_task, dynamic, version)
    return found


async def load_tasks(session: AsyncSession, key: ExecutionKey, wanted: Iterable[TaskKey]) -> dict[TaskKey, TaskState]:
    """Return the attempts of the nodes that ``wanted`` names; there may be others among them."""
    node_ids = literal(sorted({node_id for node_id, _, _ in wanted}), postgresql.ARRAY(Text))
    return await _tasks(session, key, TaskExecutionRow.node_id == any_(node_ids))


async def open_tasks(session: AsyncSession, key: ExecutionKey) -> dict[TaskKey, TaskState]:
    """Return the attempts that have not ended."""
    return await _tasks(session, key, TaskExecutionRow.phase.not_in(_TASK_TERMINAL))


async def _tasks(session: AsyncSession, key: ExecutionKey, where: ColumnElement[bool]) -> dict[TaskKey, TaskState]:
    row = TaskExecutionRow
    query = select(
        row.node_id,
        row.project,
        row.domain,
        row.name,
        row.version,
        row.retry_attempt,
        row.input_uri,
        row.closure,
        row.phase_version,
    ).where(*_of(row, key), where)
    execution_id = identifiers.execution_identifier(key)
    found = {}
    for node_id, project, domain, name, version, attempt, input_uri, closure, phase_version in await session.execute(
        query
    ):
        entity = (project, domain, name, version)
        execution = task_execution_pb2.TaskExecution(
            id=identifier_pb2.TaskExecutionIdentifier(
                task_id=identifiers.identifier(identifier_pb2.TASK, entity),
                node_execution_id=identifier_pb2.NodeExecutionIdentifier(node_id=node_id, execution_id=execution_id),
                retry_attempt=attempt,
            ),
            input_uri=input_uri,
        )
        execution.closure.MergeFromString(closure)
        found[node_id, entity, attempt] = TaskState(execution, phase_version)
    return found


async def store_nodes(session: AsyncSession, states: Iterable[NodeState]) -> None:
    """Store the nodes that changed, new ones in the order given."""
    await _store(session, NodeExecutionRow, [_node_columns(state) for state in states if state.changed])


async def store_tasks(session: AsyncSession, states: Iterable[TaskState]) -> None:
    """Store the attempts that changed, new ones in the order given."""
    await _store(session, TaskExecutionRow, [_task_columns(state) for state in states if state.changed])


def _node_columns(state: NodeState) -> dict[str, Any]:
    execution, closure = state.execution, state.execution.closure
    metadata = closure.task_node_metadata
    return {
        **_execution_columns(execution.id.execution_id),
        "node_id": execution.id.node_id,
        "phase": phases.N.Phase.Name(closure.phase),
        "input_uri": execution.input_uri,
        "closure": closure.SerializeToString(),
        "started_at": _moment(closure.started_at),
        "node_execution_created_at": _moment(closure.created_at),
        "node_execution_updated_at": _moment(closure.updated_at),
        "duration": closure.duration.ToTimedelta() if closure.HasField("duration") else None,
        "node_execution_metadata": execution.metadata.SerializeToString(),
        "parent_node_id": state.parent_node_id,
        "parent_task_execution": state.parent_task,
        "cache_status": catalog_pb2.CatalogCacheStatus.Name(metadata.cache_status)
        if metadata.HasField("catalog_key")
        else None,
        "dynamic_workflow_remote_closure_reference": state.dynamic_closure_uri,
        "event_version": state.event_version,
        **_error_columns(closure),
    }


def _task_columns(state: TaskState) -> dict[str, Any]:
    execution, closure = state.execution, state.execution.closure
    node, task = execution.id.node_execution_id, execution.id.task_id
    return {
        **_execution_columns(node.execution_id),
        "node_id": node.node_id,
        "project": task.project,
        "domain": task.domain,
        "name": task.name,
        "version": task.version,
        "retry_attempt": execution.id.retry_attempt,
        "phase": phases.T.Phase.Name(closure.phase),
        "phase_version": state.phase_version,
        "input_uri": execution.input_uri,
        "closure": closure.SerializeToString(),
        "started_at": _moment(closure.started_at),
        "task_execution_created_at": _moment(closure.created_at),
        "task_execution_updated_at": _moment(closure.updated_at),
        "duration": closure.duration.ToTimedelta() if closure.HasField("duration") else None,
    }


def _execution_columns(execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> dict[str, Any]:
    return {
        "execution_project": execution_id.project,
        "execution_domain": execution_id.domain,
        "execution_name": execution_id.name,
    }


def _error_columns(closure: Message) -> Mapping[str, str | None]:
    if not closure.HasField("error"):
        return {"error_kind": None, "error_code": None}
    error: core_execution_pb2.ExecutionError = getattr(closure, "error")  # noqa: B009  closures of two kinds
    return {"error_kind": core_execution_pb2.ExecutionError.ErrorKind.Name(error.kind), "error_code": error.code}


async def _store(
    session: AsyncSession, row: type[NodeExecutionRow] | type[TaskExecutionRow], columns: list[dict[str, Any]]
) -> None:
    if not columns:
        return
    table = row.__table__
    assert isinstance(table, Table)  # noqa: S101  mapped classes know it only as a FromClause
    insert = postgresql.insert(table)
    key = [column.name for column in table.primary_key]
    changed = {name: insert.excluded[name] for name in columns[0] if name not in key}
    upsert = insert.on_conflict_do_update(index_elements=key, set_={**changed, "updated_at": func.now()})
    await session.execute(upsert, columns)


def _of(
    row: type[ExecutionRow] | type[NodeExecutionRow] | type[TaskExecutionRow], key: ExecutionKey
) -> list[ColumnElement[bool]]:
    project, domain, name = key
    return [row.execution_project == project, row.execution_domain == domain, row.execution_name == name]


def _moment(stamp: timestamp_pb2.Timestamp) -> datetime | None:
    return times.moment(stamp) if stamp.ByteSize() else None
