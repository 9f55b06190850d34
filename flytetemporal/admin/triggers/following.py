"""Make the rows of triggers follow the active version of their launch plan, in the transaction that activates it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from flyteidl.admin import launch_plan_pb2
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.base import stored_messages
from flytetemporal.admin.base.models import LaunchPlanRow
from flytetemporal.admin.outbox.trigger_models import TriggerRow
from flytetemporal.admin.triggers import checks, declarations
from flytetemporal.admin.triggers.checks import PlanName
from flytetemporal.admin.triggers.declarations import Trigger
from flytetemporal.errors import FailedPrecondition, InvalidRequest


async def follow(session: AsyncSession, plan: PlanName, active: LaunchPlanRow | None) -> None:
    """Make the triggers of a launch plan those of its active version, if it has one.

    The caller holds the locks of all versions of the launch plan.

    Raises:
        FailedPrecondition: the triggers would close a cycle.
    """
    wanted = _declared(active)
    if any(trigger.success is not None for trigger in wanted):
        # Two activations at once could close a cycle that neither of them sees.
        await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("success triggers", 0))))
        try:
            await checks.check_cycle(session, plan, wanted)
        except InvalidRequest as e:
            raise FailedPrecondition(e.message) from e
    rows = await _rows(session, plan)
    if active is not None:
        for trigger in wanted:
            _put(session, rows.pop(trigger.name, None), plan, active.version, trigger)
    for row in rows.values():
        row.is_active = False


def _declared(active: LaunchPlanRow | None) -> Sequence[Trigger]:
    if active is None:
        return []
    return declarations.of_plan(stored_messages.parse(launch_plan_pb2.LaunchPlanSpec, active.spec))


async def _rows(session: AsyncSession, plan: PlanName) -> dict[str, TriggerRow]:
    project, domain, name = plan
    query = select(TriggerRow).where(
        TriggerRow.project == project, TriggerRow.domain == domain, TriggerRow.launch_plan == name
    )
    return {row.name: row for row in await session.scalars(query)}


def _put(session: AsyncSession, row: TriggerRow | None, plan: PlanName, version: str, trigger: Trigger) -> None:
    project, domain, name = plan
    if row is None:
        row = TriggerRow(project=project, domain=domain, launch_plan=name, name=trigger.name, is_active=False)
        session.add(row)
    if not row.is_active or _watches(declarations.from_stored(row.declaration)) != _watches(trigger):
        row.active_since = datetime.now(UTC)
        # What is found by the first pass is compared with this time.
        row.listed_until, row.is_first_pass = "", True
    row.is_active, row.version, row.kind = True, version, trigger.kind
    row.source_project, row.source_domain, row.source_name = checks.source_of(trigger, plan)
    row.declaration = declarations.stored(trigger)


def _watches(trigger: Trigger) -> tuple[str, str, bool]:
    return trigger.folder, trigger.suffix, trigger.existing
