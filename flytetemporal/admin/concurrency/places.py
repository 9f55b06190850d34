"""The places of a launch plan in the database: who has one, and who waits for one.

An execution has a place from its row on until it has ended. Whoever gives places out holds the lock of the scope, so
that none is given twice.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from flyteidl.admin import execution_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.base import execution_rows
from flytetemporal.admin.base.models import ExecutionRow, LaunchPlanRow, is_open
from flytetemporal.admin.concurrency import deadlocks
from flytetemporal.admin.concurrency.limits import Scope
from flytetemporal.admin.concurrency.models import WaitingExecutionRow
from flytetemporal.idl import identifiers

ExecutionId = identifier_pb2.WorkflowExecutionIdentifier
WAITING = "QUEUED"
"""The phase of an execution that waits."""
# Places that are given out in one transaction.
PAGE = 50


async def lock(session: AsyncSession, scope: Scope) -> None:
    """Keep all others from giving out places of a scope until the transaction ends."""
    # Versions of one name share the limit, so the lock is on the name. Any number will do that derives from it.
    name = f"concurrency limit of {scope.text}"
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


async def count_running(session: AsyncSession, scope: Scope, *, or_aborting: bool) -> int:
    """Return the number of executions that have a place. ``or_aborting``: those that are being aborted, too."""
    query = select(func.count()).select_from(ExecutionRow)
    return int((await session.execute(_running(query, scope, or_aborting=or_aborting))).scalar_one())


async def running(session: AsyncSession, scope: Scope) -> list[ExecutionId]:
    """Return the executions that have a place and are not being aborted, oldest first."""
    query = _running(select(*_key(ExecutionRow)).select_from(ExecutionRow), scope, or_aborting=False)
    rows = await session.execute(query.order_by(ExecutionRow.id))
    return [execution_rows.execution_id(row) for row in rows]


async def count_waiting(session: AsyncSession, scope: Scope) -> int:
    """Return the number of executions that wait."""
    query = select(func.count()).select_from(WaitingExecutionRow).where(_in_queue(scope))
    return int((await session.execute(query)).scalar_one())


async def count_all_waiting(session: AsyncSession) -> int:
    """Return the number of executions that wait, of all launch plans."""
    return int((await session.execute(select(func.count()).select_from(WaitingExecutionRow))).scalar_one())


async def waiting(session: AsyncSession, scope: Scope) -> list[ExecutionId]:
    """Return all executions that wait, in the order in which they were launched."""
    query = select(*_key(WaitingExecutionRow)).where(_in_queue(scope)).order_by(WaitingExecutionRow.id)
    return [execution_rows.execution_id(row) for row in await session.execute(query)]


async def find(session: AsyncSession, execution_id: ExecutionId) -> WaitingExecutionRow | None:
    """Return how an execution waits; None if it does not."""
    return await session.get(WaitingExecutionRow, identifiers.execution_key(execution_id))


async def ahead(session: AsyncSession, row: WaitingExecutionRow) -> int:
    """Return the number of executions that get a place before this one."""
    waits = WaitingExecutionRow
    query = select(func.count()).where(
        _in_queue(scope_of(row)), tuple_(waits.priority, waits.id) < tuple_(row.priority, row.id)
    )
    return int((await session.execute(query)).scalar_one())


async def above(session: AsyncSession, parent_row: int) -> list[str]:
    """Return the execution with a row number and those above it, "project:domain:name"."""
    row = ExecutionRow
    read = select(row.id, row.source_execution_id, row.parent_node_execution_id, *_key(row))
    found = read.where(row.id == parent_row).cte("above", recursive=True)
    is_parent = and_(row.id == found.c.source_execution_id, found.c.parent_node_execution_id != 0)
    found = found.union(read.join(found, is_parent))
    rows = await session.execute(select(found.c.execution_project, found.c.execution_domain, found.c.execution_name))
    return [":".join(key) for key in rows]


async def next_ones(session: AsyncSession, scope: Scope) -> list[ExecutionRow]:
    """Return the executions that get the free places of a scope, and lock them; take them off the queue.

    The caller holds the lock of the scope.
    """
    queued = WaitingExecutionRow
    query = (
        select(ExecutionRow, queued)
        .join(queued, _is_same(queued))
        .where(_in_queue(scope), ExecutionRow.phase == WAITING)
        .order_by(queued.priority, queued.id)
    )
    # Whoever holds the lock of an execution, such as an abort, may want the row of the queue next. So the execution is
    # locked first here, too, and one that is locked now is passed over.
    locked = query.with_for_update(of=ExecutionRow, skip_locked=True)
    rows = (await session.execute(locked.limit(PAGE))).all()
    if not rows:
        return []
    taken = await count_running(session, scope, or_aborting=True)
    chosen: list[ExecutionRow] = []
    for execution, place in rows:
        if taken + len(chosen) >= place.places:
            break
        chosen.append(execution)
    if not chosen and await _is_stuck(session, scope):
        children = (await session.execute(locked.where(func.cardinality(queued.above) > 0).limit(1))).all()
        chosen = [execution for execution, _ in children]
    for execution in chosen:
        await leave(session, execution_rows.execution_id(execution))
    return chosen


async def leave(session: AsyncSession, execution_id: ExecutionId) -> None:
    """Take an execution off the queue. The caller holds the lock of its row."""
    queued = WaitingExecutionRow
    project, domain, name = identifiers.execution_key(execution_id)
    await session.execute(
        delete(queued).where(
            queued.execution_project == project, queued.execution_domain == domain, queued.execution_name == name
        )
    )


async def scopes(session: AsyncSession) -> list[Scope]:
    """Return the scopes in which executions wait."""
    return [Scope(*row) for row in await session.execute(_scopes().order_by(*_scope_columns()))]


async def scopes_after(session: AsyncSession, ended: Sequence[ExecutionId]) -> list[Scope]:
    """Return the scopes in which executions wait and to which some ended executions belong."""
    plan, queued = LaunchPlanRow, WaitingExecutionRow
    same_plan = and_(
        queued.plan_project == plan.project, queued.plan_domain == plan.domain, queued.plan_name == plan.name
    )
    keys = [identifiers.execution_key(execution_id) for execution_id in ended]
    query = (
        _scopes()
        .join(plan, same_plan)
        .join(ExecutionRow, ExecutionRow.launch_plan_id == plan.id)
        .where(tuple_(*_key(ExecutionRow)).in_(keys))
    )
    return [Scope(*row) for row in await session.execute(query)]


def waits() -> ColumnElement[bool]:
    """Return the condition that an execution waits for a place, so that it has no workflow."""
    return exists().where(_is_same(WaitingExecutionRow)).correlate(ExecutionRow)


def scope_of(row: WaitingExecutionRow) -> Scope:
    """Return the scope for a place of which an execution waits."""
    return Scope(row.plan_project, row.plan_domain, row.plan_name, row.scheduled)


async def _is_stuck(session: AsyncSession, scope: Scope) -> bool:
    queued = WaitingExecutionRow
    query = select(*_scope_columns(), queued.above).where(func.cardinality(queued.above) > 0)
    children = [(Scope(*row[:4]), row.above) for row in await session.execute(query)]
    if scope not in dict(children):
        return False
    holders: dict[Scope, list[str]] = defaultdict(list)
    for wanted in dict(children):
        ids = await session.execute(
            _running(select(*_key(ExecutionRow)).select_from(ExecutionRow), wanted, or_aborting=True)
        )
        holders[wanted] = [":".join(execution_rows.execution_key(row)) for row in ids]
    return scope in deadlocks.stuck(children, holders)


def _running(query: Select[Any], scope: Scope, *, or_aborting: bool) -> Select[Any]:
    plan = LaunchPlanRow
    query = query.join(plan, plan.id == ExecutionRow.launch_plan_id).where(
        plan.project == scope.project,
        plan.domain == scope.domain,
        plan.name == scope.name,
        is_open(ExecutionRow, or_aborting=or_aborting),
        ~waits(),
    )
    if scope.scheduled:
        query = query.where(ExecutionRow.mode == execution_pb2.ExecutionMetadata.SCHEDULED)
    return query


def _key(row: type[ExecutionRow] | type[WaitingExecutionRow]) -> tuple[Any, ...]:
    return row.execution_project, row.execution_domain, row.execution_name


def _is_same(queued: type[WaitingExecutionRow]) -> ColumnElement[bool]:
    return and_(*(one == other for one, other in zip(_key(queued), _key(ExecutionRow), strict=True)))


def _in_queue(scope: Scope) -> ColumnElement[bool]:
    queued = WaitingExecutionRow
    return and_(
        queued.plan_project == scope.project,
        queued.plan_domain == scope.domain,
        queued.plan_name == scope.name,
        queued.scheduled == scope.scheduled,
    )


def _scope_columns() -> tuple[Any, ...]:
    queued = WaitingExecutionRow
    return queued.plan_project, queued.plan_domain, queued.plan_name, queued.scheduled


def _scopes() -> Select[Any]:
    return select(*_scope_columns()).select_from(WaitingExecutionRow).distinct()
