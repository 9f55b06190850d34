"""Pauses of schedules: which one keeps a schedule from launching, and the one that follows a failure.

A schedule launches nothing while it, its launch plan or its project is paused. Temporal fires anyway, and the result of
its workflow says why there is no execution.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from flyteidl.admin import execution_pb2, launch_plan_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import and_, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.base import operator_actions, stored_messages
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow, LaunchPlanRow, PauseRow
from flytetemporal.admin.schedules import policies
from flytetemporal.idl import error_text, identifiers

SCHEDULE = "SCHEDULE"
FAILED = ("FAILED", "TIMED_OUT")
# Who pauses a schedule after a failure, as others see it.
OPERATOR = "flytetemporal"


async def in_force(session: AsyncSession, project: str, domain: str, name: str) -> PauseRow | None:
    """Return the oldest pause that keeps the schedule of a launch plan from launching; None if there is none."""
    row = PauseRow
    own = and_(row.kind.in_(("LAUNCH_PLAN", SCHEDULE)), row.domain == domain, row.name == name)
    whole = and_(row.kind == "PROJECT", row.domain.in_(("", domain)))
    query = select(row).where(row.is_active, row.project == project, or_(own, whole)).order_by(row.revision).limit(1)
    return (await session.scalars(query)).one_or_none()


def text(pause: PauseRow) -> str:
    """Return what is paused, by whom and why."""
    what = {"PROJECT": f"project {pause.project}", "LAUNCH_PLAN": f"launch plan {pause.name}"}
    by = f" by {pause.paused_by}" if pause.paused_by else ""
    reason = error_text.headline(pause.reason) or "no reason was given"
    return f"{what.get(pause.kind, f'the schedule of launch plan {pause.name}')} is paused{by}: {reason}"


async def after_failure(session: AsyncSession, plan: LaunchPlanRow) -> None:
    """Pause the schedule of an active launch plan that asks for it, if an execution of the schedule has failed.

    Failures before its activation, or before the schedule was last resumed, do not count.
    """
    spec = stored_messages.parse(launch_plan_pb2.LaunchPlanSpec, plan.spec)
    if not policies.read(spec.annotations).pause_on_failure:
        return
    # The lock of all changes of pauses: see ``control/pauses``.
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("pauses", 0))))
    key = (SCHEDULE, plan.project, plan.domain, plan.name, "")
    row = await session.get(PauseRow, key, populate_existing=True)
    if row is not None and row.is_active:
        return
    since = plan.updated_at if row is None else max(plan.updated_at, row.updated_at)
    since = plan.updated_at if row is None else max(plan.updated_at, row.updated_at)
    failed = await _failed_since(session, plan, since)
    if failed is None:
        return
    row = row or PauseRow(kind=SCHEDULE, project=plan.project, domain=plan.domain, name=plan.name, node_id="")
    row.is_active, row.stop_running, row.undelivered = True, False, False
    row.paused_by, row.paused_at = OPERATOR, datetime.now(UTC)
    row.reason = f"execution {failed} of the schedule has failed"
    row.revision = int((await session.execute(select(func.coalesce(func.max(PauseRow.revision), 0) + 1))).scalar_one())
    session.add(row)
    operator_actions.record(session, OPERATOR, "pause", key[1:4], kind=SCHEDULE, reason=row.reason)


async def after_ends(deps: Dependencies, failed: Sequence[identifier_pb2.WorkflowExecutionIdentifier]) -> None:
    """Pause the schedules that have launched executions which have failed, if their launch plans ask for it."""
    active, launched, row = LaunchPlanRow, LaunchPlanRow.__table__.alias("launched"), ExecutionRow
    same_name = and_(
        launched.c.project == active.project, launched.c.domain == active.domain, launched.c.name == active.name
    )
    keys = tuple_(row.execution_project, row.execution_domain, row.execution_name)
    query = (
        select(active)
        .join(launched, same_name)
        .join(row, row.launch_plan_id == launched.c.id)
        .where(
            active.state == launch_plan_pb2.ACTIVE,
            active.schedule_type != "NONE",
            row.mode == execution_pb2.ExecutionMetadata.SCHEDULED,
            keys.in_([identifiers.execution_key(execution_id) for execution_id in failed]),
        )
    )
    async with deps.sessions.begin() as session:
        for plan in (await session.scalars(query)).unique():
            await after_failure(session, plan)


async def _failed_since(session: AsyncSession, plan: LaunchPlanRow, since: datetime) -> str | None:
    """Return the name of the newest execution of a schedule that has failed after a time; None if none has."""
    row, version = ExecutionRow, LaunchPlanRow
    query = (
        select(row.execution_name)
        .join(version, version.id == row.launch_plan_id)
        .where(
            version.project == plan.project,
            version.domain == plan.domain,
            version.name == plan.name,
            row.mode == execution_pb2.ExecutionMetadata.SCHEDULED,
            row.phase.in_(FAILED),
            row.execution_updated_at > since,
        )
        .order_by(row.id.desc())
        .limit(1)
    )
    return await session.scalar(query)
