"""Pause and resume projects, launch plans, executions and nodes; list pauses. Flyte's API has none of it.

The row is committed first and delivered second, so a pause survives everything. The sweeper delivers what the call
could not.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from flyteidl.admin import execution_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import ColumnElement, Select, false, func, select, true, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlalchemy.sql.selectable import LateralFromClause

from flytetemporal import errors
from flytetemporal.admin.base import execution_lookup, execution_rows, operator_actions, stored_messages, validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow, ExecutionTagRow, LaunchPlanRow, PauseRow, ProjectRow, is_open
from flytetemporal.admin.control import concurrency, pausable_nodes
from flytetemporal.admin.executions import pausing
from flytetemporal.contracts.v1 import pauses_pb2
from flytetemporal.idl import naming, phases

Target = pauses_pb2.PauseTarget
ExecutionId = identifier_pb2.WorkflowExecutionIdentifier
MAX_REASON_LENGTH = 4096
LISTED, MOST_LISTED = 100, 1000
# Executions that a call delivers to before it answers; the sweeper delivers to the others.
PAGE = 200


async def pause(deps: Dependencies, request: pauses_pb2.PauseRequest) -> pauses_pb2.PauseResponse:
    """Record a pause and deliver it. Pausing again replaces reason and mode.

    Raises:
        NotFound: the target does not exist.
        FailedPrecondition: the execution or the node has ended.
    """
    target = _checked(request.target, given=request.HasField("target"))
    validation.check_length(request.reason, "reason", MAX_REASON_LENGTH)
    validation.check_length(request.paused_by, "paused_by", validation.MAX_NAME_LENGTH)
    if target.kind == Target.NODE:
        await pausable_nodes.check(deps, target)
    async with deps.sessions.begin() as session:
        await _check_exists(deps, session, target)
        await _check_runs(session, target)
        row = await _locked(session, target) or _new(target)
        if not (row.is_active and _says(row, request)):
            row.paused_at = row.paused_at if row.is_active else datetime.now(UTC)
            row.is_active = row.undelivered = True
            row.stop_running, row.reason, row.paused_by = request.stop_running, request.reason, request.paused_by
            row.revision = await _next_revision(session)
            session.add(row)
            _record(session, request.paused_by, "pause", target, stop_running=row.stop_running, reason=row.reason)
        found, revision = pausing.message(row), row.revision
    await deliver(deps, target, revision, pages=1)
    return pauses_pb2.PauseResponse(pause=found)


async def resume(deps: Dependencies, request: pauses_pb2.ResumeRequest) -> pauses_pb2.ResumeResponse:
    """End a pause and deliver that. Return the pauses that keep the target waiting anyway.

    Resuming a launch plan resumes its schedule, too.

    Raises:
        NotFound: the target does not exist.
    """
    target = _checked(request.target, given=request.HasField("target"))
    validation.check_length(request.resumed_by, "resumed_by", validation.MAX_NAME_LENGTH)
    async with deps.sessions.begin() as session:
        await _check_exists(deps, session, target)
        was_paused = await _end(session, target, request.resumed_by)
        if target.kind == Target.LAUNCH_PLAN:
            was_paused |= await _end(session, _schedule_of(target), request.resumed_by)
        row = await _locked(session, target)
        revision = 0 if row is None else row.revision
    if revision:
        await deliver(deps, target, revision, pages=1)
    return pauses_pb2.ResumeResponse(remaining=await _remaining(deps, target), was_paused=was_paused)


async def _end(session: AsyncSession, target: Target, operator: str) -> bool:
    """End a pause in the database; return whether there was one."""
    row = await _locked(session, target)
    if row is None or not row.is_active:
        return False
    # A schedule has no workflow to deliver it to.
    row.is_active, row.undelivered = False, target.kind != Target.SCHEDULE
    row.revision = await _next_revision(session)
    _record(session, operator, "resume", target)
    return True


def _schedule_of(target: Target) -> Target:
    return Target(kind=Target.SCHEDULE, project=target.project, domain=target.domain, name=target.name)


async def list_pauses(deps: Dependencies, request: pauses_pb2.ListPausesRequest) -> pauses_pb2.ListPausesResponse:
    """List the pauses of a project, or those that apply to an execution, which can be of another project."""
    validation.check_names(request, "project")
    for field in ("domain", "execution"):
        validation.check_length(getattr(request, field), field, validation.MAX_NAME_LENGTH)
    if request.limit > MOST_LISTED:
        raise errors.InvalidRequest(f"limit is {request.limit}; list at most {MOST_LISTED} pauses at once")
    if request.execution:
        execution_id = ExecutionId(project=request.project, domain=request.domain, name=request.execution)
        execution_lookup.check_execution_id(execution_id)
        async with deps.sessions() as session:
            await execution_lookup.execution(session, execution_id)
            return pauses_pb2.ListPausesResponse(pauses=(await pausing.effective(session, execution_id)).pauses)
    limit, row = request.limit or LISTED, PauseRow
    query = select(row).where(row.is_active, row.project == request.project)
    if request.domain:
        query = query.where(row.domain.in_(("", request.domain)))
    if request.token:
        query = query.where(row.revision < _revision_of(request.token))
    async with deps.sessions() as session:
        rows = (await session.scalars(query.order_by(row.revision.desc()).limit(limit))).all()
    token = str(rows[-1].revision) if len(rows) == limit else ""
    return pauses_pb2.ListPausesResponse(pauses=[pausing.message(found) for found in rows], token=token)


async def deliver(deps: Dependencies, target: Target, revision: int, *, pages: int = 0) -> bool:
    """Deliver a change to the open executions that it concerns; return whether all of them have it.

    At most ``pages`` pages of executions; 0: all.
    """
    query, after, complete = _owed(target, revision), 0, True
    while True:
        async with deps.sessions() as session:
            page = (await session.execute(query.where(ExecutionRow.id > after).limit(PAGE))).all()
        done = await _deliver_to(deps, [execution_rows.execution_id(row) for row in page])
        complete &= done == len(page)
        if len(page) < PAGE:
            break
        pages -= 1
        if pages == 0 or not done:  # Temporal does not answer: the pages behind would fail likewise.
            return False
        after = page[-1].id
    if complete:
        async with deps.sessions.begin() as session:
            row = await _locked(session, target)
            if row is not None and row.revision == revision:
                row.undelivered = False
    return complete


async def _deliver_to(deps: Dependencies, execution_ids: Sequence[ExecutionId]) -> int:
    """Deliver pauses to some executions; return how many have them."""
    done = 0

    async def to_one(execution_id: ExecutionId) -> None:
        nonlocal done
        is_done = await pausing.deliver(deps, execution_id)
        done += is_done

    await concurrency.for_each(execution_ids, to_one)
    return done


def _owed(target: Target, revision: int) -> Select[int, str, str, str]:
    """Select the open executions that the target covers and that have an older revision."""
    parent, row = aliased(ExecutionRow), ExecutionRow
    covered = _first(target).cte("covered", recursive=True)
    # One part for both kinds of children: Postgres allows the recursive table once.
    below = _children(parent)
    covered = covered.union(
        select(below.c.id).select_from(covered).join(parent, parent.id == covered.c.id).join(below, true())
    )
    return (
        select(row.id, row.execution_project, row.execution_domain, row.execution_name)
        .where(row.id.in_(select(covered.c.id)), row.pause_revision < revision, is_open(row))
        .order_by(row.id)
    )


def _children(parent: type[ExecutionRow]) -> LateralFromClause:
    """Select the open executions that the launch plan nodes and eager tasks of an execution have launched."""
    child, eager, tag = aliased(ExecutionRow), aliased(ExecutionRow), ExecutionTagRow
    launched = select(child.id).where(
        child.source_execution_id == parent.id, child.parent_node_execution_id != 0, is_open(child)
    )
    by_eager = select(eager.id).join(
        tag,
        (tag.execution_project == eager.execution_project)
        & (tag.execution_domain == eager.execution_domain)
        & (tag.execution_name == eager.execution_name),
    )
    by_eager = by_eager.where(
        tag.execution_project == parent.execution_project,
        tag.execution_domain == parent.execution_domain,
        tag.key == naming.EAGER_LABEL,
        tag.value == parent.execution_name,
        is_open(eager),
    )
    return union_all(launched.correlate(parent), by_eager.correlate(parent)).lateral("below")


def _first(target: Target) -> Select[int]:
    """Select the open executions that a target covers, without those below them."""
    row = ExecutionRow
    query = select(row.id).where(is_open(row))
    match target.kind:
        case Target.PROJECT:
            query = query.where(row.execution_project == target.project)
            return query.where(row.execution_domain == target.domain) if target.domain else query
        case Target.SCHEDULE:
            return query.where(false())
        case Target.LAUNCH_PLAN:
            plans = select(LaunchPlanRow.id).where(_is_plan(target))
            return query.where(row.launch_plan_id.in_(plans))
        case _:
            return query.where(
                row.execution_project == target.project,
                row.execution_domain == target.domain,
                row.execution_name == target.name,
            )


def _is_plan(target: Target) -> ColumnElement[bool]:
    plan = LaunchPlanRow
    return (plan.project == target.project) & (plan.domain == target.domain) & (plan.name == target.name)


def _checked(target: Target, *, given: bool) -> Target:
    """Refuse a target that is incomplete, or that has parts which its kind does not have."""
    if not given:
        raise validation.missing("target")
    if target.kind not in Target.Kind.values():
        raise validation.invalid("target.kind")
    required = {Target.PROJECT: ("project",), Target.NODE: ("project", "domain", "name", "node_id")}
    fields = required.get(target.kind, ("project", "domain", "name"))
    validation.check_names(target, *fields)
    allowed = ("project", "domain") if target.kind == Target.PROJECT else fields
    for field in ("domain", "name", "node_id"):
        if getattr(target, field) and field not in allowed:
            raise errors.InvalidRequest(f"a target of kind {Target.Kind.Name(target.kind)} has no {field}")
    validation.check_length(target.domain, "domain", validation.MAX_NAME_LENGTH)
    return target


async def _check_exists(deps: Dependencies, session: AsyncSession, target: Target) -> None:
    if target.kind == Target.PROJECT:
        if await session.get(ProjectRow, target.project) is None:
            raise errors.NotFound(f"project {target.project} does not exist")
        if target.domain:
            validation.check_domain(deps, target.domain)
    elif target.kind in (Target.LAUNCH_PLAN, Target.SCHEDULE):
        if await session.scalar(select(LaunchPlanRow.id).where(_is_plan(target)).limit(1)) is None:
            name = f"{target.project}:{target.domain}:{target.name}"
            raise errors.NotFound(f"launch plan {name} does not exist in any version")
    else:
        await execution_lookup.execution(session, _execution_id(target))


async def _check_runs(session: AsyncSession, target: Target) -> None:
    """Refuse to pause an execution that has ended, or is about to. Its lock keeps its end out meanwhile."""
    if target.kind not in (Target.EXECUTION, Target.NODE):
        return
    row = await execution_lookup.locked_execution(session, _execution_id(target))
    closure = stored_messages.parse(execution_pb2.ExecutionClosure, row.closure)
    phase = phases.W.Phase.Name(closure.phase)
    if closure.phase in phases.WORKFLOW_TERMINAL:
        raise errors.FailedPrecondition(f"execution {target.name} has ended ({phase}) and cannot be paused")
    if closure.phase == phases.W.ABORTING:
        raise errors.FailedPrecondition(f"execution {target.name} is being aborted and cannot be paused")


async def _locked(session: AsyncSession, target: Target) -> PauseRow | None:
    # Changes of all pauses come one after the other, so that a reader who sees a revision sees all lower ones, too.
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("pauses", 0))))
    key = (Target.Kind.Name(target.kind), target.project, target.domain, target.name, target.node_id)
    return await session.get(PauseRow, key, populate_existing=True)


def _new(target: Target) -> PauseRow:
    return PauseRow(
        kind=Target.Kind.Name(target.kind),
        project=target.project,
        domain=target.domain,
        name=target.name,
        node_id=target.node_id,
        is_active=False,
    )


def _says(row: PauseRow, request: pauses_pb2.PauseRequest) -> bool:
    return (row.stop_running, row.reason, row.paused_by) == (request.stop_running, request.reason, request.paused_by)


async def _next_revision(session: AsyncSession) -> int:
    return int((await session.execute(select(pausing.newest_revision() + 1))).scalar_one())


def _record(session: AsyncSession, operator: str, action: str, target: Target, **details: object) -> None:
    kind = Target.Kind.Name(target.kind)
    key = (target.project, target.domain, target.name)
    operator_actions.record(session, operator, action, key, target.node_id, kind=kind, **details)


async def _remaining(deps: Dependencies, target: Target) -> list[pauses_pb2.Pause]:
    if target.kind not in (Target.EXECUTION, Target.NODE):
        return []
    async with deps.sessions() as session:
        found = await pausing.effective(session, _execution_id(target))
    if target.kind == Target.EXECUTION:
        return list(found.pauses)  # Also those of its nodes.
    own = (Target.NODE, target.name)
    return [
        pause
        for pause in found.pauses
        if (pause.target.kind, pause.target.name) != own or pause.target.node_id == target.node_id
    ]


def _revision_of(token: str) -> int:
    if not token.isascii() or not token.isdigit() or len(token) > 18:
        raise errors.InvalidRequest("invalid value for token: pass the token of the page before")
    return int(token)


def _execution_id(target: Target) -> ExecutionId:
    return ExecutionId(project=target.project, domain=target.domain, name=target.name)
