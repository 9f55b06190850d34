"""The rows that events change: loaded together, merged in memory, stored together.

A caller that loads node or task rows in order to change them holds the lock of their execution (``lock_execution``).
Without it two writers would merge into the same old closure, and the later one would undo what the earlier one stored.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flyteidl.admin import execution_pb2, node_execution_pb2, task_execution_pb2
from flyteidl.core import catalog_pb2, identifier_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.event import event_pb2
from google.protobuf import timestamp_pb2
from sqlalchemy import ColumnElement, Executable, Table, Text, any_, bindparam, func, literal, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.base import execution_lookup, execution_rows, stored_messages
from flytetemporal.admin.base.models import ExecutionRow, NodeExecutionRow, TaskExecutionRow
from flytetemporal.admin.events import inline_data, trigger_events
from flytetemporal.admin.outbox import notices
from flytetemporal.db.orm import Base
from flytetemporal.idl import identifiers, phases, times
from flytetemporal.idl.identifiers import EntityKey

ExecutionId = identifier_pb2.WorkflowExecutionIdentifier
StateRow = type[NodeExecutionRow] | type[TaskExecutionRow]
TaskKey = tuple[str, EntityKey, int]
"""Node id, task and attempt: one task execution within an execution."""

_Closure = (
    execution_pb2.ExecutionClosure | node_execution_pb2.NodeExecutionClosure | task_execution_pb2.TaskExecutionClosure
)
_NODE_TERMINAL = [phases.N.Phase.Name(phase) for phase in sorted(phases.NODE_TERMINAL)]
_TASK_TERMINAL = [phases.T.Phase.Name(phase) for phase in sorted(phases.TASK_TERMINAL)]


def _table(row: type[Base]) -> Table:
    table = row.__table__
    assert isinstance(table, Table)  # noqa: S101  mapped classes know it only as a FromClause
    return table


_KEY = ("execution_project", "execution_domain", "execution_name")
# Columns of the tables, not attributes of the classes: the ORM costs as much as the rest of a small statement.
_NODES, _TASKS = NodeExecutionRow.__table__.c, TaskExecutionRow.__table__.c
NODE_COLUMNS = [
    _NODES[name]
    for name in (
        *_KEY,
        "node_id",
        "input_uri",
        "closure",
        "node_execution_metadata",
        "parent_node_id",
        "parent_task_execution",
        "dynamic_workflow_remote_closure_reference",
        "event_version",
    )
]
EXECUTION_COLUMNS = (ExecutionRow.closure, ExecutionRow.cluster, ExecutionRow.webhooks)
_TASK_ID = ("node_id", "project", "domain", "name", "version", "retry_attempt")
TASK_COLUMNS = [_TASKS[name] for name in (*_KEY, *_TASK_ID, "input_uri", "closure", "phase_version")]


@dataclass(slots=True)
class ExecutionState:
    """The part of an execution's row that events change, and the webhooks that its end calls."""

    closure: execution_pb2.ExecutionClosure
    cluster: str
    webhooks: bytes | None = None
    changed: bool = False
    _had_ended: bool = field(init=False)

    def __post_init__(self) -> None:
        self._had_ended = self.closure.phase in phases.WORKFLOW_TERMINAL

    @property
    def has_just_ended(self) -> bool:
        """Whether the execution has ended since it was loaded."""
        return not self._had_ended and self.closure.phase in phases.WORKFLOW_TERMINAL


@dataclass(slots=True)
class NodeState:
    """The part of a node execution's row that events change."""

    execution: node_execution_pb2.NodeExecution
    parent_node_id: str = ""
    parent_task: bytes | None = None
    dynamic_closure_uri: str = ""
    event_version: int = 0
    changed: bool = False


@dataclass(slots=True)
class TaskState:
    """The part of a task execution's row that events change."""

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


def task_execution_id(event: event_pb2.TaskExecutionEvent) -> identifier_pb2.TaskExecutionIdentifier:
    """Return the id of the task execution that an event is about."""
    return identifier_pb2.TaskExecutionIdentifier(
        task_id=event.task_id, node_execution_id=event.parent_node_execution_id, retry_attempt=event.retry_attempt
    )


def link(state: NodeState, event: event_pb2.NodeExecutionEvent, root: str) -> None:
    """Merge what a node's row holds besides its message: its parents, its compiled closure and its event version.

    Only some events of a node carry them, and late ones may lack them, so that known values stay.
    """
    state.parent_node_id = state.parent_node_id or event.parent_node_metadata.node_id
    if event.HasField("parent_task_metadata") and state.parent_task is None:
        state.parent_task = parent_task_key(event.parent_task_metadata.id)
    state.dynamic_closure_uri = inline_data.dynamic_closure_uri(root, event) or state.dynamic_closure_uri
    state.event_version = max(state.event_version, event.event_version)


def parent_task_key(identifier: identifier_pb2.TaskExecutionIdentifier) -> bytes:
    """Return the form in which node rows name their parent task execution; equal for equal ids."""
    node_id, entity, attempt = task_key(identifier)
    normal = identifier_pb2.TaskExecutionIdentifier(
        task_id=identifiers.identifier(identifier_pb2.TASK, entity),
        node_execution_id=identifier_pb2.NodeExecutionIdentifier(
            node_id=node_id, execution_id=identifier.node_execution_id.execution_id
        ),
        retry_attempt=attempt,
    )
    return normal.SerializeToString(deterministic=True)


async def find_and_lock_execution(session: AsyncSession, execution_id: ExecutionId) -> ExecutionState | None:
    """Load an execution and keep other writers of it, its nodes and its tasks out until the transaction ends.

    Returns None if there is no such execution.
    """
    # One row lock per execution stands for all its node and task rows: events lock in one order and cannot deadlock.
    query = select(*EXECUTION_COLUMNS).where(execution_rows.of_execution(ExecutionRow, execution_id))
    row = (await session.execute(query.with_for_update())).one_or_none()
    return None if row is None else execution_state(row)


def execution_state(found: Any) -> ExecutionState:
    """Return the state of a row with ``EXECUTION_COLUMNS``."""
    closure = stored_messages.parse(execution_pb2.ExecutionClosure, found.closure)
    return ExecutionState(closure, found.cluster, found.webhooks)


async def lock_execution(session: AsyncSession, execution_id: ExecutionId) -> ExecutionState:
    """Load and lock an execution that must exist. Raises ``NotFound``."""
    state = await find_and_lock_execution(session, execution_id)
    if state is None:
        raise execution_lookup.missing_execution(execution_id)
    return state


# One statement for any number of executions. Built once: building a statement costs more than sending it.
_UPDATE_EXECUTION = update(_table(ExecutionRow)).where(
    *(_table(ExecutionRow).c[name] == bindparam(f"of_{name}") for name in _KEY)
)


async def store_executions(session: AsyncSession, states: Sequence[tuple[ExecutionId, ExecutionState]]) -> None:
    """Store executions that have changed, with what those which have just ended owe: notifications, and trigger events.

    Every end of an execution comes through here: reported by its workflow or by another engine, and closed by admin.
    """
    changed = [_columns_of_execution(execution_id, state) for execution_id, state in states]
    if changed:
        await session.execute(_UPDATE_EXECUTION, changed)
    ended = [(execution_id, state) for execution_id, state in states if state.has_just_ended]
    for execution_id, state in ended:
        await notices.record(session, execution_id, state.closure, state.webhooks)
    succeeded = {
        identifiers.execution_key(execution_id): times.moment(state.closure.updated_at)
        for execution_id, state in ended
        if state.closure.phase == phases.W.SUCCEEDED
    }
    if succeeded:
        await trigger_events.record_successes(session, succeeded)


def _columns_of_execution(execution_id: ExecutionId, state: ExecutionState) -> dict[str, Any]:
    closure = state.closure
    key = identifiers.execution_key(execution_id)
    return {
        **{f"of_{column}": part for column, part in zip(_KEY, key, strict=True)},
        "phase": phases.W.Phase.Name(closure.phase),
        "execution_updated_at": _moment(closure.updated_at),
        "cluster": state.cluster,
        **_closure_columns(closure),
        **_error_columns(closure),
    }


def of_nodes(row: StateRow, node_ids: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that a row is of one of these nodes."""
    # One array parameter whatever the number of ids: IN would make another statement for each number.
    return row.node_id == any_(literal(sorted(set(node_ids)), postgresql.ARRAY(Text)))


def is_open(row: StateRow) -> ColumnElement[bool]:
    """Return the condition that a node or task execution has not ended."""
    return row.phase.not_in(_NODE_TERMINAL if row is NodeExecutionRow else _TASK_TERMINAL)


def node_state(found: Any, execution_id: ExecutionId) -> NodeState:
    """Return the state of a row with ``NODE_COLUMNS``."""
    return NodeState(
        execution_rows.node_execution(found, execution_id),
        found.parent_node_id,
        found.parent_task_execution,
        found.dynamic_workflow_remote_closure_reference,
        found.event_version,
    )


def task_state(found: Any, execution_id: ExecutionId) -> TaskState:
    """Return the state of a row with ``TASK_COLUMNS``."""
    return TaskState(execution_rows.task_execution(found, execution_id), found.phase_version)


async def load_nodes(
    session: AsyncSession, execution_id: ExecutionId, *conditions: ColumnElement[bool]
) -> dict[str, NodeState]:
    """Return the nodes of an execution that meet the conditions, by id."""
    query = select(*NODE_COLUMNS).where(execution_rows.of_execution(NodeExecutionRow, execution_id), *conditions)
    return {found.node_id: node_state(found, execution_id) for found in await session.execute(query)}


async def load_tasks(
    session: AsyncSession, execution_id: ExecutionId, *conditions: ColumnElement[bool]
) -> dict[TaskKey, TaskState]:
    """Return the attempts of an execution that meet the conditions."""
    query = select(*TASK_COLUMNS).where(execution_rows.of_execution(TaskExecutionRow, execution_id), *conditions)
    states = (task_state(found, execution_id) for found in await session.execute(query))
    return {task_key(state.execution.id): state for state in states}


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
        "created_at": _moment(closure.created_at) or datetime.now(UTC),
        "node_id": execution.id.node_id,
        "phase": phases.N.Phase.Name(closure.phase),
        "input_uri": execution.input_uri,
        "node_execution_created_at": _moment(closure.created_at),
        "node_execution_updated_at": _moment(closure.updated_at),
        "node_execution_metadata": execution.metadata.SerializeToString(),
        "parent_node_id": state.parent_node_id,
        "parent_task_execution": state.parent_task,
        "cache_status": catalog_pb2.CatalogCacheStatus.Name(metadata.cache_status)
        if metadata.HasField("catalog_key")
        else None,
        "dynamic_workflow_remote_closure_reference": state.dynamic_closure_uri,
        "event_version": state.event_version,
        **_closure_columns(closure),
        **_error_columns(closure),
    }


def _task_columns(state: TaskState) -> dict[str, Any]:
    execution, closure = state.execution, state.execution.closure
    node, task = execution.id.node_execution_id, execution.id.task_id
    return {
        **_execution_columns(node.execution_id),
        "created_at": _moment(closure.created_at) or datetime.now(UTC),
        "node_id": node.node_id,
        "project": task.project,
        "domain": task.domain,
        "name": task.name,
        "version": task.version,
        "retry_attempt": execution.id.retry_attempt,
        "phase": phases.T.Phase.Name(closure.phase),
        "phase_version": state.phase_version,
        "input_uri": execution.input_uri,
        "task_execution_created_at": _moment(closure.created_at),
        "task_execution_updated_at": _moment(closure.updated_at),
        **_closure_columns(closure),
    }


def _execution_columns(execution_id: ExecutionId) -> dict[str, Any]:
    return {
        "execution_project": execution_id.project,
        "execution_domain": execution_id.domain,
        "execution_name": execution_id.name,
    }


def _closure_columns(closure: _Closure) -> dict[str, Any]:
    return {
        "closure": closure.SerializeToString(),
        "started_at": _moment(closure.started_at),
        # As in Flyte, 0 until the end: a filter or sort by NULL would lose the row.
        "duration": closure.duration.ToTimedelta(),
    }


def _error_columns(
    closure: execution_pb2.ExecutionClosure | node_execution_pb2.NodeExecutionClosure,
) -> Mapping[str, str | None]:
    if not closure.HasField("error"):
        return {"error_kind": None, "error_code": None}
    kind = core_execution_pb2.ExecutionError.ErrorKind.Name(closure.error.kind)
    return {"error_kind": kind, "error_code": closure.error.code}


async def _store(session: AsyncSession, row: StateRow, columns: list[dict[str, Any]]) -> None:
    if not columns:
        return
    await session.execute(_upsert(row, tuple(columns[0])), columns)


@functools.cache
def _upsert(row: StateRow, names: Sequence[str]) -> Executable:
    table = _table(row)
    insert = postgresql.insert(table)
    key = [column.name for column in table.primary_key]
    changed = {name: insert.excluded[name] for name in names if name not in (*key, "created_at")}
    # An upsert stores new and changed rows in one statement. The rows of a batch are created in one transaction, which
    # has a single now(): created_at is the time of the first event instead, so that lists keep the order of events.
    return insert.on_conflict_do_update(index_elements=key, set_={**changed, "updated_at": func.now()})


def _moment(stamp: timestamp_pb2.Timestamp) -> datetime | None:
    return times.moment(stamp) if stamp.ByteSize() else None
