"""The number of schedules that an installation has at once."""

from flyteidl.admin import launch_plan_pb2
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.base.models import LaunchPlanRow
from flytetemporal.errors import QuotaExceeded


async def check(session: AsyncSession, plan: LaunchPlanRow, limit: int) -> None:
    """Refuse to activate a version whose schedule would be one too many. ``limit`` 0: any number.

    Activations of schedules wait for each other until the transaction ends.

    Raises:
        QuotaExceeded: as many launch plans have an active schedule as the installation allows.
    """
    if not limit or plan.schedule_type == "NONE":
        return
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("active schedules", 0))))
    row = LaunchPlanRow
    query = select(func.count()).where(
        row.state == launch_plan_pb2.ACTIVE,
        row.schedule_type != "NONE",
        # Another version's schedule is replaced.
        (row.project != plan.project) | (row.domain != plan.domain) | (row.name != plan.name),
    )
    if int((await session.execute(query)).scalar_one()) >= limit:
        raise QuotaExceeded(
            f"launch plan {plan.name} cannot be activated: {limit} launch plans with a schedule are active; deactivate "
            "one, or raise admin.max_active_schedules"
        )
