"""Give the places of launch plans that limit their concurrency to executions.

A launch that finds no place is refused, or recorded as QUEUED without a workflow. It is started when a place is free:
by the call that reports the end of another execution, or by a round of the sweeper if that call died.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from flyteidl.admin import execution_pb2, launch_plan_pb2
from flyteidl.core import identifier_pb2
from google.protobuf.message import DecodeError
from prometheus_client import Gauge
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.base import stored_messages
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow
from flytetemporal.admin.concurrency import limits, places
from flytetemporal.admin.concurrency.limits import Limit, Scope
from flytetemporal.admin.concurrency.models import WaitingExecutionRow
from flytetemporal.admin.events import batches
from flytetemporal.admin.executions import aborting, delivery
from flytetemporal.admin.executions.launch_records import Launch
from flytetemporal.admin.schedules import pausing
from flytetemporal.admin.settings import run_policies
from flytetemporal.contracts.v1 import events_pb2
from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from flytetemporal.idl import identifiers, naming, phases

ExecutionId = identifier_pb2.WorkflowExecutionIdentifier

WAITING = Gauge("flytetemporal_waiting_executions", "Executions that wait for a place of their launch plan.")

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
# Starts that no call waits for. A task that nothing refers to can vanish.
_starts: set[asyncio.Task[None]] = set()


@dataclass(frozen=True, slots=True)
class Claim:
    """A launch that finds no free place."""

    scope: Scope
    limit: Limit


@dataclass(frozen=True, slots=True)
class Queued:
    """A launch that waits in the queue. ``replaced`` are the executions that are aborted for it."""

    scope: Scope
    replaced: Sequence[ExecutionId]
    cause: str


async def check(
    session: AsyncSession, spec: execution_pb2.ExecutionSpec, launch_plan: launch_plan_pb2.LaunchPlanSpec | None
) -> None:
    """Refuse a launch early whose launch plan skips it. ``claim`` decides.

    Raises:
        AlreadyExists: as many executions of the launch plan, in any version, are open as it allows.
    """
    claimed = _claim(spec, launch_plan)
    if claimed is not None and claimed.limit.on_limit == "skip":
        await _check_skipped(session, claimed)


async def claim(session: AsyncSession, launch: Launch) -> Claim | None:
    """Take a place for a launch; return None if it has one, or needs none.

    Other launches of the launch plan wait until the transaction ends, so that no place is taken twice.

    Raises:
        AlreadyExists: there is none, and the launch plan skips such launches.
    """
    claimed = _claim(launch.spec, launch.target.launch_plan)
    if claimed is None:
        return None
    await places.lock(session, claimed.scope)
    if claimed.limit.on_limit == "skip":
        await _check_skipped(session, claimed)
        return None
    if await places.count_waiting(session, claimed.scope):
        return claimed
    is_full = await places.count_running(session, claimed.scope, or_aborting=True) >= claimed.limit.places
    return claimed if is_full else None


async def queue(deps: Dependencies, session: AsyncSession, launch: Launch, claimed: Claim) -> Queued:
    """Queue a launch whose row the transaction has inserted.

    Raises:
        QuotaExceeded: the queue is full.
    """
    above = await places.above(session, await _parent_row(session, launch))
    cause, replaced = "", []
    if claimed.limit.on_limit == "replace":
        rule = f"{claimed.scope.text} runs at most {claimed.limit.places} at once"
        cause = f"replaced by execution {launch.id.name}: {rule}"
        replaced = await _replace(session, launch, claimed, above, cause)
    else:
        await _check_room(deps, session, claimed)
    row = await session.get_one(ExecutionRow, identifiers.execution_key(launch.id))
    closure = stored_messages.parse(execution_pb2.ExecutionClosure, row.closure)
    closure.phase = phases.W.QUEUED
    row.phase, row.closure = places.WAITING, closure.SerializeToString()
    session.add(_waiting_row(launch, claimed, above))
    return Queued(claimed.scope, replaced, cause)


async def settle(deps: Dependencies, queued: Queued) -> None:
    """Abort what a queued launch replaces, and give out places: one may be free, or will never become free."""
    for execution_id in queued.replaced:
        await delivery.try_cancel(deps, execution_id, queued.cause)
        await aborting.abort_children(deps, execution_id)
    await admit(deps, queued.scope)


async def admit(deps: Dependencies, scope: Scope) -> list[ExecutionId]:
    """Start the executions that get the free places of a scope; return them."""
    arguments = await _give_out(deps, scope)
    for argument in arguments:
        await delivery.start(deps, argument)
    return [argument.execution_id for argument in arguments]


async def admit_all(deps: Dependencies) -> list[ExecutionId]:
    """Start the executions that get the free places of all scopes: what a call that died has left."""
    async with deps.sessions() as session:
        found = await places.scopes(session)
    started = [execution_id for scope in found for execution_id in await admit(deps, scope)]
    async with deps.sessions() as session:
        WAITING.set(await places.count_all_waiting(session))
    return started


async def record_events(deps: Dependencies, request: events_pb2.RecordEventsRequest) -> events_pb2.RecordEventsResponse:
    """Record a batch of events; if an execution has ended, give its place to the next one.

    If it has failed, its schedule may have to be paused.
    """
    response = await batches.record_events(deps, request)
    ended = [
        event.workflow.execution_id
        for event in request.events
        if event.HasField("workflow") and event.workflow.phase in phases.WORKFLOW_TERMINAL
    ]
    if ended:
        await _pass_on(deps, ended)
    events = [event.workflow for event in request.events]
    failed = [event.execution_id for event in events if phases.W.Phase.Name(event.phase) in pausing.FAILED]
    if failed:
        await pausing.after_ends(deps, failed)
    return response


async def _pass_on(deps: Dependencies, ended: Sequence[ExecutionId]) -> None:
    async with deps.sessions() as session:
        found = await places.scopes_after(session, ended)
    for scope in found:
        arguments = await _give_out(deps, scope)
        # In the background: the call reports the end of another execution, which must not wait for Temporal. What is
        # recorded and not started is started by the sweeper.
        task = asyncio.create_task(_start_all(deps, arguments))
        _starts.add(task)
        task.add_done_callback(_starts.discard)


async def _start_all(deps: Dependencies, arguments: Sequence[contract_pb2.ExecutionInput]) -> None:
    for argument in arguments:
        try:
            await delivery.start(deps, argument)
        except Exception:
            _log.exception("execution_not_started", execution=argument.execution_id.name)


async def _give_out(deps: Dependencies, scope: Scope) -> list[contract_pb2.ExecutionInput]:
    """Give the free places of a scope to those that wait; return the start arguments of their workflows."""
    arguments = []
    async with deps.sessions.begin() as session:
        await places.lock(session, scope)
        for row in await places.next_ones(session, scope):
            # The phase of an execution that is recorded and not started: from here on the sweeper starts it. Clients
            # read the closure, which stays QUEUED.
            row.phase = "UNDEFINED"
            try:
                arguments.append(contract_pb2.ExecutionInput.FromString(row.engine_input or b""))
            except DecodeError:
                continue  # The sweeper fails it, with the reason.
    return arguments


async def _check_skipped(session: AsyncSession, claimed: Claim) -> None:
    # As in Flyte, an execution that is being aborted does not count.
    if await places.count_running(session, claimed.scope, or_aborting=False) >= claimed.limit.places:
        if claimed.scope.scheduled:
            raise errors.AlreadyExists(f"an execution of {claimed.scope.text} still runs; skipping execution")
        raise errors.AlreadyExists(
            f"concurrency limit ({claimed.limit.places}) reached for launch plan {claimed.scope.name}; "
            "skipping execution"
        )


async def _check_room(deps: Dependencies, session: AsyncSession, claimed: Claim) -> None:
    most = claimed.limit.max_waiting or deps.settings.max_waiting_executions
    if await places.count_waiting(session, claimed.scope) >= most:
        waiting = f"{most} executions wait" if most > 1 else "1 execution waits"
        raise errors.QuotaExceeded(
            f"{waiting} for a place of {claimed.scope.text}, which runs {claimed.limit.places} at once; "
            "launch this one when some have ended, or raise max_waiting"
        )


async def _replace(
    session: AsyncSession, launch: Launch, claimed: Claim, above: Sequence[str], cause: str
) -> list[ExecutionId]:
    """Abort the oldest executions of the scope, so that the new one is among those that have a place."""
    running = await places.running(session, claimed.scope)
    others = [found for found in [*running, *await places.waiting(session, claimed.scope)] if found != launch.id]
    # An execution does not replace those that it is a part of.
    candidates = [found for found in others if ":".join(identifiers.execution_key(found)) not in above]
    replaced = []
    for execution_id in candidates[: max(0, len(others) + 1 - claimed.limit.places)]:
        try:
            await aborting.set_aborting(session, execution_id, cause)
        except errors.AlreadyTerminal:  # It has ended since the query.
            continue
        replaced.append(execution_id)
    return replaced


def _waiting_row(launch: Launch, claimed: Claim, above: list[str]) -> WaitingExecutionRow:
    project, domain, name = identifiers.execution_key(launch.id)
    return WaitingExecutionRow(
        execution_project=project,
        execution_domain=domain,
        execution_name=name,
        plan_project=claimed.scope.project,
        plan_domain=claimed.scope.domain,
        plan_name=claimed.scope.name,
        scheduled=claimed.scope.scheduled,
        places=claimed.limit.places,
        priority=launch.settings.priority or run_policies.DEFAULT_PRIORITY,
        above=above,
    )


async def _parent_row(session: AsyncSession, launch: Launch) -> int:
    """Return the row number of the execution that waits for this one; 0 if none does."""
    if launch.linkage.parent_node_row:
        return launch.linkage.source_row
    # flytekit marks what an eager workflow launches by a label only.
    eager = launch.spec.labels.values.get(naming.EAGER_LABEL, "")
    row = ExecutionRow
    query = select(row.id).where(
        row.execution_project == launch.id.project,
        row.execution_domain == launch.id.domain,
        row.execution_name == eager,
    )
    return (await session.scalar(query) or 0) if eager else 0


def _claim(spec: execution_pb2.ExecutionSpec, launch_plan: launch_plan_pb2.LaunchPlanSpec | None) -> Claim | None:
    """Return the limit of a launch as if it found no place; None if there is no limit."""
    limit = None if launch_plan is None else limits.of_launch(launch_plan, spec.metadata.mode)
    if limit is None:
        return None
    plan = spec.launch_plan
    return Claim(Scope(plan.project, plan.domain, plan.name, limit.scheduled), limit)
