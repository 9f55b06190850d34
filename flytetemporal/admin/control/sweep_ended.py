"""The sweeper's repairs of executions whose row and workflow, or parent and child, disagree about the end."""

from collections.abc import Sequence
from functools import partial

from flyteidl.admin import execution_pb2 as admin_execution_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import ColumnElement, Row, and_, func, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, aliased

from flytetemporal import errors
from flytetemporal.admin.base import temporal_answers
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import TERMINAL, ExecutionRow, ExecutionTagRow, is_open
from flytetemporal.admin.concurrency import places
from flytetemporal.admin.control import concurrency
from flytetemporal.admin.control.findings import Findings
from flytetemporal.admin.executions import aborting, closing
from flytetemporal.idl import identifiers, naming, phases
from flytetemporal.idl.identifiers import ExecutionKey

PAGE = 500
# The phase of a row whose workflow was not started, or has not reported yet.
NOT_STARTED = "UNDEFINED"


async def close_ended(deps: Dependencies, findings: Findings, after: int) -> int:
    """Close open rows whose workflow has ended or is lost: one page of rows, from row number ``after``.

    Returns the row number to continue from in the next round; 0 after the last page.
    """
    row = ExecutionRow
    query = (
        select(row.id, row.execution_project, row.execution_domain, row.execution_name, row.phase)
        .where(is_open(row), row.id > after, ~places.waits())
        .order_by(row.id)
        .limit(PAGE)
    )
    async with deps.sessions() as session:
        page = (await session.execute(query)).all()

    async def repair(row: Row[int, str, str, str, str]) -> None:
        _, project, domain, name, phase = row
        execution_id = identifiers.execution_identifier((project, domain, name))
        await _close_if_ended(deps, findings, execution_id, phase)

    await concurrency.for_each(page, repair)
    return page[-1].id if len(page) == PAGE else 0


async def _close_if_ended(
    deps: Dependencies, findings: Findings, execution_id: identifier_pb2.WorkflowExecutionIdentifier, phase: str
) -> None:
    try:
        outcome = await deps.engine.ended(execution_id)
    except (errors.NotFound, errors.InvalidRequest):  # No workflow can have an id that Temporal refuses.
        if phase == NOT_STARTED:  # start_recorded takes care of it.
            return
        outcome = temporal_answers.failed(
            "WorkflowNotFound", "Temporal no longer knows the workflow of this execution; relaunch it"
        )
    if outcome is not None and await closing.close(deps, execution_id, outcome):
        phase = phases.W.Phase.Name(outcome.phase)
        findings.add("ended_unreported", execution_id, phase=phase, reason=outcome.error.message)


async def end_finished(deps: Dependencies, findings: Findings) -> None:
    """Terminate workflows whose execution has ended: an operator reset them in Temporal after their end."""
    async for page in deps.engine.running_executions(PAGE):
        over = await _terminal(deps, [identifiers.execution_key(execution_id) for execution_id in page])
        for execution_key in over:
            execution_id = identifiers.execution_identifier(execution_key)
            try:
                await deps.engine.terminate(execution_id, "the execution has ended; relaunch it to run it again")
            except (errors.NotFound, errors.InvalidRequest):
                continue  # The workflow ended since the list was read.
            findings.add("running_after_end", execution_id)


async def _terminal(deps: Dependencies, keys: Sequence[ExecutionKey]) -> list[ExecutionKey]:
    """Return those executions that ended more than ``close_grace`` ago.

    A workflow reports the end of its execution before it ends itself, so a recent end needs no repair.
    """
    row = ExecutionRow
    columns = (row.execution_project, row.execution_domain, row.execution_name)
    query = select(*columns).where(
        tuple_(*columns).in_(keys), row.phase.in_(TERMINAL), row.updated_at < func.now() - deps.settings.close_grace
    )
    async with deps.sessions() as session:
        return [(project, domain, name) for project, domain, name in await session.execute(query)]


async def abort_orphans(deps: Dependencies, findings: Findings) -> None:
    """Abort executions that were launched for another execution, which has ended.

    These are the children of launch plan nodes, and the executions that a failed eager workflow no longer awaits:
    flytekit stops those itself only if the eager workflow was registered as a workflow.
    """
    child, parent, tag = aliased(ExecutionRow), aliased(ExecutionRow), ExecutionTagRow
    # An end that is not an abort is left to the workflow or the task, which stop their children themselves.
    over = and_(parent.phase.in_(TERMINAL), parent.updated_at < func.now() - deps.settings.close_grace)
    columns = (child.execution_project, child.execution_domain, child.execution_name, parent.execution_name)
    launched = (
        select(*columns)
        .join(parent, parent.id == child.source_execution_id)
        .where(
            child.parent_node_execution_id != 0, is_open(child, or_aborting=False), or_(parent.phase == "ABORTED", over)
        )
        .limit(PAGE)
    )
    eager = (
        select(*columns)
        .join(tag, _names(tag, child, tag.execution_name))
        .join(parent, _names(tag, parent, tag.value))
        .where(
            tag.key == naming.EAGER_LABEL,
            parent.phase != "SUCCEEDED",
            is_open(child, or_aborting=False),
            or_(parent.phase.in_(("ABORTING", "ABORTED")), over),
        )
        .limit(PAGE)
    )
    async with deps.sessions() as session:
        found = [row for query in (launched, eager) for row in await session.execute(query)]
    await concurrency.for_each(found, partial(_abort_orphan, deps, findings))


async def _abort_orphan(deps: Dependencies, findings: Findings, found: Row[str, str, str, str]) -> None:
    project, domain, name, parent_name = found
    execution_id = identifiers.execution_identifier((project, domain, name))
    try:
        cause = aborting.cascade(parent_name)
        await aborting.terminate(deps, admin_execution_pb2.ExecutionTerminateRequest(id=execution_id, cause=cause))
    except errors.AlreadyTerminal:  # It ended since the query.
        return
    findings.add("parent_ended", execution_id, parent=parent_name)


def _names(
    tag: type[ExecutionTagRow], execution: type[ExecutionRow], name: InstrumentedAttribute[str]
) -> ColumnElement[bool]:
    return and_(
        execution.execution_project == tag.execution_project,
        execution.execution_domain == tag.execution_domain,
        execution.execution_name == name,
    )
