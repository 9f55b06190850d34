"""Flyte's three event RPCs: one event each, refused as flyteadmin refuses it.

Our own engine reports through ``batches``, which takes many events and refuses none because of its order.
Checks and their order mirror flyteadmin's pkg/manager/impl/{execution,node_execution,task_execution}_manager.go.
"""

from flyteidl.admin import event_pb2 as admin_event_pb2
from flyteidl.admin import execution_pb2, node_execution_pb2, task_execution_pb2
from flyteidl.core import identifier_pb2
from flyteidl.event import event_pb2
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.base import execution_lookup
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import NodeExecutionRow, TaskExecutionRow
from flytetemporal.admin.events import event_rows, inline_data
from flytetemporal.admin.events.event_rows import ExecutionState, NodeState, TaskState
from flytetemporal.admin.outbox import event_log
from flytetemporal.idl import identifiers, phases
from flytetemporal.idl.progress import node_events, task_events, workflow_events


async def create_workflow_event(
    deps: Dependencies, request: admin_event_pb2.WorkflowExecutionEventRequest
) -> admin_event_pb2.WorkflowExecutionEventResponse:
    """Record a phase of an execution."""
    event = request.event
    if not request.HasField("event"):
        raise errors.InvalidRequest("Workflow event handler was called without event")
    if not event.HasField("execution_id"):
        raise errors.InvalidRequest("Workflow event handler was called without execution_id")
    execution_lookup.check_execution_id(event.execution_id)
    inline_data.check_size(event, deps.settings.max_data_bytes)
    # Data is stored before the transaction: no lock is held while the object store is written. If the event is then
    # refused, a later valid event overwrites the file.
    if event.WhichOneof("output_result") == "output_data":
        await _require_execution(deps, event.execution_id)
        await inline_data.offload(deps, event)
    async with deps.sessions.begin() as session:
        state = await event_rows.lock_execution(session, event.execution_id)
        phases.check_workflow_event(state.closure.phase, state.cluster, event)
        _require_time(event)
        if event.phase in (phases.W.UNDEFINED, phases.W.QUEUED):
            await _reassign(session, event, state)
        workflow_events.record(state.closure, event)
        await event_rows.store_executions(session, [(event.execution_id, state)])
        await event_log.record(session, deps.events, [event])
    return admin_event_pb2.WorkflowExecutionEventResponse()


async def create_node_event(
    deps: Dependencies, request: admin_event_pb2.NodeExecutionEventRequest
) -> admin_event_pb2.NodeExecutionEventResponse:
    """Record a phase of a node."""
    event = request.event
    execution_id = event.id.execution_id
    if _carries_data(event):
        await _require_execution(deps, execution_id)
        await inline_data.offload(deps, event)
    async with deps.sessions.begin() as session:
        try:
            execution = await event_rows.lock_execution(session, execution_id)
        except errors.NotFound as error:
            text = identifiers.execution_text(execution_id)
            raise errors.NotFound(f"Failed to get existing execution id: [{text}] with err: {error.message}") from error
        # flyteadmin looks the execution up before it checks the event: an unknown execution is reported first.
        phases.check_producer(event.producer_id, execution.cluster)
        execution_lookup.check_node_id(event.id)
        _require_time(event)
        is_it = event_rows.of_nodes(NodeExecutionRow, [event.id.node_id])
        state = (await event_rows.load_nodes(session, execution_id, is_it)).get(event.id.node_id)
        if state is None:
            await _require_parents(session, event)
            state = NodeState(node_execution_pb2.NodeExecution(id=event.id))
        else:
            phases.check_node_event(state.execution.closure.phase, event)
            if event.HasField("workflow_node_metadata"):
                await execution_lookup.execution(session, event.workflow_node_metadata.execution_id)
        event_rows.link(state, event, deps.blobs.root)
        node_events.record(state.execution, event)
        state.changed = True
        await event_rows.store_nodes(session, [state])
        await event_log.record(session, deps.events, [event])
    return admin_event_pb2.NodeExecutionEventResponse()


async def create_task_event(
    deps: Dependencies, request: admin_event_pb2.TaskExecutionEventRequest
) -> admin_event_pb2.TaskExecutionEventResponse:
    """Record a phase of a task execution."""
    event = request.event
    if not request.HasField("event"):
        raise errors.InvalidRequest("missing event")
    if not event.HasField("occurred_at"):
        raise errors.InvalidRequest("missing occurred_at")
    identifier = event_rows.task_execution_id(event)
    execution_lookup.check_task_id(identifier)
    inline_data.check_size(event, deps.settings.max_data_bytes)
    execution_id = identifier.node_execution_id.execution_id
    if _carries_data(event):
        await _require_execution(deps, execution_id)
        await inline_data.offload(deps, event)
    async with deps.sessions.begin() as session:
        execution = await event_rows.lock_execution(session, execution_id)
        phases.check_producer(event.producer_id, execution.cluster)
        wanted = event_rows.task_key(identifier)
        of_node = event_rows.of_nodes(TaskExecutionRow, [identifier.node_execution_id.node_id])
        state = (await event_rows.load_tasks(session, execution_id, of_node)).get(wanted)
        if state is None:
            await _require_node(session, identifier.node_execution_id)
            state = TaskState(task_execution_pb2.TaskExecution(id=identifier))
        else:
            phases.check_task_event(state.execution.closure.phase, state.phase_version, event)
        state.phase_version = task_events.record(state.execution, event)
        state.changed = True
        await event_rows.store_tasks(session, [state])
        await event_log.record(session, deps.events, [event])
    return admin_event_pb2.TaskExecutionEventResponse()


async def _require_execution(deps: Dependencies, identifier: identifier_pb2.WorkflowExecutionIdentifier) -> None:
    """Refuse an unknown execution before any data is stored for it. Raises ``NotFound``."""
    async with deps.sessions() as session:
        await execution_lookup.execution(session, identifier)


async def _require_parents(session: AsyncSession, event: event_pb2.NodeExecutionEvent) -> None:
    if event.HasField("parent_node_metadata"):
        parent = identifier_pb2.NodeExecutionIdentifier(
            node_id=event.parent_node_metadata.node_id, execution_id=event.id.execution_id
        )
        await execution_lookup.node(session, parent)
    if event.HasField("parent_task_metadata"):
        await execution_lookup.task(session, event.parent_task_metadata.id)


async def _require_node(session: AsyncSession, identifier: identifier_pb2.NodeExecutionIdentifier) -> None:
    if await execution_lookup.find_node(session, identifier) is None:
        missing = execution_lookup.missing_node(identifier)
        raise errors.InvalidRequest(f"failed to get existing node execution: {missing.message}") from missing


async def _reassign(session: AsyncSession, event: event_pb2.WorkflowExecutionEvent, state: ExecutionState) -> None:
    """Record the cluster that took the execution over. Flyte allows that only before the execution runs."""
    if event.producer_id in ("", phases.ANY_PRODUCER, state.cluster):
        return
    state.cluster = event.producer_id
    row = await execution_lookup.execution(session, event.execution_id)
    spec = execution_pb2.ExecutionSpec.FromString(row.spec)
    spec.metadata.system_metadata.execution_cluster = event.producer_id
    row.spec = spec.SerializeToString()


def _carries_data(event: event_pb2.NodeExecutionEvent | event_pb2.TaskExecutionEvent) -> bool:
    if event.HasField("output_data") or event.HasField("input_data"):
        return True
    if isinstance(event, event_pb2.TaskExecutionEvent):
        return False
    return event.task_node_metadata.dynamic_workflow.HasField("compiled_workflow")


def _require_time(event: event_pb2.WorkflowExecutionEvent | event_pb2.NodeExecutionEvent) -> None:
    if not event.HasField("occurred_at"):
        raise errors.InvalidRequest("missing occurred_at")
