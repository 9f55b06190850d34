"""Apply a batch of events of one execution: how our own engine reports.

A batch costs one transaction, one lock, one read and one write per table, whatever the number of its events. No event
is refused because of its order: repeated and late events change nothing, and a child's event can precede its parent's.
Flyte's own RPCs, which take one event and refuse such events, are in ``flyte_events``.
"""

from collections.abc import Sequence

from flyteidl.admin import execution_pb2, node_execution_pb2, task_execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.event import event_pb2
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.base import execution_lookup
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import NodeExecutionRow, TaskExecutionRow
from flytetemporal.admin.events import event_rows, inline_data
from flytetemporal.admin.events.event_rows import ExecutionId, ExecutionState, NodeState, TaskKey, TaskState
from flytetemporal.contracts.v1 import events_pb2
from flytetemporal.idl import identifiers, phases
from flytetemporal.idl.progress import node_events, task_events, workflow_events

NODE_ABORTED = "NodeAborted"
CANCELLED_IN_TEMPORAL = "The workflow was cancelled in Temporal."


async def record_events(deps: Dependencies, request: events_pb2.RecordEventsRequest) -> events_pb2.RecordEventsResponse:
    """Apply the events in one transaction.

    Raises:
        NotFound: the execution does not exist.
        InvalidRequest: the events belong to several executions, or one is malformed.
    """
    if not request.events:
        return events_pb2.RecordEventsResponse()
    execution_id = _execution_of(request.events)
    # Before the transaction: no lock is held while the object store is written. Repeated writes go to the same URIs.
    for event in request.events:
        await inline_data.offload(deps, _inner(event))
    async with deps.sessions.begin() as session:
        batch = await _Batch.load(session, execution_id, request.events, deps.blobs.root)
        applied = sum(batch.apply(event) for event in request.events)
        await batch.store(session)
    return events_pb2.RecordEventsResponse(applied=applied)


class _Batch:
    """The rows that a batch changes, held in memory between one read and one write."""

    def __init__(
        self,
        execution_id: ExecutionId,
        root: str,
        execution: ExecutionState,
        nodes: dict[str, NodeState],
        tasks: dict[TaskKey, TaskState],
    ) -> None:
        self._execution_id = execution_id
        self._root = root
        self._execution = execution
        self._nodes = nodes
        self._tasks = tasks

    @classmethod
    async def load(
        cls, session: AsyncSession, execution_id: ExecutionId, events: Sequence[events_pb2.Event], root: str
    ) -> "_Batch":
        execution = await event_rows.lock_execution(session, execution_id)
        task_nodes = {e.task.parent_node_execution_id.node_id for e in events if e.HasField("task")}
        # Tasks need the rows of their nodes, too: see _require_node.
        node_ids = {e.node.id.node_id for e in events if e.HasField("node")} | task_nodes
        wanted_nodes = event_rows.of_nodes(NodeExecutionRow, node_ids)
        wanted_tasks = event_rows.of_nodes(TaskExecutionRow, task_nodes)
        nodes = await event_rows.load_nodes(session, execution_id, wanted_nodes) if node_ids else {}
        tasks = await event_rows.load_tasks(session, execution_id, wanted_tasks) if task_nodes else {}
        return cls(execution_id, root, execution, nodes, tasks)

    def apply(self, event: events_pb2.Event) -> bool:
        """Merge one event; return whether it changed anything."""
        if event.HasField("workflow"):
            return self._apply_workflow(event.workflow)
        return self._apply_node(event.node) if event.HasField("node") else self._apply_task(event.task)

    def _apply_workflow(self, event: event_pb2.WorkflowExecutionEvent) -> bool:
        closure = self._execution.closure
        before = closure.phase
        changed = workflow_events.advance(closure, event)
        if closure.phase == phases.W.ABORTED and before not in (phases.W.ABORTING, phases.W.ABORTED):
            # No TerminateExecution came before, so the abort has no recorded cause.
            closure.abort_metadata.cause = CANCELLED_IN_TEMPORAL
        self._execution.changed |= changed
        return changed

    def _apply_node(self, event: event_pb2.NodeExecutionEvent) -> bool:
        state = self._nodes.get(event.id.node_id)
        if state is None:
            state = self._nodes[event.id.node_id] = NodeState(node_execution_pb2.NodeExecution(id=event.id))
        before = (state.parent_node_id, state.parent_task, state.dynamic_closure_uri, state.event_version)
        event_rows.link(state, event, self._root)
        after = (state.parent_node_id, state.parent_task, state.dynamic_closure_uri, state.event_version)
        changed = node_events.advance(state.execution, event) or before != after
        state.changed |= changed
        return changed

    def _apply_task(self, event: event_pb2.TaskExecutionEvent) -> bool:
        identifier = event_rows.task_execution_id(event)
        key = event_rows.task_key(identifier)
        self._require_node(event)
        state = self._tasks.get(key)
        if state is None:
            state = self._tasks[key] = TaskState(task_execution_pb2.TaskExecution(id=identifier))
        changed, state.phase_version = task_events.advance(state.execution, state.phase_version, event)
        state.changed |= changed
        return changed

    def _require_node(self, event: event_pb2.TaskExecutionEvent) -> None:
        """Add a row for the node of a task if there is none; the node's own events, which come later, fill it in.

        Clients do not see such a node: its phase is UNDEFINED, and reads leave it out.
        """
        identifier = event.parent_node_execution_id
        if identifier.node_id in self._nodes:
            return
        execution = node_execution_pb2.NodeExecution(id=identifier)
        execution.closure.created_at.CopyFrom(event.occurred_at)
        execution.closure.updated_at.CopyFrom(event.occurred_at)
        self._nodes[identifier.node_id] = NodeState(execution, changed=True)

    async def store(self, session: AsyncSession) -> None:
        """Store the changed rows; if the execution has ended, close the open rows below it."""
        if self._execution.changed:
            await event_rows.store_execution(session, self._execution_id, self._execution)
        await event_rows.store_nodes(session, self._nodes.values())
        await event_rows.store_tasks(session, self._tasks.values())
        if self._execution.closure.phase in phases.WORKFLOW_TERMINAL:
            await close_open(session, self._execution_id, self._execution.closure)


async def close_open(session: AsyncSession, execution_id: ExecutionId, closure: execution_pb2.ExecutionClosure) -> None:
    """Abort the open nodes and task executions of an execution that has ended.

    The caller holds the lock of the execution, so that no event can open a node in between.
    """
    nodes = await event_rows.load_nodes(session, execution_id, event_rows.is_open(NodeExecutionRow))
    tasks = await event_rows.load_tasks(session, execution_id, event_rows.is_open(TaskExecutionRow))
    error = core_execution_pb2.ExecutionError(code=NODE_ABORTED, message=_cause(closure))
    for node in nodes.values():
        event = event_pb2.NodeExecutionEvent(phase=phases.N.ABORTED, occurred_at=closure.updated_at, error=error)
        # Whether an announced deck was written is unknown here. Links are only made to decks that exist.
        event.deck_uri = node.execution.closure.deck_uri
        node.changed = node_events.advance(node.execution, event)
    for task in tasks.values():
        end = event_pb2.TaskExecutionEvent(phase=phases.T.ABORTED, occurred_at=closure.updated_at)
        task.changed, _ = task_events.advance(task.execution, task.phase_version, end)
    await event_rows.store_nodes(session, nodes.values())
    await event_rows.store_tasks(session, tasks.values())


def _cause(closure: execution_pb2.ExecutionClosure) -> str:
    if closure.WhichOneof("output_result") == "abort_metadata" and closure.abort_metadata.cause:
        return closure.abort_metadata.cause
    if closure.HasField("error"):
        return closure.error.message
    return "Workflow aborted." if closure.phase == phases.W.ABORTED else "The workflow has ended."


def _inner(event: events_pb2.Event) -> inline_data.AnyEvent:
    if event.HasField("workflow"):
        return event.workflow
    return event.node if event.HasField("node") else event.task


def _execution_of(events: Sequence[events_pb2.Event]) -> ExecutionId:
    keys = set()
    for position, event in enumerate(events):
        inner = _inner(event)
        if not inner.HasField("occurred_at"):
            raise errors.InvalidRequest(f"event {position}: missing occurred_at")
        keys.add(_checked_key(event))
    if len(keys) != 1:
        raise errors.InvalidRequest(f"the events of a batch must belong to one execution, these belong to {len(keys)}")
    return identifiers.execution_identifier(keys.pop())


def _checked_key(event: events_pb2.Event) -> identifiers.ExecutionKey:
    match event.WhichOneof("event"):
        case "workflow":
            identifier = event.workflow.execution_id
            execution_lookup.check_execution_id(identifier)
        case "node":
            execution_lookup.check_node_id(event.node.id)
            identifier = event.node.id.execution_id
        case "task":
            execution_lookup.check_task_id(event_rows.task_execution_id(event.task))
            identifier = event.task.parent_node_execution_id.execution_id
        case _:
            raise errors.InvalidRequest("an event has none of workflow, node and task set")
    return identifiers.execution_key(identifier)
