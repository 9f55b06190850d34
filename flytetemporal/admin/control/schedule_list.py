"""List the schedules of active launch plans: when they fire next, if they are paused, and their last executions."""

from flyteidl.admin import execution_pb2, launch_plan_pb2, schedule_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.base import execution_rows, stored_messages, validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow, LaunchPlanRow
from flytetemporal.admin.base.temporal_schedules import schedule_id
from flytetemporal.admin.control import concurrency
from flytetemporal.admin.executions import pausing as pauses
from flytetemporal.admin.registry import entity_rows
from flytetemporal.admin.schedules import pausing as schedule_pauses
from flytetemporal.admin.schedules import policies, reconciliation
from flytetemporal.contracts.v1 import schedules_pb2
from flytetemporal.idl import identifiers, times

State = schedules_pb2.ScheduleState
MOST = 100


async def list_schedules(
    deps: Dependencies, request: schedules_pb2.ListSchedulesRequest
) -> schedules_pb2.ListSchedulesResponse:
    """List schedules by the name of their launch plan."""
    validation.check_names(request, "project", "domain")
    for field in ("name", "token"):
        validation.check_length(getattr(request, field), field, validation.MAX_NAME_LENGTH)
    if request.limit > MOST:
        raise errors.InvalidRequest(f"limit is {request.limit}; list at most {MOST} schedules at once")
    limit, row = request.limit or MOST, LaunchPlanRow
    query = select(row).where(
        row.project == request.project,
        row.domain == request.domain,
        row.state == launch_plan_pb2.ACTIVE,
        row.schedule_type != "NONE",
        row.name > request.token,
    )
    if request.name:
        query = query.where(row.name == request.name)
    async with deps.sessions() as session:
        rows = (await session.scalars(query.order_by(row.name).limit(limit))).all()
        states = [await _recorded(session, found) for found in rows]

    async def ask(state: State) -> None:
        await _add_times(deps, state)

    await concurrency.for_each(states, ask)
    return schedules_pb2.ListSchedulesResponse(
        schedules=states, token=rows[-1].name if len(rows) == limit and not request.name else ""
    )


async def _recorded(session: AsyncSession, row: LaunchPlanRow) -> State:
    """Return what the rows say of a schedule."""
    state = State(launch_plan=identifiers.identifier(identifier_pb2.LAUNCH_PLAN, entity_rows.key(row)))
    try:
        spec = stored_messages.parse(launch_plan_pb2.LaunchPlanSpec, row.spec)
        policy = policies.read(spec.annotations)
    except (errors.InvalidRequest, stored_messages.UnreadableRow) as e:
        state.problem = e.message
        return state
    state.expression = _expression(spec.entity_metadata.schedule)
    state.overlap, state.pause_on_failure = policy.overlap, policy.pause_on_failure
    pause = await schedule_pauses.in_force(session, row.project, row.domain, row.name)
    if pause is not None:
        state.pause.CopyFrom(pauses.message(pause))
    last = (await session.scalars(_launched(row))).one_or_none()
    if last is not None:
        state.last_execution.id.CopyFrom(execution_rows.execution_id(last))
        closure = stored_messages.parse(execution_pb2.ExecutionClosure, last.closure)
        state.last_execution.phase = closure.phase
        state.last_execution.created_at.CopyFrom(times.timestamp(last.created_at))
    return state


def _launched(row: LaunchPlanRow) -> Select[ExecutionRow]:
    execution, version = ExecutionRow, LaunchPlanRow
    versions = select(version.id).where(
        version.project == row.project, version.domain == row.domain, version.name == row.name
    )
    return (
        select(execution)
        .where(execution.launch_plan_id.in_(versions), execution.mode == execution_pb2.ExecutionMetadata.SCHEDULED)
        .order_by(execution.id.desc())
        .limit(1)
    )


def _expression(schedule: schedule_pb2.Schedule) -> str:
    match schedule.WhichOneof("ScheduleExpression"):
        case "rate":
            return f"every {schedule.rate.value} {schedule_pb2.FixedRateUnit.Name(schedule.rate.unit)}"
        case "cron_schedule":
            return schedule.cron_schedule.schedule
        case _:
            return schedule.cron_expression


async def _add_times(deps: Dependencies, state: State) -> None:
    """Add what Temporal says of a schedule."""
    plan = state.launch_plan
    try:
        wanted = await reconciliation.wanted(deps, plan.project, plan.domain, plan.name)
        state.time_zone = "" if wanted is None else wanted.time_zone
        found = await deps.schedules.next_times(schedule_id(plan.project, plan.domain, plan.name))
    except (errors.InvalidRequest, errors.Unavailable, stored_messages.UnreadableRow) as e:
        state.problem = state.problem or e.message
        return
    if found is None:
        state.problem = state.problem or "Temporal has no schedule of this launch plan yet; the control worker makes it"
        return
    state.next_times.extend(times.timestamp(moment) for moment in found)
