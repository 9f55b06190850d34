"""The limit that a launch plan sets on the number of its executions that are open at once."""

from flyteidl.admin import launch_plan_pb2
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.base.models import ExecutionRow, LaunchPlanRow, is_open
from flytetemporal.admin.executions.launch_targets import LaunchTarget


async def check(session: AsyncSession, target: LaunchTarget, *, lock: bool) -> None:
    """Refuse a launch if the launch plan's concurrency policy skips it.

    ``lock``: other launches of the launch plan wait until the transaction ends, so that none is counted too late.

    Raises:
        AlreadyExists: as many executions of the launch plan, in any version, are open as the policy allows.
    """
    if target.launch_plan is None or not target.launch_plan.concurrency_policy.max:
        return
    policy = target.launch_plan.concurrency_policy
    if policy.behavior != launch_plan_pb2.CONCURRENCY_LIMIT_BEHAVIOR_SKIP:
        return
    plan = (await session.scalars(select(LaunchPlanRow).where(LaunchPlanRow.id == target.launch_plan_row))).one()
    if lock:
        # Versions of one name share the limit, so the lock is on the name. Any number will do that derives from it.
        name = f"concurrency limit of {plan.project}:{plan.domain}:{plan.name}"
        await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))
    query = (
        select(func.count())
        .select_from(ExecutionRow)
        .join(LaunchPlanRow, LaunchPlanRow.id == ExecutionRow.launch_plan_id)
        .where(
            LaunchPlanRow.project == plan.project,
            LaunchPlanRow.domain == plan.domain,
            LaunchPlanRow.name == plan.name,
            is_open(ExecutionRow, or_aborting=False),
        )
    )
    if (await session.execute(query)).scalar_one() >= policy.max:
        raise errors.AlreadyExists(
            f"concurrency limit ({policy.max}) reached for launch plan {plan.name}; skipping execution"
        )
