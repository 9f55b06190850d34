"""One step of a backfill: record which executions have ended, launch what comes next, count.

Every part can be repeated, and two steps of a backfill may run at once: the row of the backfill is locked where they
decide, and a launch under a name that is taken finds its execution.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from flyteidl.admin import execution_pb2, launch_plan_pb2, project_pb2
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.backfills import claims, records
from flytetemporal.admin.base import stored_messages
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import TERMINAL, ExecutionRow, ExecutionTagRow, LaunchPlanRow
from flytetemporal.admin.executions import aborting, launching, scheduled_launching
from flytetemporal.admin.executions.launch_records import Taken
from flytetemporal.admin.outbox.backfill_models import BackfillRow, BackfillRunRow
from flytetemporal.admin.registry import entity_rows
from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import backfills_pb2, control_pb2
from flytetemporal.idl import error_text, identifiers, times

Id = backfills_pb2.BackfillId
# Errors of a launch that do not pass.
_LASTING = (errors.InvalidRequest, errors.NotFound, errors.FailedPrecondition, errors.PermissionDenied)

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class _Waits(Exception):
    """Nothing can be launched now; the text says why."""


@dataclass(frozen=True, slots=True)
class _Launch:
    """What the launches of a backfill share."""

    identifier: Id
    row: BackfillRow
    kickoff: str

    @property
    def tag(self) -> str:
        """The tag of the executions of this backfill, by which users list them."""
        return tag(self.identifier.name)


def tag(name: str) -> str:
    """Return the tag of the executions of a backfill."""
    return f"backfill-{name}"


async def advance(deps: Dependencies, identifier: Id) -> backfills_pb2.Backfill:
    """Advance a backfill as far as possible now; return its progress.

    Raises:
        NotFound: the backfill does not exist.
    """
    await _settle(deps, identifier)
    await _abort_running(deps, identifier)
    waits_for = ""
    while not waits_for and (claimed := await claims.claim(deps, identifier)):
        waits_for = await _launch_all(deps, identifier, claimed)
    return await _conclude(deps, identifier, waits_for)


async def _settle(deps: Dependencies, identifier: Id) -> None:
    """Record which executions have ended, and which launches an earlier step has not confirmed."""
    async with deps.sessions.begin() as session:
        row = await records.find(session, identifier, lock=True)
        for claimed in (await session.scalars(claims.of_backfill(row, records.CLAIMED))).all():
            await _adopt(session, row, claimed)
        if row.state == "CANCELLED":
            run = BackfillRunRow
            unlaunched = (run.backfill_id == row.id) & run.state.in_(("PENDING", records.CLAIMED))
            await session.execute(update(run).where(unlaunched).values(state="CANCELLED"))
        await _close_ended(session, row)


async def _adopt(session: AsyncSession, row: BackfillRow, run: BackfillRunRow) -> bool:
    """Take up the execution of a time that was claimed; return False if there is none."""
    key = (row.project, row.domain, run.execution_name)
    found = await session.get(ExecutionRow, key)
    if found is None:
        return False
    is_ours = await session.get(ExecutionTagRow, (*key, tag(row.name), "")) is not None
    run.state = "RUNNING" if is_ours else "SKIPPED"
    if not is_ours:
        run.problem = f"it ran already: {found.execution_name} {found.phase}"
    await session.flush()
    return True


async def _close_ended(session: AsyncSession, row: BackfillRow) -> None:
    run, execution = BackfillRunRow, ExecutionRow
    query = (
        select(run, execution.phase)
        .outerjoin(
            execution,
            (execution.execution_project == row.project)
            & (execution.execution_domain == row.domain)
            & (execution.execution_name == run.execution_name),
        )
        .where(run.backfill_id == row.id, run.state == "RUNNING")
    )
    for found, phase in await session.execute(query):
        if phase is None:
            found.state, found.problem = "FAILED", "its execution was deleted"
        elif phase in TERMINAL:
            found.state = "SUCCEEDED" if phase == "SUCCEEDED" else "FAILED"


async def _abort_running(deps: Dependencies, identifier: Id) -> None:
    """Abort the executions of a backfill that was cancelled together with them."""
    async with deps.sessions() as session:
        row = await records.find(session, identifier)
        if row.state != "CANCELLED" or not row.abort_running:
            return
        running = (await session.scalars(claims.of_backfill(row, "RUNNING"))).all()
    for run in running:
        execution_id = identifiers.execution_identifier((row.project, row.domain, run.execution_name))
        request = execution_pb2.ExecutionTerminateRequest(id=execution_id, cause=f"backfill {row.name} was cancelled")
        # One that has ended since must not keep the others running.
        with contextlib.suppress(errors.FailedPrecondition, errors.NotFound):
            await aborting.terminate(deps, request)


async def _launch_all(deps: Dependencies, identifier: Id, claimed: Sequence[BackfillRunRow]) -> str:
    """Launch in order; return why the rest has to wait, empty if all are launched."""
    async with deps.sessions() as session:
        row = await records.find(session, identifier)
        plan = await entity_rows.find(session, LaunchPlanRow, records.launch_plan(row))
    kickoff = "" if plan is None else _kickoff(plan)
    shared = _Launch(identifier, row, kickoff)
    for run in claimed:
        try:
            state, problem = await _launch(deps, shared, run)
        except _Waits as e:
            return str(e)
        await _confirm(deps, run, state, problem)
    return ""


def _kickoff(plan: LaunchPlanRow) -> str:
    spec = stored_messages.parse(launch_plan_pb2.LaunchPlanSpec, plan.spec)
    return str(spec.entity_metadata.schedule.kickoff_time_input_arg)


async def _launch(deps: Dependencies, shared: _Launch, run: BackfillRunRow) -> tuple[str, str]:
    """Launch the execution of a time; return the state of the time, and its problem.

    Raises:
        _Waits: it cannot be launched now.
    """
    row = shared.row
    launch = control_pb2.ScheduledLaunch(
        launch_plan=records.launch_plan(row), scheduled_at=times.timestamp(run.scheduled_at)
    )
    request = scheduled_launching.create_request(launch, shared.kickoff)
    request.name = run.execution_name
    request.spec.tags.append(shared.tag)
    taken = Taken(launched_by=workflows.backfill_workflow_id(shared.identifier))
    try:
        await launching.launch(deps, request, taken)
    except errors.AlreadyExists as e:
        async with deps.sessions.begin() as session:
            merged = await session.merge(run)
            if not await _adopt(session, row, merged):
                raise _Waits(e.message) from None  # The limit of the launch plan is reached.
            return merged.state, merged.problem
    except errors.QuotaExceeded as e:  # As many executions wait for a place as the launch plan allows.
        raise _Waits(e.message) from None
    except _LASTING as e:
        if any(isinstance(detail, project_pb2.InactiveProject) for detail in e.details):
            raise _Waits(e.message) from None
        _log.warning("backfill_launch_refused", backfill=row.name, execution=request.name, problem=e.message)
        return "FAILED", f"it cannot be launched: {error_text.shortened(e.message)}"
    return "RUNNING", ""


async def _confirm(deps: Dependencies, run: BackfillRunRow, state: str, problem: str) -> None:
    row = BackfillRunRow
    # A step that runs at the same time can have taken it for one that was cancelled before its launch.
    is_open = row.state.in_((records.CLAIMED, "CANCELLED"))
    statement = update(row).where(row.backfill_id == run.backfill_id, row.scheduled_at == run.scheduled_at, is_open)
    async with deps.sessions.begin() as session:
        await session.execute(statement.values(state=state, problem=problem))


async def _conclude(deps: Dependencies, identifier: Id, waits_for: str) -> backfills_pb2.Backfill:
    """Count, and close the backfill if nothing of it is left; return its progress."""
    async with deps.sessions.begin() as session:
        row = await records.find(session, identifier, lock=True)
        await records.count(session, row)
        row.waits_for = waits_for or row.waits_for
        if row.ended_at is None and not row.pending + row.running:
            row.ended_at = (await session.execute(select(func.now()))).scalar_one()
            if row.state != "CANCELLED":
                row.state = "FAILED" if row.failed else "SUCCEEDED"
            _log.info("backfill_ended", backfill=row.name, state=row.state, failed=row.failed)
        await session.flush()
        return records.message(row)
