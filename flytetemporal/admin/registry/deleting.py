"""Delete one version of a task, a workflow or a launch plan."""

from flyteidl.admin import launch_plan_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import ColumnElement, Row, Select, delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.base import validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import (
    DescriptionEntityRow,
    ExecutionRow,
    LaunchPlanRow,
    TaskExecutionRow,
    TaskRow,
    WorkflowRow,
    is_open,
)
from flytetemporal.admin.outbox.backfill_models import BackfillRow
from flytetemporal.admin.outbox.trigger_models import TriggerObjectRow, TriggerRow
from flytetemporal.admin.registry import entity_rows
from flytetemporal.admin.retention.models import RemovalRow
from flytetemporal.contracts.v1 import retention_pb2
from flytetemporal.idl import identifiers
from flytetemporal.storage.concurrency import for_each

TASK, WORKFLOW, LAUNCH_PLAN = identifier_pb2.TASK, identifier_pb2.WORKFLOW, identifier_pb2.LAUNCH_PLAN
# Of active launch plans, the newest ones.
MOST_READ = 1000
_READS_AT_ONCE = 16
_ROWS: dict[int, entity_rows.EntityRow] = {TASK: TaskRow, WORKFLOW: WorkflowRow, LAUNCH_PLAN: LaunchPlanRow}


async def delete_version(
    deps: Dependencies, request: retention_pb2.DeleteVersionRequest
) -> retention_pb2.DeleteVersionResponse:
    """Delete a version. Executions that have ended keep what they show of it; they cannot be launched again.

    Raises:
        NotFound: the version does not exist.
        FailedPrecondition: it is active, a running execution or backfill uses it, or a launch plan launches it.
    """
    identifier = request.id
    if not request.HasField("id") or identifier.resource_type not in _ROWS:
        raise errors.InvalidRequest("invalid value for id: name a version of a TASK, WORKFLOW or LAUNCH_PLAN")
    validation.check_identifier(identifier, identifier.resource_type)
    validation.check_length(request.deleted_by, "deleted_by", validation.MAX_NAME_LENGTH)
    row = _ROWS[identifier.resource_type]
    await _refuse_launched(deps, identifier)
    async with deps.sessions.begin() as session:
        # The lock keeps activations, and new launch plans of a workflow, out until the version is gone.
        found = await session.get(row, identifiers.entity_key(identifier), with_for_update=True)
        if not isinstance(found, TaskRow | WorkflowRow | LaunchPlanRow):
            raise entity_rows.missing(identifier.resource_type, identifier)
        await _refuse_used(session, identifier, found)
        await session.delete(found)
        if isinstance(found, LaunchPlanRow):
            await session.flush()
            await _forget_triggers(session, found)
        await session.execute(delete(DescriptionEntityRow).where(*_description(identifier)))
        session.add(_record(identifier, request.deleted_by))
    return retention_pb2.DeleteVersionResponse()


async def _forget_triggers(session: AsyncSession, plan: LaunchPlanRow) -> None:
    """Remove the triggers of a launch plan whose last version is gone, with what they have seen."""
    row, trigger, seen = LaunchPlanRow, TriggerRow, TriggerObjectRow
    name = (plan.project, plan.domain, plan.name)
    if await session.scalar(select(row.id).where(tuple_(row.project, row.domain, row.name) == name).limit(1)):
        return
    # A version that is registered and activated at the same time has made them its own.
    mine = (tuple_(trigger.project, trigger.domain, trigger.launch_plan) == name) & ~trigger.is_active
    numbers = (await session.scalars(delete(trigger).where(mine).returning(trigger.id))).all()
    await session.execute(delete(seen).where(seen.trigger_id.in_(numbers)))


async def _refuse_launched(deps: Dependencies, identifier: identifier_pb2.Identifier) -> None:
    """Refuse a version that is part of what an active launch plan, or a backfill, of the project launches."""
    plan, row = LaunchPlanRow, WorkflowRow
    is_active = plan.state == launch_plan_pb2.ACTIVE
    query = (
        select(plan.name, plan.version, is_active.label("is_active"), row.remote_closure_identifier)
        .join(row, row.id == plan.workflow_id)
        .where(is_active | _backfills(plan).exists(), plan.project == identifier.project)
        .order_by(plan.id.desc())
        .limit(MOST_READ)
    )
    async with deps.sessions() as session:
        active = (await session.execute(query)).all()
    # As part of a message it has the same bytes.
    sought = identifier.SerializeToString(deterministic=True)

    async def check(found: Row[str, str, bool, str]) -> None:
        if sought in await deps.blobs.read(found.remote_closure_identifier):
            use = (
                ("is active", "deactivate that") if found.is_active else ("a backfill launches", "cancel the backfill")
            )
            raise errors.FailedPrecondition(
                f"{_text(identifier)} is used by the workflow of launch plan {found.name}, which {use[0]} in version "
                f"{found.version}, and cannot be deleted: {use[1]} first"
            )

    await for_each(check, active, _READS_AT_ONCE)


def _backfills(plan: type[LaunchPlanRow]) -> Select[str]:
    """Select the backfills that are not over and launch a version of a launch plan."""
    row = BackfillRow
    return select(row.name).where(
        row.project == plan.project,
        row.domain == plan.domain,
        row.launch_plan_name == plan.name,
        row.launch_plan_version == plan.version,
        row.ended_at.is_(None),
    )


async def _refuse_used(
    session: AsyncSession, identifier: identifier_pb2.Identifier, found: TaskRow | WorkflowRow | LaunchPlanRow
) -> None:
    name = _text(identifier)
    if isinstance(found, LaunchPlanRow) and found.state == launch_plan_pb2.ACTIVE:
        raise errors.FailedPrecondition(f"{name} is active and cannot be deleted: deactivate it first")
    if isinstance(found, LaunchPlanRow):
        plan = LaunchPlanRow
        backfill = await session.scalar(_backfills(plan).where(plan.id == found.id).limit(1))
        if backfill is not None:
            raise errors.FailedPrecondition(
                f"{name} is launched by backfill {backfill} and cannot be deleted: wait for its end or cancel it"
            )
    if isinstance(found, WorkflowRow):
        plan = LaunchPlanRow
        plans = select(plan.name, plan.version).where(plan.workflow_id == found.id).order_by(plan.state.desc())
        used = (await session.execute(plans.limit(1))).first()
        if used is not None:
            raise errors.FailedPrecondition(
                f"{name} is launched by launch plan {used.name} in version {used.version} and cannot be deleted: "
                "delete that version first"
            )
    for query in _running(found):
        running = await session.scalar(query.limit(1))
        if running is not None:
            raise errors.FailedPrecondition(
                f"{name} is used by execution {running}, which runs, and cannot be deleted: wait for its end or "
                "terminate it"
            )


def _running(found: TaskRow | WorkflowRow | LaunchPlanRow) -> list[Select[str]]:
    """Return queries of the names of running executions that use a version."""
    row = ExecutionRow
    column = {TaskRow: row.task_id, WorkflowRow: row.workflow_id, LaunchPlanRow: row.launch_plan_id}[type(found)]
    queries = [select(row.execution_name).where(column == found.id, is_open(row))]
    if isinstance(found, TaskRow):
        attempt = TaskExecutionRow
        queries.append(
            select(row.execution_name)
            .join(
                attempt,
                (attempt.execution_project == row.execution_project)
                & (attempt.execution_domain == row.execution_domain)
                & (attempt.execution_name == row.execution_name),
            )
            .where(is_open(row), _is_of(found))
        )
    return queries


def _is_of(task: TaskRow) -> ColumnElement[bool]:
    attempt = TaskExecutionRow
    return (
        (attempt.project == task.project)
        & (attempt.domain == task.domain)
        & (attempt.name == task.name)
        & (attempt.version == task.version)
    )


def _description(identifier: identifier_pb2.Identifier) -> tuple[ColumnElement[bool], ...]:
    row = DescriptionEntityRow
    return (
        row.resource_type == identifier.resource_type,
        row.project == identifier.project,
        row.domain == identifier.domain,
        row.name == identifier.name,
        row.version == identifier.version,
    )


def _text(identifier: identifier_pb2.Identifier) -> str:
    kind = identifiers.resource_type_name(identifier.resource_type).lower()
    return f"{kind} {':'.join(identifiers.entity_key(identifier))}"


def _record(identifier: identifier_pb2.Identifier, deleted_by: str) -> RemovalRow:
    project, domain, name, version = identifiers.entity_key(identifier)
    return RemovalRow(
        kind=identifiers.resource_type_name(identifier.resource_type).lower(),
        project=project,
        domain=domain,
        name=name,
        version=version,
        removed_by=deleted_by,
        reason="deleted",
        finished_at=func.clock_timestamp(),
    )
