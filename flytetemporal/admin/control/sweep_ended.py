"""Rows and workflows that do not agree on whether an execution has ended."""

from collections.abc import Sequence

from flyteidl.admin import execution_pb2 as admin_execution_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import ColumnElement, Row, and_, func, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, aliased

from flytetemporal import errors
from flytetemporal.admin.base import engine
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow, ExecutionTagRow
from flytetemporal.admin.control import concurrency
from flytetemporal.admin.control.findings import Findings
from flytetemporal.admin.executions import closing, workflow_executions
from flytetemporal.idl import identifiers, phases
from flytetemporal.idl.identifiers import ExecutionKey

PAGE = 500
TERMINAL = tuple(phases.W.Phase.Name(phase) for phase in sorted(phases.WORKFLOW_TERMINAL))
# The label by which flytekit names, on what an eager workflow launches, the execution of that workflow.
EAGER_LABEL = "eager-exec"
# Of a row that has never been started, or whose workflow has not begun to run.
NOT_BEGUN = "UNDEFINED"


async def close_ended(deps: Dependencies, findings: Findings, after: int) -> int:
    """Close open rows whose workflow has ended or is gone: one page, from row number ``after`` on.

    Returns the row number to go on with; 0 after the last page.
    """
    row = ExecutionRow
    query = (
        select(row.id, row.execution_project, row.execution_domain, row.execution_name, row.phase)
        .where(row.phase.not_in(TERMINAL), row.id > after)
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
    except errors.NotFound:
        if phase == NOT_BEGUN:
            return
        outcome = engine.failed("WorkflowNotFound", "Temporal does not know the workflow of this execution any more")
    if outcome is not None and await closing.close(deps, execution_id, outcome):
        phase = phases.W.Phase.Name(outcome.phase)
        findings.add("ended_unreported", execution_id, phase=phase, reason=outcome.error.message)


async def end_finished(deps: Dependencies, findings: Findings) -> None:
    """End workflows that run although their execution has ended: somebody reset one that was over."""
    async for page in deps.engine.running_executions(PAGE):
        over = await _terminal(deps, [identifiers.execution_key(execution_id) for execution_id in page])
        for execution_key in over:
            execution_id = identifiers.execution_identifier(execution_key)
            try:
                await deps.engine.terminate(execution_id, "the execution has ended; relaunch it to run it again")
            except errors.NotFound:
                continue  # It was about to end.
            findings.add("running_after_end", execution_id)


async def _terminal(deps: Dependencies, keys: Sequence[ExecutionKey]) -> list[ExecutionKey]:
    """Return those executions that ended some time ago; what has just ended closes its workflow by itself."""
    row = ExecutionRow
    columns = (row.execution_project, row.execution_domain, row.execution_name)
    query = select(*columns).where(
        tuple_(*columns).in_(keys), row.phase.in_(TERMINAL), row.updated_at < func.now() - deps.settings.close_grace
    )
    async with deps.sessions() as session:
        return [(project, domain, name) for project, domain, name in await session.execute(query)]


async def abort_orphans(deps: Dependencies, findings: Findings) -> None:
    """Abort executions that are there for the sake of another one that has ended.

    These are the children of launch plan nodes, and what an eager workflow has launched and, having failed, awaits no
    more: flytekit's own clean-up is only part of eager workflows that were registered as workflows.
    """
    child, parent, tag = aliased(ExecutionRow), aliased(ExecutionRow), ExecutionTagRow
    orphan = (
        child.phase.not_in((*TERMINAL, "ABORTING")),
        parent.phase.in_(TERMINAL),
        parent.updated_at < func.now() - deps.settings.close_grace,
    )
    columns = (child.execution_project, child.execution_domain, child.execution_name, parent.execution_name)
    launched = (
        select(*columns)
        .join(parent, parent.id == child.source_execution_id)
        .where(child.parent_node_execution_id != 0, *orphan)
        .limit(PAGE)
    )
    eager = (
        select(*columns)
        .join(tag, _names(tag, child, tag.execution_name))
        .join(parent, _names(tag, parent, tag.value))
        .where(tag.key == EAGER_LABEL, parent.phase != "SUCCEEDED", *orphan)
        .limit(PAGE)
    )
    async with deps.sessions() as session:
        found = [row for query in (launched, eager) for row in await session.execute(query)]
    for project, domain, name, parent_name in found:
        execution_id = identifiers.execution_identifier((project, domain, name))
        cause = f"cascading abort as parent execution id [{parent_name}] has ended"
        try:
            await workflow_executions.terminate(
                deps, admin_execution_pb2.ExecutionTerminateRequest(id=execution_id, cause=cause)
            )
        except errors.AlreadyTerminal:
            continue
        findings.add("parent_ended", execution_id, parent=parent_name)


def _names(
    tag: type[ExecutionTagRow], execution: type[ExecutionRow], name: InstrumentedAttribute[str]
) -> ColumnElement[bool]:
    return and_(
        execution.execution_project == tag.execution_project,
        execution.execution_domain == tag.execution_domain,
        execution.execution_name == name,
    )
