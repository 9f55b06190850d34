"""Read backfills and their times."""

from collections import Counter
from datetime import UTC, datetime

from flyteidl.core import identifier_pb2
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.base import validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.outbox.backfill_models import BackfillRow, BackfillRunRow
from flytetemporal.contracts.v1 import backfills_pb2
from flytetemporal.idl import identifiers, times

RunState = backfills_pb2.BackfillRun.State
LISTED, MOST_LISTED = 100, 1000
# A time whose execution has a name, but is not known to be launched. Clients see it as PENDING.
CLAIMED = "CLAIMED"
_COUNTED = {"PENDING": "pending", CLAIMED: "pending", "RUNNING": "running", "SUCCEEDED": "succeeded"}
_COUNTED |= {"FAILED": "failed", "SKIPPED": "skipped", "CANCELLED": "cancelled"}


async def get(deps: Dependencies, request: backfills_pb2.GetBackfillRequest) -> backfills_pb2.Backfill:
    """Return a backfill. Raises ``NotFound``."""
    check_id(request.id, given=request.HasField("id"))
    async with deps.sessions() as session:
        return message(await find(session, request.id))


async def list_backfills(
    deps: Dependencies, request: backfills_pb2.ListBackfillsRequest
) -> backfills_pb2.ListBackfillsResponse:
    """List the backfills of a project, newest first."""
    validation.check_names(request, "project")
    for field in ("domain", "launch_plan"):
        validation.check_length(getattr(request, field), field, validation.MAX_NAME_LENGTH)
    limit, row = _limit(request.limit), BackfillRow
    query = select(row).where(row.project == request.project)
    if request.domain:
        query = query.where(row.domain == request.domain)
    if request.launch_plan:
        query = query.where(row.launch_plan_name == request.launch_plan)
    if request.token:
        query = query.where(row.id < _number(request.token))
    async with deps.sessions() as session:
        rows = (await session.scalars(query.order_by(row.id.desc()).limit(limit))).all()
    token = str(rows[-1].id) if len(rows) == limit else ""
    return backfills_pb2.ListBackfillsResponse(backfills=[message(found) for found in rows], token=token)


async def list_runs(
    deps: Dependencies, request: backfills_pb2.ListBackfillRunsRequest
) -> backfills_pb2.ListBackfillRunsResponse:
    """List the times of a backfill, oldest first. Raises ``NotFound``."""
    check_id(request.id, given=request.HasField("id"))
    if request.state not in RunState.values():
        raise validation.invalid("state")
    limit, row = _limit(request.limit), BackfillRunRow
    async with deps.sessions() as session:
        query = select(row).where(row.backfill_id == (await find(session, request.id)).id)
        if request.state:
            name = RunState.Name(request.state)
            query = query.where(row.state.in_((name, CLAIMED) if name == "PENDING" else (name,)))
        if request.token:
            query = query.where(row.scheduled_at > _moment(request.token))
        rows = (await session.scalars(query.order_by(row.scheduled_at).limit(limit))).all()
    token = str(int(rows[-1].scheduled_at.timestamp())) if len(rows) == limit else ""
    return backfills_pb2.ListBackfillRunsResponse(runs=[_run(found) for found in rows], token=token)


def check_id(identifier: backfills_pb2.BackfillId, *, given: bool) -> None:
    """Refuse an incomplete id. ``given``: the request has the field at all. Raises ``InvalidRequest``."""
    if not given:
        raise validation.missing("id")
    validation.check_names(identifier, "project", "domain", "name")


async def find(session: AsyncSession, identifier: backfills_pb2.BackfillId, *, lock: bool = False) -> BackfillRow:
    """Return the row of a backfill; ``lock``: until the transaction ends. Raises ``NotFound``."""
    key = (identifier.project, identifier.domain, identifier.name)
    row = await session.get(BackfillRow, key, with_for_update=lock, populate_existing=lock)
    if row is None:
        raise errors.NotFound(f"backfill {':'.join(key)} does not exist; list those of its project")
    return row


def launch_plan(row: BackfillRow) -> identifier_pb2.Identifier:
    """Return the id of the version that a backfill launches."""
    key = (row.project, row.domain, row.launch_plan_name, row.launch_plan_version)
    return identifiers.identifier(identifier_pb2.LAUNCH_PLAN, key)


def message(row: BackfillRow) -> backfills_pb2.Backfill:
    """Return a backfill as clients read it."""
    found = backfills_pb2.Backfill(
        id=backfills_pb2.BackfillId(project=row.project, domain=row.domain, name=row.name),
        launch_plan=launch_plan(row),
        start=times.timestamp(row.start_at),
        end=times.timestamp(row.end_at),
        parallel=row.parallel,
        newest_first=row.newest_first,
        failed_only=row.failed_only,
        state=row.state,
        counts=counts(row),
        waits_for=row.waits_for,
        started_by=row.started_by,
        reason=row.reason,
        created_at=times.timestamp(row.created_at),
    )
    if row.ended_at is not None:
        found.ended_at.CopyFrom(times.timestamp(row.ended_at))
    return found


def counts(row: BackfillRow) -> backfills_pb2.BackfillCounts:
    """Return the progress of a backfill."""
    fields = backfills_pb2.BackfillCounts.DESCRIPTOR.fields
    return backfills_pb2.BackfillCounts(**{field.name: getattr(row, field.name) for field in fields})


async def count(session: AsyncSession, row: BackfillRow) -> None:
    """Store the number of times by state in the row of their backfill."""
    run = BackfillRunRow
    query = select(run.state, func.count()).where(run.backfill_id == row.id).group_by(run.state)
    found: Counter[str] = Counter()
    for state, number in await session.execute(query):
        found[_COUNTED[state]] += number
    for name in set(_COUNTED.values()):
        setattr(row, name, found[name])
    row.total = found.total()


def _run(row: BackfillRunRow) -> backfills_pb2.BackfillRun:
    is_launched = row.state not in ("PENDING", CLAIMED, "CANCELLED")
    return backfills_pb2.BackfillRun(
        scheduled_at=times.timestamp(row.scheduled_at),
        state="PENDING" if row.state == CLAIMED else row.state,
        execution=row.execution_name if is_launched else "",
        problem=row.problem,
    )


def _limit(given: int) -> int:
    if given > MOST_LISTED:
        raise errors.InvalidRequest(f"limit is {given}; list at most {MOST_LISTED} at once")
    return given or LISTED


def _number(token: str) -> int:
    if not token.isascii() or not token.isdigit() or len(token) > 18:
        raise errors.InvalidRequest("invalid value for token: pass the token of the page before")
    return int(token)


def _moment(token: str) -> datetime:
    try:
        return datetime.fromtimestamp(_number(token), tz=UTC)
    except (OverflowError, ValueError, OSError) as e:
        raise errors.InvalidRequest("invalid value for token: pass the token of the page before") from e
