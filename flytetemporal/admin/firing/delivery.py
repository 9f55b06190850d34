"""Launch the executions of events that are recorded. Each event ends with a result: launched, skipped or failed.

The name of the execution derives from the event, so a delivery that is repeated, or made by two control workers at
once, launches one execution.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

import structlog
from flyteidl.admin import common_pb2, execution_pb2, launch_plan_pb2, project_pb2
from flyteidl.core import identifier_pb2, interface_pb2
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.artifacts import conditions
from flytetemporal.admin.artifacts.queries import Resolved
from flytetemporal.admin.base import execution_lookup, stored_messages
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import LaunchPlanRow, NamedEntityMetadataRow
from flytetemporal.admin.control import concurrency
from flytetemporal.admin.events import artifact_events, trigger_events
from flytetemporal.admin.events.artifact_events import ARTIFACT
from flytetemporal.admin.events.trigger_events import SUCCESS
from flytetemporal.admin.executions import launching, pausing
from flytetemporal.admin.executions.launch_records import Taken
from flytetemporal.admin.firing import chains, inputs
from flytetemporal.admin.outbox.trigger_models import TriggerEventRow, TriggerRow
from flytetemporal.admin.triggers import declarations
from flytetemporal.admin.triggers.declarations import Trigger
from flytetemporal.admin.upkeep.loops import Found
from flytetemporal.contracts.v1 import triggers_pb2
from flytetemporal.idl import error_text, identifiers

State = triggers_pb2.TriggerEvent.State
Mode = execution_pb2.ExecutionMetadata
LAUNCH_PLAN = identifier_pb2.LAUNCH_PLAN
# Events that a round delivers.
PAGE = 200
# Old rows that a round deletes.
DELETED = 5000
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=5)
# Of errors that are no outage: bugs, and damaged data.
MOST_TRIES = 10

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an event. PENDING: it is tried again."""

    state: State
    message: str = ""


async def deliveries(deps: Dependencies) -> Found:
    """Deliver events that wait, and delete old ones; return how many events had which result."""
    counts: Counter[str] = Counter()
    row = TriggerEventRow
    due = select(row.project, row.domain, row.execution_name).where(
        row.state == "PENDING", row.next_try_at <= func.now()
    )
    async with deps.sessions() as session:
        page = due.order_by(row.next_try_at, row.id).limit(PAGE)
        keys = [(project, domain, name) for project, domain, name in await session.execute(page)]

    async def to_one(key: identifiers.ExecutionKey) -> None:
        event = await deliver(deps, key)
        counts[f"trigger_{event.state.lower()}"] += 1

    await concurrency.for_each(keys, to_one)
    await _delete_old(deps)
    return Found(counts, more=len(keys) == PAGE)


async def deliver(deps: Dependencies, key: identifiers.ExecutionKey) -> TriggerEventRow:
    """Launch the execution of an event, unless that has a result already; return the event with its result."""
    async with deps.sessions() as session:
        event = await session.get_one(TriggerEventRow, key)
        trigger = await session.scalar(select(TriggerRow).where(TriggerRow.id == event.trigger_id))
    if event.state != "PENDING":
        return event
    outcome = await _attempt(deps, trigger, event)
    return await _record(deps, key, outcome)


async def _attempt(deps: Dependencies, trigger: TriggerRow | None, event: TriggerEventRow) -> Outcome:
    """Launch; return a result whatever happens, so that an event which always fails does not hold up others."""
    try:
        return await _launch(deps, trigger, event)
    except (errors.InvalidRequest, errors.NotFound, errors.FailedPrecondition) as e:
        inactive = any(isinstance(detail, project_pb2.InactiveProject) for detail in e.details)
        return Outcome(State.SKIPPED if inactive else State.FAILED, e.message)
    except (errors.Unavailable, errors.QuotaExceeded) as e:
        return Outcome(State.PENDING, e.message)
    except Exception as e:
        _log.exception("trigger_event_failed", event_id=event.event_id, execution=event.execution_name)
        is_last = event.tries + 1 >= MOST_TRIES
        return Outcome(State.FAILED if is_last else State.PENDING, f"internal error: {type(e).__name__}")


async def _launch(deps: Dependencies, trigger: TriggerRow | None, event: TriggerEventRow) -> Outcome:
    execution_id = identifiers.execution_identifier((event.project, event.domain, event.execution_name))
    async with deps.sessions() as session:
        if await execution_lookup.find_execution(session, execution_id) is not None:
            # The process that launched it died before it recorded that.
            return Outcome(State.LAUNCHED)
        if trigger is None or not trigger.is_active:
            return Outcome(State.SKIPPED, "no version of the launch plan that has this trigger is active any more")
        reason = await _obstacle(deps, session, trigger, event)
        if reason:
            return Outcome(State.SKIPPED, reason)
        plan = await session.get_one(
            LaunchPlanRow, (trigger.project, trigger.domain, trigger.launch_plan, trigger.version)
        )
    closure = stored_messages.parse(launch_plan_pb2.LaunchPlanClosure, plan.closure)
    declared = declarations.from_stored(trigger.declaration)
    request = _request(trigger, event)
    taken = Taken()
    if trigger.kind == ARTIFACT:
        given = await _artifact_inputs(deps, declared, event, closure.expected_inputs)
        request.inputs.CopyFrom(given.inputs)
        taken = Taken(artifact_ids=given.ids)
    else:
        request.inputs.CopyFrom(await inputs.of_event(deps, declared, event, closure.expected_inputs))
    try:
        await launching.launch(deps, request, taken)
    except errors.AlreadyExists as e:
        async with deps.sessions() as session:
            if await execution_lookup.find_execution(session, execution_id) is None:
                return Outcome(State.SKIPPED, e.message)  # The limit of the launch plan is reached.
    async with deps.sessions() as session:
        pauses = (await pausing.effective(session, execution_id)).pauses
    return Outcome(State.LAUNCHED, "it waits, because the launch plan or the project is paused" if pauses else "")


async def _artifact_inputs(
    deps: Dependencies, trigger: Trigger, event: TriggerEventRow, expected: interface_pb2.ParameterMap
) -> Resolved:
    artifact, place = artifact_events.artifact_of(event.payload), (event.project, event.domain)
    async with deps.sessions() as session:
        return await conditions.inputs(session, deps.blobs, trigger.artifacts, artifact, expected, place)


def _source(trigger: TriggerRow, event: TriggerEventRow) -> identifier_pb2.WorkflowExecutionIdentifier | None:
    """Return the execution that an event comes from; None if it comes from none."""
    if trigger.kind == SUCCESS:
        return trigger_events.source_of(event.event_id)
    return artifact_events.artifact_of(event.payload).source.execution if trigger.kind == ARTIFACT else None


async def _obstacle(deps: Dependencies, session: AsyncSession, trigger: TriggerRow, event: TriggerEventRow) -> str:
    """Return why an event launches nothing; empty if it does."""
    key = (LAUNCH_PLAN, trigger.project, trigger.domain, trigger.launch_plan)
    metadata = await session.get(NamedEntityMetadataRow, key)
    if metadata is not None and metadata.state == common_pb2.NAMED_ENTITY_ARCHIVED:
        return f"launch plan {trigger.launch_plan} is archived; make it active again, or deactivate this version"
    limit = deps.triggers.max_depth
    source = _source(trigger, event)
    if source is not None and await chains.length(session, source) >= limit:
        return (
            f"triggers have launched {limit} executions one after the other, which is the limit "
            "(FLYTETEMPORAL_TRIGGERS__MAX_DEPTH)"
        )
    return ""


def _request(trigger: TriggerRow, event: TriggerEventRow) -> execution_pb2.ExecutionCreateRequest:
    plan = (trigger.project, trigger.domain, trigger.launch_plan, trigger.version)
    metadata = Mode(mode=Mode.TRIGGER)
    source = _source(trigger, event)
    if source is not None:
        metadata.reference_execution.CopyFrom(source)
    return execution_pb2.ExecutionCreateRequest(
        project=event.project,
        domain=event.domain,
        name=event.execution_name,
        spec=execution_pb2.ExecutionSpec(launch_plan=identifiers.identifier(LAUNCH_PLAN, plan), metadata=metadata),
    )


async def _record(deps: Dependencies, key: identifiers.ExecutionKey, outcome: Outcome) -> TriggerEventRow:
    """Record what became of an event; a result that another delivery has recorded stays."""
    async with deps.sessions.begin() as session:
        event = await session.get_one(TriggerEventRow, key, with_for_update=True)
        if event.state != "PENDING":
            return event
        event.state, event.message = State.Name(outcome.state), error_text.shortened(outcome.message)
        event.tries += 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(event.tries - 1, 10))
        event.next_try_at = func.now() + pause
        await session.execute(update(TriggerRow).where(TriggerRow.id == event.trigger_id).values(_newest(event)))
        await session.flush()
        await session.refresh(event)
    _log.info(
        "trigger_event",
        execution=event.execution_name,
        event_id=event.event_id,
        state=event.state,
        reason=event.message,
    )
    return event


def _newest(event: TriggerEventRow) -> dict[str, object]:
    """Return the columns of a trigger that its newest result sets."""
    if event.state == "LAUNCHED":
        return {"last_execution": event.execution_name}
    return {"last_error": f"{event.event_id}: {event.message}", "last_error_at": func.now()}


async def _delete_old(deps: Dependencies) -> None:
    row = TriggerEventRow
    old = (
        select(row.id)
        .where(row.state != "PENDING", row.created_at < func.now() - deps.triggers.event_age)
        .order_by(row.created_at)
        .limit(DELETED)
    )
    async with deps.sessions.begin() as session:
        await session.execute(delete(row).where(row.id.in_(old)))
