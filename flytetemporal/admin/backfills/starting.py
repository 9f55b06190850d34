"""Start a backfill, or only plan it.

Its rows are committed first, its workflow is started second; a loop starts what admin could not.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime

import structlog
from flyteidl.core import identifier_pb2
from sqlalchemy import ARRAY, ColumnElement, DateTime, func, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.backfills import planning, records
from flytetemporal.admin.backfills.planning import Plan
from flytetemporal.admin.base import operator_actions
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import LaunchPlanRow
from flytetemporal.admin.outbox.backfill_models import BackfillRow, BackfillRunRow
from flytetemporal.admin.registry import entity_rows
from flytetemporal.admin.upkeep.loops import Found
from flytetemporal.contracts.v1 import backfills_pb2
from flytetemporal.idl import identifiers, times

Request = backfills_pb2.StartBackfillRequest
# Digits of the digest in a name: enough for all backfills of a domain, and short enough to be typed.
NAME_DIGITS = 12
PAGE = 100

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def start(deps: Dependencies, request: Request) -> backfills_pb2.StartBackfillResponse:
    """Start a backfill, unless it was started before; see ``StartBackfillRequest.request_id``.

    Raises:
        InvalidRequest: a field is wrong, there is no time, or there are more than are allowed.
        NotFound: the launch plan does not exist.
        FailedPrecondition: it has no schedule.
    """
    plan = await planning.plan(deps, request)
    response = backfills_pb2.StartBackfillResponse()
    response.is_more = plan.count.is_more
    if plan.count.first is not None:
        response.first.CopyFrom(times.timestamp(plan.count.first))
    if plan.count.last is not None:
        response.last.CopyFrom(times.timestamp(plan.count.last))
    if request.dry_run:
        response.backfill.CopyFrom(_planned(plan, request))
        return response
    async with deps.sessions.begin() as session:
        row = await _earlier(session, plan, request)
        if row is None:
            _check_number(plan, max(request.allowed_runs, deps.settings.backfill_runs))
            row = await _record(session, plan, request)
            response.was_started = True
        response.backfill.CopyFrom(records.message(row))
    await wake(deps, response.backfill)
    return response


async def wake(deps: Dependencies, backfill: backfills_pb2.Backfill, *, is_changed: bool = True) -> bool:
    """Start the workflow of a backfill that is not over; if it runs and something ``is_changed``, wake it.

    Leave it to the loop if Temporal does not answer; return False then.
    """
    if backfill.HasField("ended_at"):
        return True
    try:
        await deps.engine.backfills.wake(backfill, is_changed=is_changed)
    except errors.Unavailable as e:
        _log.warning("backfill_not_woken", backfill=backfill.id.name, error=e.message)
        return False
    return True


async def start_missing(deps: Dependencies) -> Found:
    """Run a round of the loop ``backfills``: start the workflows of all that are not over, unless they run."""
    last = 0
    while True:
        query = select(BackfillRow).where(BackfillRow.ended_at.is_(None), BackfillRow.id > last)
        async with deps.sessions() as session:
            rows = (await session.scalars(query.order_by(BackfillRow.id).limit(PAGE))).all()
        for row in rows:
            if not await wake(deps, records.message(row), is_changed=False):
                return Found(error="Temporal does not answer")
        if len(rows) < PAGE:
            return Found()
        last = rows[-1].id


def _planned(plan: Plan, request: Request) -> backfills_pb2.Backfill:
    number = plan.count.number
    return backfills_pb2.Backfill(
        launch_plan=plan.launch_plan,
        start=times.timestamp(plan.start),
        end=times.timestamp(plan.end),
        parallel=plan.parallel,
        newest_first=request.newest_first,
        failed_only=request.failed_only,
        counts=backfills_pb2.BackfillCounts(total=number, pending=number),
    )


def _check_number(plan: Plan, most: int) -> None:
    number = len(plan.times)
    if not number:
        raise errors.InvalidRequest(
            f"the schedule of launch plan {plan.launch_plan.name} has no time between "
            f"{plan.start:%Y-%m-%dT%H:%M:%SZ} and {plan.end:%Y-%m-%dT%H:%M:%SZ}; give a longer range"
        )
    if number > most:
        raise errors.InvalidRequest(
            f"the backfill of launch plan {plan.launch_plan.name} has {number} runs, more than the limit of {most}; "
            f"if you mean it, allow {number} of them (allowed_runs, or --allow {number}), or give a shorter range"
        )


async def _earlier(session: AsyncSession, plan: Plan, request: Request) -> BackfillRow | None:
    """Return the backfill that the same request has started; None if there is none. Others wait for the commit."""
    digest, row = _digest(plan, request), BackfillRow
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"backfill {digest}", 0))))
    query = select(row).where(_is_same(plan, digest)).order_by(row.id.desc()).limit(1)
    if not request.request_id:
        query = query.where(row.ended_at.is_(None))
    return (await session.scalars(query)).one_or_none()


async def _record(session: AsyncSession, plan: Plan, request: Request) -> BackfillRow:
    digest, number = _digest(plan, request), len(plan.times)
    # The lock keeps the version from being deleted before the backfill is committed, which keeps it from then on.
    version = identifiers.entity_key(plan.launch_plan)
    if await session.get(LaunchPlanRow, version, with_for_update={"key_share": True, "read": True}) is None:
        raise entity_rows.missing(identifier_pb2.LAUNCH_PLAN, plan.launch_plan)
    before = await session.scalar(select(func.count()).select_from(BackfillRow).where(_is_same(plan, digest)))
    name = f"b{digest[:NAME_DIGITS]}" + (f"-{before}" if before else "")
    row = BackfillRow(
        project=plan.launch_plan.project,
        domain=plan.launch_plan.domain,
        name=name,
        digest=digest,
        launch_plan_name=plan.launch_plan.name,
        launch_plan_version=plan.launch_plan.version,
        start_at=plan.start,
        end_at=plan.end,
        parallel=plan.parallel,
        newest_first=request.newest_first,
        failed_only=request.failed_only,
        state="RUNNING",
        abort_running=False,
        waits_for="",
        started_by=request.started_by,
        reason=request.reason,
        total=number,
        pending=number,
        **dict.fromkeys(("running", "succeeded", "failed", "skipped", "cancelled"), 0),
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)
    await _record_times(session, row.id, plan.times)
    key = (row.project, row.domain, row.name)
    operator_actions.record(
        session, request.started_by, "backfill", key, launch_plan=row.launch_plan_name, runs=number, reason=row.reason
    )
    return row


async def _record_times(session: AsyncSession, number: int, moments: Sequence[datetime]) -> None:
    # One statement with one parameter, however many times there are.
    each = func.unnest(literal(list(moments), ARRAY(DateTime(timezone=True))))
    columns = ["backfill_id", "scheduled_at", "state", "execution_name", "problem"]
    values = select(literal(number), each, literal("PENDING"), literal(""), literal(""))
    await session.execute(insert(BackfillRunRow).from_select(columns, values))


def _is_same(plan: Plan, digest: str) -> ColumnElement[bool]:
    row = BackfillRow
    return (row.project == plan.launch_plan.project) & (row.domain == plan.launch_plan.domain) & (row.digest == digest)


def _digest(plan: Plan, request: Request) -> str:
    """Return a digest of what makes two requests ask for the same."""
    content = (
        *identifiers.entity_key(plan.launch_plan),
        request.start.ToJsonString(),
        # Not that of the plan, which is cut to now.
        request.end.ToJsonString(),
        str(request.failed_only),
        request.request_id,
    )
    return hashlib.sha256("\0".join(content).encode()).hexdigest()
