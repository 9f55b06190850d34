"""The statements of ``group_commit``: rows of several executions, each kind with one statement.

For a single execution the statements of ``event_rows`` are used: their plans stay good for thousands of nodes.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from flyteidl.admin import execution_pb2
from sqlalchemy import ARRAY, ColumnElement, Select, Text, and_, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.selectable import FromClause

from flytetemporal.admin.base import execution_rows
from flytetemporal.admin.base.models import ExecutionRow, NodeExecutionRow, TaskExecutionRow
from flytetemporal.admin.events import event_merge, event_rows
from flytetemporal.admin.events.event_merge import Merge
from flytetemporal.admin.events.event_rows import ExecutionState, NodeState, StateRow, TaskState
from flytetemporal.idl import identifiers
from flytetemporal.idl.identifiers import ExecutionKey

Closures = Mapping[ExecutionKey, execution_pb2.ExecutionClosure]

_KEY = ("wanted_project", "wanted_domain", "wanted_name")
_NODE = (*_KEY, "wanted_node")


def _wanted(columns: Sequence[str]) -> FromClause:
    # Arrays, since IN would make another statement for each number of keys.
    return (
        func.unnest(*(bindparam(name, type_=ARRAY(Text)) for name in columns)).table_valued(*columns).render_derived()
    )


def _of_wanted(row: StateRow | type[ExecutionRow], wanted: FromClause) -> ColumnElement[bool]:
    own = (row.execution_project, row.execution_domain, row.execution_name)
    return and_(*(column == wanted.c[name] for column, name in zip(own, _KEY, strict=True)))


def _some(row: StateRow, *columns: ColumnElement[Any]) -> Select[Any]:
    wanted = _wanted(_NODE)
    return select(*columns).join(wanted, _of_wanted(row, wanted) & (row.node_id == wanted.c.wanted_node))


def _open(row: StateRow, *columns: ColumnElement[Any]) -> Select[Any]:
    wanted = _wanted(_KEY)
    return select(*columns).join(wanted, _of_wanted(row, wanted)).where(event_rows.is_open(row))


_EXECUTION_KEY = (ExecutionRow.execution_project, ExecutionRow.execution_domain, ExecutionRow.execution_name)
_EXECUTIONS = _wanted(_KEY)
_LOCK = (
    select(*_EXECUTION_KEY, *event_rows.EXECUTION_COLUMNS)
    .join(_EXECUTIONS, _of_wanted(ExecutionRow, _EXECUTIONS))
    # Never waits, so that groups of several admins cannot deadlock, whatever the order of their keys.
    .with_for_update(of=ExecutionRow, skip_locked=True)
)
_SOME_NODES = _some(NodeExecutionRow, *event_rows.NODE_COLUMNS)
_SOME_TASKS = _some(TaskExecutionRow, *event_rows.TASK_COLUMNS)
_OPEN_NODES = _open(NodeExecutionRow, *event_rows.NODE_COLUMNS)
_OPEN_TASKS = _open(TaskExecutionRow, *event_rows.TASK_COLUMNS)


async def lock(session: AsyncSession, keys: Iterable[ExecutionKey]) -> dict[ExecutionKey, ExecutionState]:
    """Load and lock executions until the transaction ends. Those that others have locked are left out."""
    return {
        execution_rows.execution_key(found): event_rows.execution_state(found)
        for found in await session.execute(_LOCK, _columns(_KEY, sorted(set(keys))))
    }


async def load(session: AsyncSession, merges: Sequence[Merge]) -> None:
    """Load the rows that the merges want."""
    if len(merges) == 1:
        await _load_one(session, merges[0])
        return
    by_key = {identifiers.execution_key(merge.execution_id): merge for merge in merges}
    nodes = [(*key, node) for key, merge in by_key.items() for node in sorted(merge.wanted_nodes)]
    if nodes:
        for found in await session.execute(_SOME_NODES, _columns(_NODE, nodes)):
            merge = by_key[execution_rows.execution_key(found)]
            merge.nodes[found.node_id] = event_rows.node_state(found, merge.execution_id)
    tasks = [(*key, node) for key, merge in by_key.items() for node in sorted(merge.wanted_tasks)]
    if tasks:
        for found in await session.execute(_SOME_TASKS, _columns(_NODE, tasks)):
            merge = by_key[execution_rows.execution_key(found)]
            state = event_rows.task_state(found, merge.execution_id)
            merge.tasks[event_rows.task_key(state.execution.id)] = state


async def _load_one(session: AsyncSession, merge: Merge) -> None:
    if merge.wanted_nodes:
        wanted = event_rows.of_nodes(NodeExecutionRow, merge.wanted_nodes)
        merge.nodes = await event_rows.load_nodes(session, merge.execution_id, wanted)
    if merge.wanted_tasks:
        wanted = event_rows.of_nodes(TaskExecutionRow, merge.wanted_tasks)
        merge.tasks = await event_rows.load_tasks(session, merge.execution_id, wanted)


async def store(session: AsyncSession, merges: Sequence[Merge]) -> None:
    """Store the changed rows; close the open rows below executions that have ended."""
    changed = [(merge.execution_id, merge.execution) for merge in merges if merge.execution.changed]
    await event_rows.store_executions(session, changed)
    await event_rows.store_nodes(session, chain.from_iterable(merge.nodes.values() for merge in merges))
    await event_rows.store_tasks(session, chain.from_iterable(merge.tasks.values() for merge in merges))
    ended = {
        identifiers.execution_key(merge.execution_id): merge.execution.closure for merge in merges if merge.has_ended
    }
    if ended:
        await close_open(session, ended)


async def close_open(session: AsyncSession, ended: Closures) -> None:
    """Abort the open nodes and task executions of executions that have ended.

    The caller holds the locks of the executions, so that no event can open a node in between.
    """
    keys = _columns(_KEY, list(ended))
    nodes: dict[ExecutionKey, list[NodeState]] = {key: [] for key in ended}
    tasks: dict[ExecutionKey, list[TaskState]] = {key: [] for key in ended}
    for found in await session.execute(_OPEN_NODES, keys):
        nodes[execution_rows.execution_key(found)].append(
            event_rows.node_state(found, execution_rows.execution_id(found))
        )
    for found in await session.execute(_OPEN_TASKS, keys):
        tasks[execution_rows.execution_key(found)].append(
            event_rows.task_state(found, execution_rows.execution_id(found))
        )
    for key, closure in ended.items():
        event_merge.abort_open(nodes[key], tasks[key], closure)
    await event_rows.store_nodes(session, chain.from_iterable(nodes.values()))
    await event_rows.store_tasks(session, chain.from_iterable(tasks.values()))


def _columns(names: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    return {name: [row[position] for row in rows] for position, name in enumerate(names)}
