"""List the loops, for ``flytetemporal status`` and ``flytetemporal doctor``."""

import json
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.upkeep.loops import ROUND_LIMIT
from flytetemporal.admin.upkeep.models import UpkeepLoopRow
from flytetemporal.contracts.v1 import upkeep_pb2
from flytetemporal.idl import times

# A round that starts this late does so because a worker was replaced, or because Temporal was busy.
GRACE = timedelta(minutes=1)


async def list_loops(deps: Dependencies, request: upkeep_pb2.ListLoopsRequest) -> upkeep_pb2.ListLoopsResponse:
    """Return every loop with its last round and its next one."""
    row = UpkeepLoopRow
    query = select(row, _is_running(), _is_overdue()).order_by(row.name)
    async with deps.sessions() as session:
        found = (await session.execute(query)).all()
    return upkeep_pb2.ListLoopsResponse(
        loops=[_status(one, is_running=running, is_overdue=overdue) for one, running, overdue in found]
    )


def _is_running() -> ColumnElement[bool]:
    row = UpkeepLoopRow
    started = row.started_at.is_not(None)
    return and_(started, or_(row.ended_at.is_(None), row.ended_at < row.started_at))


def _is_overdue() -> ColumnElement[bool]:
    row, now = UpkeepLoopRow, func.clock_timestamp()
    hangs = and_(_is_running(), row.started_at < now - (ROUND_LIMIT + GRACE))
    late = and_(~_is_running(), row.next_at < now - (GRACE + row.interval))
    return or_(hangs, late)


def _status(row: UpkeepLoopRow, *, is_running: bool, is_overdue: bool) -> upkeep_pb2.LoopStatus:
    status = upkeep_pb2.LoopStatus(
        name=row.name,
        interval=times.duration(row.interval),
        found=json.loads(row.found),
        error=row.error,
        next_at=times.timestamp(row.next_at),
        is_running=is_running,
        is_overdue=is_overdue,
        rounds=row.rounds,
        failed_rounds=row.failed_rounds,
        last_found=json.loads(row.last_found),
    )
    for field in ("started_at", "ended_at", "last_found_at"):
        moment = getattr(row, field)
        if moment is not None:
            getattr(status, field).CopyFrom(times.timestamp(moment))
    return status
