"""The sweeper's repairs of what is recorded but did not happen: starts, aborts, signals."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from google.protobuf.message import DecodeError
from sqlalchemy import Interval, func, select, type_coerce, update

from flytetemporal import errors
from flytetemporal.admin.base import execution_rows
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow, PauseRow, is_open
from flytetemporal.admin.control import concurrency, pauses
from flytetemporal.admin.control.findings import Findings
from flytetemporal.admin.executions import closing, delivery, pausing, signals
from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import execution_pb2

PAGE = 200


async def start_recorded(deps: Dependencies, findings: Findings, min_age: timedelta) -> None:
    """Start executions that were recorded and not started. Rows younger than ``min_age`` are left to their call."""

    async def repair(row: ExecutionRow) -> None:
        if row.engine_input is None:
            return
        try:
            argument = execution_pb2.ExecutionInput.FromString(row.engine_input)
        except DecodeError:
            text = "the stored start argument of this execution is damaged; launch it again"
            await delivery.fail(deps, execution_rows.execution_id(row), delivery.ARGUMENT_LOST, text)
            return
        # A workflow that has started but not yet reported is in this phase too; to start it again changes nothing.
        if await delivery.start(deps, argument):
            findings.add("never_started", execution_rows.execution_id(row))

    await _for_each_in(deps, "UNDEFINED", min_age, repair)


async def deliver_aborts(deps: Dependencies, findings: Findings, min_age: timedelta) -> None:
    """Deliver recorded aborts again, and force those that make no progress.

    An abort is forced after ``abort_limit`` without progress, or after ``abort_grace`` if no worker polls the engine's
    task queue: then nothing could carry it out.
    """
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

    await _for_each_in(deps, "ABORTING", min_age, repair)


async def deliver_signals(deps: Dependencies, findings: Findings) -> None:
    """Deliver signals that were set while Temporal did not answer."""
    for execution_id, signal_id in await signals.undelivered(deps):
        if await signals.deliver(deps, execution_id, signal_id):
            findings.add("signal_undelivered", execution_id, signal=signal_id)


async def deliver_pauses(deps: Dependencies, findings: Findings) -> None:
    """Deliver pauses and resumptions whose call could not reach all executions; forget pauses of ended executions."""
    row = PauseRow
    ended = ~is_open(ExecutionRow)
    of_ended = update(row).where(
        row.is_active,
        row.kind.in_(("EXECUTION", "NODE")),
        row.project == ExecutionRow.execution_project,
        row.domain == ExecutionRow.execution_domain,
        row.name == ExecutionRow.execution_name,
        ended,
    )
    async with deps.sessions.begin() as session:
        await session.execute(of_ended.values(is_active=False, undelivered=False))
    query = select(row).where(row.undelivered, row.updated_at < func.now() - signals.UNDELIVERED_AGE)
    async with deps.sessions() as session:
        rows = (await session.scalars(query.order_by(row.revision).limit(PAGE))).all()
    for found in rows:
        if await pauses.deliver(deps, pausing.message(found).target, found.revision):
            findings.add("pause_undelivered", kind=found.kind, target=f"{found.project}:{found.domain}:{found.name}")


async def _for_each_in(
    deps: Dependencies, phase: str, min_age: timedelta, repair: Callable[[ExecutionRow], Awaitable[None]]
) -> None:
    after = 0
    while page := await _page(deps, phase, after, min_age):
        failed = await concurrency.for_each(page, repair)
        if len(failed) == len(page) and all(isinstance(error, errors.Unavailable) for error in failed):
            raise failed[0]  # Temporal is away: the pages behind would fail likewise, each call after its timeout.
        after = page[-1].id


async def _page(deps: Dependencies, phase: str, after: int, min_age: timedelta) -> Sequence[ExecutionRow]:
    # The age is compared on the database's clock, which also set created_at: clocks of several admins may differ.
    query = (
        select(ExecutionRow)
        .where(ExecutionRow.phase == phase, ExecutionRow.id > after, ExecutionRow.created_at <= func.now() - min_age)
        .order_by(ExecutionRow.id)
        .limit(PAGE)
    )
    async with deps.sessions() as session:
        return (await session.scalars(query)).all()


async def _idle(deps: Dependencies, row: ExecutionRow) -> timedelta:
    """Return how long an execution's row has not changed, by the database's clock.

    The row is read again: what arrived since the page was read is progress, too.
    """
    query = select(type_coerce(func.now() - ExecutionRow.updated_at, Interval)).where(ExecutionRow.id == row.id)
    async with deps.sessions() as session:
        return (await session.execute(query)).scalar_one()


async def _is_polled(deps: Dependencies, cluster: str, known: dict[str, bool]) -> bool:
    """Whether a worker polls the engine's task queue of the cluster, or this cannot be known now."""
    if cluster not in known:
        try:
            known[cluster] = await deps.engine.pollers(workflows.engine_queue(cluster), workflows_too=True) > 0
        except errors.Unavailable:
            return True  # Ending a workflow by force needs proof; the next round asks again.
    return known[cluster]
