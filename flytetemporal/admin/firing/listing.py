"""List triggers and their events."""

from collections.abc import Iterable, Mapping

from flyteidl.core import identifier_pb2
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.base import validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.events.artifact_events import ARTIFACT
from flytetemporal.admin.events.trigger_events import SUCCESS
from flytetemporal.admin.outbox.trigger_models import TriggerEventRow, TriggerRow
from flytetemporal.admin.triggers import declarations
from flytetemporal.admin.triggers.declarations import PREFIX
from flytetemporal.contracts.v1 import triggers_pb2
from flytetemporal.db import filters
from flytetemporal.idl import identifiers, times

WEBHOOKS = "/api/v1/triggers"
LISTED, MOST_LISTED = 100, 1000


async def list_triggers(
    deps: Dependencies, request: triggers_pb2.ListTriggersRequest
) -> triggers_pb2.ListTriggersResponse:
    """List the triggers of a project and domain, or of one launch plan."""
    validation.check_names(request, "project", "domain")
    validation.check_length(request.launch_plan, "launch_plan", validation.MAX_NAME_LENGTH)
    limit = _limit(request.limit)
    offset = filters.parse_token(request.token, "ListTriggers")
    row, event = TriggerRow, TriggerEventRow
    newest = select(func.max(event.id)).where(event.trigger_id == row.id).scalar_subquery()
    pending = select(func.count()).where(event.trigger_id == row.id, event.state == "PENDING").scalar_subquery()
    query = select(row, newest, pending).where(row.project == request.project, row.domain == request.domain)
    if request.launch_plan:
        query = query.where(row.launch_plan == request.launch_plan)
    async with deps.sessions() as session:
        page = query.order_by(row.launch_plan, row.name).limit(limit).offset(offset)
        found = (await session.execute(page)).all()
        events = await _by_number(session, (number for _, number, _ in found if number is not None))
    return triggers_pb2.ListTriggersResponse(
        triggers=[_message(trigger, events.get(number), count) for trigger, number, count in found],
        token=str(offset + len(found)) if len(found) == limit else "",
    )


async def list_trigger_events(
    deps: Dependencies, request: triggers_pb2.ListTriggerEventsRequest
) -> triggers_pb2.ListTriggerEventsResponse:
    """List the events of a trigger, newest first.

    Raises:
        NotFound: there is no such trigger.
    """
    validation.check_names(request, "project", "domain", "launch_plan", "trigger")
    limit = _limit(request.limit)
    offset = filters.parse_token(request.token, "ListTriggerEvents")
    async with deps.sessions() as session:
        key = (request.project, request.domain, request.launch_plan, request.trigger)
        trigger = await session.get(TriggerRow, key)
        if trigger is None:
            raise errors.NotFound(f"no version of launch plan {request.launch_plan} had a trigger {request.trigger}")
        query = select(TriggerEventRow).where(TriggerEventRow.trigger_id == trigger.id)
        page = query.order_by(TriggerEventRow.id.desc()).limit(limit).offset(offset)
        rows = (await session.scalars(page)).all()
    return triggers_pb2.ListTriggerEventsResponse(
        events=[event_message(row) for row in rows],
        token=str(offset + len(rows)) if len(rows) == limit else "",
    )


def event_message(row: TriggerEventRow) -> triggers_pb2.TriggerEvent:
    """Return an event as clients read it. One that launches nothing names no execution."""
    message = triggers_pb2.TriggerEvent(
        id=row.event_id,
        occurred_at=times.timestamp(row.occurred_at),
        state=row.state,
        message=row.message,
        tries=row.tries,
    )
    if row.state not in ("SKIPPED", "FAILED"):
        execution = (row.project, row.domain, row.execution_name)
        message.execution_id.CopyFrom(identifiers.execution_identifier(execution))
    return message


def _message(row: TriggerRow, newest: TriggerEventRow | None, pending: int) -> triggers_pb2.Trigger:
    plan = (row.project, row.domain, row.launch_plan, row.version)
    message = triggers_pb2.Trigger(
        launch_plan=identifiers.identifier(identifier_pb2.LAUNCH_PLAN, plan),
        name=row.name,
        kind=row.kind,
        source=_source(row),
        is_active=row.is_active,
        active_since=times.timestamp(row.active_since),
        last_error=row.last_error,
        pending=pending,
    )
    if newest is not None:
        message.last_event.CopyFrom(event_message(newest))
    if row.last_execution:
        execution = identifiers.execution_identifier((row.project, row.domain, row.last_execution))
        message.last_execution.CopyFrom(execution)
    if row.last_error_at is not None:
        message.last_error_at.CopyFrom(times.timestamp(row.last_error_at))
    return message


def _source(row: TriggerRow) -> str:
    if row.kind in (SUCCESS, ARTIFACT):
        return f"{row.source_project}:{row.source_domain}:{row.source_name}"
    if row.kind == PREFIX:
        return declarations.from_stored(row.declaration).prefix or ""
    return "/".join((WEBHOOKS, row.project, row.domain, row.launch_plan, row.name))


async def _by_number(session: AsyncSession, numbers: Iterable[int]) -> Mapping[int, TriggerEventRow]:
    wanted = list(numbers)
    if not wanted:
        return {}
    rows = await session.scalars(select(TriggerEventRow).where(TriggerEventRow.id.in_(wanted)))
    return {row.id: row for row in rows}


def _limit(limit: int) -> int:
    if limit > MOST_LISTED:
        raise errors.InvalidRequest(f"limit is {limit}; list at most {MOST_LISTED} at once")
    return limit or LISTED
