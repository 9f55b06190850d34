"""What is recorded and has not happened: starts, aborts, signals."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from sqlalchemy import Interval, func, select, type_coerce

from flytetemporal import errors
from flytetemporal.admin.base import execution_rows
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow
from flytetemporal.admin.control.findings import Findings
from flytetemporal.admin.executions import closing, delivery, signals
from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import execution_pb2

PAGE = 200
AT_ONCE = 8


async def start_recorded(deps: Dependencies, findings: Findings, min_age: timedelta) -> None:
    """Start what nobody started; ``min_age`` leaves young rows to the call that is starting them."""

    async def repair(row: ExecutionRow) -> None:
        if row.engine_input is None:
            return
        if await delivery.start(deps, execution_pb2.ExecutionInput.FromString(row.engine_input)):
            findings.add("never_started", execution_rows.execution_id(row))

    await _each(deps, "UNDEFINED", min_age, repair)


async def deliver_aborts(deps: Dependencies, findings: Findings, min_age: timedelta) -> None:
    """Ask again for aborts that go on, and end those by force that nobody will finish."""
    polled: dict[str, bool] = {}

    async def repair(row: ExecutionRow) -> None:
        execution_id = execution_rows.execution_id(row)
        await delivery.try_cancel(deps, execution_id, row.abort_cause)
        idle = await _idle(deps, row)
        if idle >= deps.settings.abort_limit:
            finding = "abort_unfinished"
        elif idle >= deps.settings.abort_grace and not await _is_polled(deps, row.cluster, polled):
            finding = "abort_without_worker"
        else:
            return
        if await closing.force(deps, execution_id, row.abort_cause):
            findings.add(finding, execution_id, idle_seconds=round(idle.total_seconds()))

    await _each(deps, "ABORTING", min_age, repair)


async def deliver_signals(deps: Dependencies, findings: Findings) -> None:
    """Tell the engine of values that were set while nobody could be told."""
    for execution_id, signal_id in await signals.undelivered(deps):
        if await signals.deliver(deps, execution_id, signal_id):
            findings.add("signal_undelivered", execution_id, signal=signal_id)


async def _each(
    deps: Dependencies, phase: str, min_age: timedelta, repair: Callable[[ExecutionRow], Awaitable[None]]
) -> None:
    gate, after = asyncio.Semaphore(AT_ONCE), 0

    async def guarded(row: ExecutionRow) -> None:
        async with gate:
            await repair(row)

    while page := await _page(deps, phase, after, min_age):
        await asyncio.gather(*(guarded(row) for row in page))
        after = page[-1].id


async def _page(deps: Dependencies, phase: str, after: int, min_age: timedelta) -> Sequence[ExecutionRow]:
    query = (
        select(ExecutionRow)
        .where(ExecutionRow.phase == phase, ExecutionRow.id > after, ExecutionRow.created_at <= func.now() - min_age)
        .order_by(ExecutionRow.id)
        .limit(PAGE)
    )
    async with deps.sessions() as session:
        return (await session.scalars(query)).all()


async def _idle(deps: Dependencies, row: ExecutionRow) -> timedelta:
    """Return how long nothing has happened to an execution, by the database's clock."""
    query = select(type_coerce(func.now() - ExecutionRow.updated_at, Interval)).where(ExecutionRow.id == row.id)
    async with deps.sessions() as session:
        return (await session.execute(query)).scalar_one()


async def _is_polled(deps: Dependencies, cluster: str, known: dict[str, bool]) -> bool:
    if cluster not in known:
        try:
            known[cluster] = await deps.engine.pollers(workflows.engine_queue(cluster), workflows_too=True) > 0
        except errors.Unavailable:
            return True  # Nothing is known; the next round asks again.
    return known[cluster]
