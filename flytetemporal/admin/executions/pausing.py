"""The pauses that apply to an execution, and their delivery to its workflow.

A delivery has all pauses that apply, and a revision. A workflow ignores a delivery whose revision is not higher than
its own, so deliveries can be repeated, be late, and overtake each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from flyteidl.core import identifier_pb2
from sqlalchemy import ColumnElement, ScalarSelect, Select, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.base import execution_rows
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow, ExecutionTagRow, LaunchPlanRow, NodeExecutionRow, PauseRow
from flytetemporal.contracts.v1 import execution_pb2, pauses_pb2
from flytetemporal.idl import identifiers, naming, times

ExecutionId = identifier_pb2.WorkflowExecutionIdentifier
Kind = pauses_pb2.PauseTarget
Key = tuple[str, str, str]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ancestor:
    """An execution, or one above it. ``nodes`` are the nodes of it that the execution is below; None: it itself.

    ``nodes`` is empty if an eager task launched the execution and did not say in which node it runs.
    """

    key: Key
    launch_plan: Key | None
    nodes: frozenset[str] | None
    created_at: datetime


def newest_revision() -> ScalarSelect[int]:
    """Return the highest revision so far, as part of a query; 0 if nothing was ever paused."""
    return select(func.coalesce(func.max(PauseRow.revision), 0)).scalar_subquery()


def message(row: PauseRow) -> pauses_pb2.Pause:
    """Return a pause as clients and workflows read it."""
    return pauses_pb2.Pause(
        target=pauses_pb2.PauseTarget(
            kind=row.kind, project=row.project, domain=row.domain, name=row.name, node_id=row.node_id
        ),
        paused_by=row.paused_by,
        since=times.timestamp(row.paused_at),
        reason=row.reason,
        stop_running=row.stop_running,
    )


async def effective(session: AsyncSession, execution_id: ExecutionId) -> pauses_pb2.Pauses:
    """Return the pauses that apply to an execution: its own, those of the executions above it, and wider ones."""
    # One statement each, so that revision and pauses belong together.
    is_any = select(PauseRow.revision).where(PauseRow.is_active).exists()
    found = (await session.execute(select(newest_revision().label("revision"), is_any.label("is_any")))).one()
    revision = int(found.revision)
    if not found.is_any:  # As good as always: the executions above need not be read.
        return pauses_pb2.Pauses(revision=revision)
    above = await ancestors(session, identifiers.execution_key(execution_id))
    if not above:
        return pauses_pb2.Pauses(revision=revision)
    rows = (await session.execute(_candidates(above))).all()
    pauses = [message(row) for row, _ in rows if _covers(row, above)]
    return pauses_pb2.Pauses(revision=rows[0][1] if rows else revision, pauses=pauses)


def _candidates(above: Sequence[Ancestor]) -> Select[PauseRow, int]:
    keys = [(kind, *found.key) for found in above for kind in ("EXECUTION", "NODE")]
    keys += [("LAUNCH_PLAN", *found.launch_plan) for found in above if found.launch_plan is not None]
    row = PauseRow
    named = tuple_(row.kind, row.project, row.domain, row.name).in_(keys)
    whole = (row.kind == "PROJECT") & row.project.in_([found.key[0] for found in above])
    return select(row, newest_revision()).where(row.is_active, or_(named, whole)).order_by(row.revision)


def _covers(row: PauseRow, above: Sequence[Ancestor]) -> bool:
    if row.kind == "PROJECT":
        return any(row.project == found.key[0] and row.domain in ("", found.key[1]) for found in above)
    if row.kind != "NODE":
        return True
    key = (row.project, row.domain, row.name)
    return any(found.key == key and (found.nodes is None or row.node_id in found.nodes) for found in above)


async def ancestors(session: AsyncSession, key: Key) -> list[Ancestor]:
    """Return an execution and those above it; empty if it does not exist."""
    row, plan = ExecutionRow, LaunchPlanRow
    columns = select(
        row.execution_project,
        row.execution_domain,
        row.execution_name,
        row.source_execution_id,
        row.parent_node_execution_id,
        row.launch_plan_id,
        row.created_at,
        plan.project,
        plan.domain,
        plan.name,
    ).outerjoin(plan, plan.id == row.launch_plan_id)
    names = tuple_(row.execution_project, row.execution_domain, row.execution_name)
    found: list[Ancestor] = []
    nodes: frozenset[str] | None = None
    condition = names == tuple_(*key)
    seen: set[Key] = set()
    while (read := (await session.execute(columns.where(condition))).one_or_none()) is not None:
        # An execution of a single task has no launch plan, so the joined columns can be NULL.
        plan_key = (read.project, read.domain, read.name) if read.launch_plan_id else None
        own = (read.execution_project, read.execution_domain, read.execution_name)
        found.append(Ancestor(own, plan_key, nodes, read.created_at))
        seen.add(own)
        if read.parent_node_execution_id:
            condition = row.id == read.source_execution_id
            by_number = select(NodeExecutionRow).where(NodeExecutionRow.id == read.parent_node_execution_id)
            nodes = await _and_those_above(session, (await session.scalars(by_number)).one_or_none())
            continue
        root, node_id = await _eager_root(session, own)
        if root is None or root in seen:  # Anyone can set the label, also in a circle.
            break
        condition, nodes = names == tuple_(*root), await _eager_node_and_those_above(session, root, node_id)
    return found


async def _eager_root(session: AsyncSession, key: Key) -> tuple[Key | None, str]:
    """Return the execution whose eager task launched an execution, and the task's node, as far as the labels say so."""
    tag = ExecutionTagRow
    own = tuple_(tag.execution_project, tag.execution_domain, tag.execution_name) == tuple_(*key)
    wanted = (naming.EAGER_LABEL, naming.EAGER_NODE_LABEL)
    found = {
        row.key: row.value for row in await session.execute(select(tag.key, tag.value).where(own, tag.key.in_(wanted)))
    }
    name = found.get(naming.EAGER_LABEL)
    return (key[0], key[1], name) if name else None, found.get(naming.EAGER_NODE_LABEL, "")


async def _eager_node_and_those_above(session: AsyncSession, root: Key, node_id: str) -> frozenset[str]:
    return await _and_those_above(session, await session.get(NodeExecutionRow, (*root, node_id)) if node_id else None)


async def _and_those_above(session: AsyncSession, node: NodeExecutionRow | None) -> frozenset[str]:
    """Return the ids of a node and of those above it; none without a node."""
    found = []
    while node is not None:
        found.append(node.node_id)
        key = (node.execution_project, node.execution_domain, node.execution_name, node.parent_node_id)
        node = await session.get(NodeExecutionRow, key) if node.parent_node_id else None
    return frozenset(found)


async def with_pauses(deps: Dependencies, argument: execution_pb2.ExecutionInput) -> execution_pb2.ExecutionInput:
    """Return a start argument with the pauses that apply to the execution."""
    async with deps.sessions() as session:
        pauses = await effective(session, argument.execution_id)
    if not pauses.revision:
        return argument
    paused = execution_pb2.ExecutionInput()
    paused.CopyFrom(argument)
    paused.pauses.CopyFrom(pauses)
    return paused


async def deliver(deps: Dependencies, execution_id: ExecutionId) -> bool:
    """Deliver the pauses that apply to an execution now; return whether none is owed to it any more.

    Raises:
        Unavailable: Temporal does not answer; the sweeper repeats the delivery.
    """
    async with deps.sessions() as session:
        pauses = await effective(session, execution_id)
        phase = await session.scalar(select(ExecutionRow.phase).where(_is(execution_id)))
    try:
        await deps.engine.pauses(execution_id, pauses)
    except (errors.NotFound, errors.InvalidRequest):
        # Before its start, a delivery would be lost if the start has read the pauses already.
        if phase == "UNDEFINED":
            return False
    statement = update(ExecutionRow).where(_is(execution_id), ExecutionRow.pause_revision < pauses.revision)
    # Not a change of the execution: the sweeper judges by updated_at whether an abort makes progress.
    values = {"pause_revision": pauses.revision, "updated_at": ExecutionRow.updated_at}
    async with deps.sessions.begin() as session:
        await session.execute(statement.values(values))
    return True


async def try_deliver(deps: Dependencies, execution_id: ExecutionId) -> bool:
    """Deliver pauses; leave it to the sweeper if Temporal does not answer."""
    try:
        return await deliver(deps, execution_id)
    except errors.Unavailable as error:
        _log.warning("pause_not_delivered", execution=execution_id.name, error=error.message)
        return False


def _is(execution_id: ExecutionId) -> ColumnElement[bool]:
    return execution_rows.of_execution(ExecutionRow, execution_id)
