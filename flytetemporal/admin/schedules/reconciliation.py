"""Make the schedules in Temporal what the rows of launch plans say.

The row is committed first. The schedule of its name follows at once or, if admin dies or Temporal does not answer in
between, in a round of the sweeper. A schedule that fires in the meantime launches nothing: its version is not active.
"""

from collections.abc import Sequence
from datetime import timedelta

import structlog
from flyteidl.admin import launch_plan_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.base import stored_messages
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import LaunchPlanRow
from flytetemporal.admin.base.temporal_schedules import PREFIX, Schedule, schedule_id
from flytetemporal.admin.schedules import grammar, policies
from flytetemporal.config.admin import AdminSettings
from flytetemporal.contracts.v1 import control_pb2
from flytetemporal.errors import FlyteError, InvalidRequest
from flytetemporal.idl import identifiers, times

ACTIVE, LAUNCH_PLAN = launch_plan_pb2.ACTIVE, identifier_pb2.LAUNCH_PLAN
# Rows that are read at once.
PAGE = 500

_log = structlog.get_logger(__name__)


def desired(row: LaunchPlanRow, settings: AdminSettings) -> Schedule | None:
    """Return the schedule of a launch plan that is active; None if it has none.

    Raises:
        InvalidRequest: the schedule can never fire; a version of this program accepted it that knew less.
    """
    spec = stored_messages.parse(launch_plan_pb2.LaunchPlanSpec, row.spec)
    timing = grammar.parse(spec.entity_metadata.schedule)
    if timing is None:
        return None
    policy = policies.read(spec.annotations)
    plan = identifiers.identifier(LAUNCH_PLAN, _key(row))
    seconds = timing.every // timedelta(seconds=1)
    return Schedule(
        argument=control_pb2.LaunchSchedule(launch_plan=plan, delay=times.duration(timing.delay)),
        crons=timing.crons,
        every=timing.every,
        # As in Flyte, intervals are counted from the activation.
        anchor=timedelta(seconds=int(row.updated_at.timestamp()) % seconds) if seconds else timedelta(),
        time_zone=timing.time_zone or policy.time_zone or settings.schedule_time_zone,
        catch_up=policy.catch_up if policy.catch_up is not None else settings.schedule_catch_up,
        jitter=policy.jitter,
    )


async def apply(deps: Dependencies, project: str, domain: str, name: str) -> bool:
    """Make the schedule of one launch plan what its rows say; return whether that changed anything.

    Raises:
        InvalidRequest: Temporal refuses the schedule.
        Unavailable: Temporal does not answer.
    """
    schedule = await wanted(deps, project, domain, name)
    if schedule is None:
        return await deps.schedules.delete(schedule_id(project, domain, name))
    return await deps.schedules.put(schedule)


async def apply_soon(deps: Dependencies, project: str, domain: str, name: str) -> None:
    """Do as ``apply``, but leave it to the sweeper if that is not possible now."""
    try:
        await apply(deps, project, domain, name)
    except FlyteError as e:
        _log.warning("schedule_not_applied", launch_plan=f"{project}:{domain}:{name}", problem=e.message)


async def apply_all(deps: Dependencies) -> list[str]:
    """Compare all launch plans with all schedules both ways; return the ids of the schedules that were not right."""
    # Temporal's list is late, and the rows may have changed, so both are read again.
    return [found for found in await differing(deps) if await _applied(deps, *launch_plan_of(found))]


async def differing(deps: Dependencies) -> list[str]:
    """Return the ids of schedules that are not what the rows say, in Temporal's list, which can be seconds late."""
    existing = {identifier: digest async for identifier, digest in deps.schedules.digests()}
    recorded: dict[str, str] = {}
    async with deps.sessions() as session:
        last = 0
        while rows := await _page(session, last):
            last = rows[-1].id
            for row in rows:
                schedule = _readable(row, deps.settings)
                if schedule is not None:
                    recorded[schedule.id] = schedule.digest
    found = [identifier for identifier in existing if identifier not in recorded]
    found += [identifier for identifier, digest in recorded.items() if existing.get(identifier) != digest]
    return sorted(found)


def launch_plan_of(identifier: str) -> tuple[str, str, str]:
    """Return project, domain and name of the launch plan of a schedule."""
    project, domain, name = identifier.removeprefix(PREFIX).split(":", 2)
    return project, domain, name


async def wanted(deps: Dependencies, project: str, domain: str, name: str) -> Schedule | None:
    """Return the schedule that a launch plan should have; None if it should have none.

    Raises:
        InvalidRequest: the schedule of the active version can never fire.
    """
    async with deps.sessions() as session:
        row = await _active(session, project, domain, name)
    return None if row is None else desired(row, deps.settings)


async def _applied(deps: Dependencies, project: str, domain: str, name: str) -> bool:
    """Do as ``apply``; log what can never be applied, so that the schedules behind it are."""
    try:
        return await apply(deps, project, domain, name)
    except (InvalidRequest, stored_messages.UnreadableRow) as e:
        _log.warning("schedule_not_applied", launch_plan=f"{project}:{domain}:{name}", problem=e.message)
        return False


def _key(row: LaunchPlanRow) -> identifiers.EntityKey:
    return row.project, row.domain, row.name, row.version


async def _active(session: AsyncSession, project: str, domain: str, name: str) -> LaunchPlanRow | None:
    query = select(LaunchPlanRow).where(
        LaunchPlanRow.project == project,
        LaunchPlanRow.domain == domain,
        LaunchPlanRow.name == name,
        LaunchPlanRow.state == ACTIVE,
    )
    return (await session.scalars(query)).one_or_none()


async def _page(session: AsyncSession, last: int) -> Sequence[LaunchPlanRow]:
    query = (
        select(LaunchPlanRow)
        .where(LaunchPlanRow.state == ACTIVE, LaunchPlanRow.schedule_type != "NONE", LaunchPlanRow.id > last)
        .order_by(LaunchPlanRow.id)
        .limit(PAGE)
    )
    return (await session.scalars(query)).all()


def _readable(row: LaunchPlanRow, settings: AdminSettings) -> Schedule | None:
    """Return the schedule of a row; None, and a line in the log, if it has none that can fire."""
    try:
        return desired(row, settings)
    except (InvalidRequest, stored_messages.UnreadableRow) as e:
        _log.warning("schedule_not_applied", launch_plan=":".join(_key(row)), problem=e.message)
        return None
