"""Stop what runs in a project that is being deleted, and what launches executions there."""

import contextlib

from flyteidl.admin import execution_pb2, launch_plan_pb2
from sqlalchemy import select, update

from flytetemporal import errors
from flytetemporal.admin.backfills import records, starting
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow, LaunchPlanRow, is_open
from flytetemporal.admin.executions import aborting
from flytetemporal.admin.outbox.backfill_models import BackfillRow
from flytetemporal.admin.outbox.trigger_models import TriggerRow
from flytetemporal.admin.schedules import reconciliation
from flytetemporal.idl import identifiers
from flytetemporal.storage.concurrency import for_each

PAGE = 200
_AT_ONCE = 8
_ACTIVE, _INACTIVE = launch_plan_pb2.ACTIVE, launch_plan_pb2.INACTIVE


async def stop_launching(deps: Dependencies, project: str) -> bool:
    """Deactivate launch plans and triggers, delete schedules, and cancel backfills.

    Return whether no backfill is left that has not ended: its workflow aborts what it has launched.

    Raises:
        Unavailable: Temporal does not answer.
    """
    plan, trigger, backfill = LaunchPlanRow, TriggerRow, BackfillRow
    async with deps.sessions.begin() as session:
        # In the order in which activations lock them.
        active = select(plan.id).where(plan.project == project, plan.state == _ACTIVE).order_by(plan.id)
        numbers = (await session.scalars(active.with_for_update())).all()
        await session.execute(update(plan).where(plan.id.in_(numbers)).values(state=_INACTIVE))
        await session.execute(
            update(trigger).where(trigger.project == project, trigger.is_active).values(is_active=False)
        )
        is_open_ = (backfill.project == project) & backfill.ended_at.is_(None)
        cancelled = {"state": "CANCELLED", "abort_running": True, "waits_for": ""}
        await session.execute(update(backfill).where(is_open_, backfill.state != "CANCELLED").values(cancelled))
        backfills = (await session.scalars(select(backfill).where(is_open_))).all()
    for row in backfills:
        await starting.wake(deps, records.message(row))
    scheduled = select(plan.domain, plan.name).where(plan.project == project, plan.schedule_type != "NONE").distinct()
    async with deps.sessions() as session:
        names = (await session.execute(scheduled)).all()
    await for_each(lambda name: reconciliation.apply(deps, project, name.domain, name.name), names, _AT_ONCE)
    return not backfills


async def abort_some(deps: Dependencies, project: str, cause: str) -> int:
    """Abort executions that run; return how many have not ended, up to a page."""
    row = ExecutionRow
    query = select(row.execution_domain, row.execution_name, row.phase)
    query = query.where(row.execution_project == project, is_open(row)).order_by(row.phase == "ABORTING", row.id)
    async with deps.sessions() as session:
        found = (await session.execute(query.limit(PAGE))).all()
    for domain, name, phase in found:
        if phase != "ABORTING":
            execution_id = identifiers.execution_identifier((project, domain, name))
            # One that has ended since needs no abort.
            with contextlib.suppress(errors.FailedPrecondition, errors.NotFound):
                await aborting.terminate(deps, execution_pb2.ExecutionTerminateRequest(id=execution_id, cause=cause))
    return len(found)
