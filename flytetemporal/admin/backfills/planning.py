"""Which times a backfill has: the request checked, the launch plan found, its schedule computed."""

import asyncio
import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flyteidl.admin import launch_plan_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.base import stored_messages, validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import LaunchPlanRow
from flytetemporal.admin.base.temporal_schedules import Schedule
from flytetemporal.admin.concurrency import policies
from flytetemporal.admin.registry import entity_rows
from flytetemporal.admin.schedules import counting, occurrences, reconciliation
from flytetemporal.admin.schedules.counting import Count
from flytetemporal.contracts.v1 import backfills_pb2
from flytetemporal.idl import identifiers, times

# What no request can exceed.
MOST_RUNS = 10_000
# Times that a dry run counts.
MOST_COUNTED = 1_000_000
MOST_PARALLEL = 100
MAX_REASON_LENGTH = 4096
# The clock of a caller who says "now" can be ahead of ours.
CLOCK_SKEW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Plan:
    """A version of a launch plan, and the times of its schedule in a range, oldest first.

    ``parallel`` is how many of them run at once. A dry run only counts the times.
    """

    launch_plan: identifier_pb2.Identifier
    parallel: int
    start: datetime
    end: datetime
    times: Sequence[datetime]
    count: Count


async def plan(deps: Dependencies, request: backfills_pb2.StartBackfillRequest) -> Plan:
    """Return what a request asks for.

    Raises:
        InvalidRequest: a field is wrong, or there are more times than any request can have.
        NotFound: the launch plan does not exist.
        FailedPrecondition: it has no schedule.
    """
    wanted = request.launch_plan
    start, end = _checked(request)
    await validation.check_project_and_domain(deps, wanted.project, wanted.domain)
    async with deps.sessions() as session:
        row = await _launch_plan(session, wanted)
    schedule = _schedule(deps, row)
    identifier = identifiers.identifier(identifier_pb2.LAUNCH_PLAN, entity_rows.key(row))
    parallel = min(request.parallel or 1, most_at_once(row))
    if request.dry_run:
        counted = await asyncio.to_thread(counting.count, schedule, start, end, MOST_COUNTED)
        return Plan(identifier, parallel, start, end, (), counted)
    found = await asyncio.to_thread(_times, schedule, start, end)
    if len(found) > MOST_RUNS:
        raise errors.InvalidRequest(
            f"launch plan {row.name} has more than {MOST_RUNS} times between {start:%Y-%m-%dT%H:%M:%SZ} and "
            f"{end:%Y-%m-%dT%H:%M:%SZ}; give a shorter range"
        )
    counted = Count(len(found), found[0], found[-1]) if found else Count(0, None, None)
    return Plan(identifier, parallel, start, end, found, counted)


def most_at_once(row: LaunchPlanRow) -> int:
    """Return how many executions can run without one taking the place of another."""
    spec = stored_messages.parse(launch_plan_pb2.LaunchPlanSpec, row.spec)
    policy = policies.read(spec.annotations)
    return policy.places if policy is not None and policy.on_limit == "replace" else MOST_PARALLEL


def _checked(request: backfills_pb2.StartBackfillRequest) -> tuple[datetime, datetime]:
    """Return the range of times. Raises ``InvalidRequest``."""
    if not request.HasField("launch_plan"):
        raise validation.missing("launch_plan")
    validation.check_names(request.launch_plan, "project", "domain", "name")
    validation.check_length(request.launch_plan.version, "version", validation.MAX_NAME_LENGTH)
    validation.check_length(request.reason, "reason", MAX_REASON_LENGTH)
    for field in ("request_id", "started_by"):
        validation.check_length(getattr(request, field), field, validation.MAX_NAME_LENGTH)
    check_parallel(request.parallel)
    if request.allowed_runs > MOST_RUNS:
        raise errors.InvalidRequest(f"allowed_runs is {request.allowed_runs}; it can be {MOST_RUNS} at most")
    validation.check_present(request, "start", "end")
    start, end, now = times.moment(request.start), times.moment(request.end), datetime.now(UTC)
    if start < occurrences.EPOCH:
        raise errors.InvalidRequest(f"start {start:%Y-%m-%d} is before 1970; give a later one")
    if start >= end:
        raise errors.InvalidRequest(f"start {start:%Y-%m-%dT%H:%M:%SZ} is not before end {end:%Y-%m-%dT%H:%M:%SZ}")
    if end > now + CLOCK_SKEW:
        raise errors.InvalidRequest(
            f"end {end:%Y-%m-%dT%H:%M:%SZ} is in the future; a backfill launches times that have passed, and the "
            "active version launches the others by itself"
        )
    return start, min(end, now)


def check_parallel(parallel: int) -> None:
    """Refuse a number of executions that may run at once. Raises ``InvalidRequest``."""
    if parallel > MOST_PARALLEL:
        raise errors.InvalidRequest(f"parallel is {parallel}; it can be {MOST_PARALLEL} at most")


async def _launch_plan(session: AsyncSession, wanted: identifier_pb2.Identifier) -> LaunchPlanRow:
    """Return the version that is wanted; if none is named, the active one, else the newest. Raises ``NotFound``."""
    row = LaunchPlanRow
    query = select(row).where(row.project == wanted.project, row.domain == wanted.domain, row.name == wanted.name)
    if wanted.version:
        query = query.where(row.version == wanted.version)
    found = (await session.scalars(query.order_by(row.state.desc(), row.id.desc()).limit(1))).one_or_none()
    if found is None and wanted.version:
        raise entity_rows.missing(identifier_pb2.LAUNCH_PLAN, wanted)
    if found is None:
        name = f"{wanted.project}:{wanted.domain}:{wanted.name}"
        raise errors.NotFound(f"launch plan {name} does not exist in any version")
    return found


def _schedule(deps: Dependencies, row: LaunchPlanRow) -> Schedule:
    schedule = reconciliation.desired(row, deps.settings)
    if schedule is None:
        raise errors.FailedPrecondition(
            f"launch plan {':'.join(entity_rows.key(row))} has no schedule, so it has no times to launch; "
            "name a version that has one"
        )
    if row.state == launch_plan_pb2.ACTIVE:
        return schedule
    # Intervals are counted from the activation. Without one, the Unix epoch makes the times the same for every call.
    return dataclasses.replace(schedule, anchor=timedelta())


def _times(schedule: Schedule, start: datetime, end: datetime) -> list[datetime]:
    """Return the times, at most one more than a backfill can have."""
    return list(itertools.islice(occurrences.between(schedule, start, end), MOST_RUNS + 1))
