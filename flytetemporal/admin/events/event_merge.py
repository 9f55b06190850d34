"""Merge events into the rows of their execution, in memory: what ``group_commit`` does between reading and writing."""

from collections.abc import Iterable

from flyteidl.admin import execution_pb2, node_execution_pb2, task_execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.event import event_pb2

from flytetemporal.admin.events import event_rows, inline_data
from flytetemporal.admin.events.event_rows import ExecutionId, ExecutionState, NodeState, TaskKey, TaskState
from flytetemporal.contracts.v1 import artifacts_pb2, events_pb2
from flytetemporal.idl import identifiers, phases
from flytetemporal.idl.progress import node_events, task_events, workflow_events

NODE_ABORTED = "NodeAborted"
CANCELLED_IN_TEMPORAL = "The workflow was cancelled in Temporal."


class Merge:
    """The rows of one execution that its events change, held in memory between one read and one write."""

    def __init__(self, execution_id: ExecutionId, root: str, execution: ExecutionState) -> None:
        self.execution_id = execution_id
        self.execution = execution
        self.nodes: dict[str, NodeState] = {}
        self.tasks: dict[TaskKey, TaskState] = {}
        # The nodes whose rows, and the nodes whose tasks' rows, must be loaded first.
        self.wanted_nodes: set[str] = set()
        self.wanted_tasks: set[str] = set()
        self._root = root

    def expect(self, events: Iterable[events_pb2.Event]) -> None:
        """Note which rows the events change."""
        for event in events:
            if event.HasField("node"):
                self.wanted_nodes.add(event.node.id.node_id)
            elif event.HasField("task"):
                self.wanted_tasks.add(event.task.parent_node_execution_id.node_id)
        self.wanted_nodes |= self.wanted_tasks  # Tasks need the rows of their nodes, too: see _require_node.

    def apply(self, event: events_pb2.Event) -> bool:
        """Merge one event; return whether it changed anything."""
        if event.HasField("workflow"):
            return self._apply_workflow(event.workflow)
        return self._apply_node(event.node) if event.HasField("node") else self._apply_task(event.task)

    def _apply_workflow(self, event: event_pb2.WorkflowExecutionEvent) -> bool:
        closure = self.execution.closure
        before = closure.phase
        changed = workflow_events.advance(closure, event)
        if closure.phase == phases.W.ABORTED and before not in (phases.W.ABORTING, phases.W.ABORTED):
            # No TerminateExecution came before, so the abort has no recorded cause.
            closure.abort_metadata.cause = CANCELLED_IN_TEMPORAL
        self.execution.changed |= changed
        return changed

    def _apply_node(self, event: event_pb2.NodeExecutionEvent) -> bool:
        state = self.nodes.get(event.id.node_id)
        if state is None:
            state = self.nodes[event.id.node_id] = NodeState(node_execution_pb2.NodeExecution(id=event.id))
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
        state = self.tasks.get(key)
        if state is None:
            state = self.tasks[key] = TaskState(task_execution_pb2.TaskExecution(id=identifier))
        changed, state.phase_version = task_events.advance(state.execution, state.phase_version, event)
        state.changed |= changed
        return changed

    def _require_node(self, event: event_pb2.TaskExecutionEvent) -> None:
        """Add a row for the node of a task if there is none; the node's own events, which come later, fill it in.

        Clients do not see such a node: its phase is UNDEFINED, and reads leave it out.
        """
        identifier = event.parent_node_execution_id
        if identifier.node_id in self.nodes:
            return
        execution = node_execution_pb2.NodeExecution(id=identifier)
        execution.closure.created_at.CopyFrom(event.occurred_at)
        execution.closure.updated_at.CopyFrom(event.occurred_at)
        self.nodes[identifier.node_id] = NodeState(execution, changed=True)

    def has_succeeded(self, source: artifacts_pb2.ArtifactSource) -> bool:
        """Whether the task execution or the execution has succeeded that is the source of an artifact."""
        if not source.node_id:
            return self.execution.closure.phase == phases.W.SUCCEEDED
        state = self.tasks.get((source.node_id, identifiers.entity_key(source.entity), source.retry_attempt))
        return state is not None and state.execution.closure.phase == phases.T.SUCCEEDED

    @property
    def has_ended(self) -> bool:
        """Whether the execution has ended."""
        return self.execution.closure.phase in phases.WORKFLOW_TERMINAL


def inner(event: events_pb2.Event) -> inline_data.AnyEvent:
    """Return the event of a workflow, a node or a task."""
    if event.HasField("workflow"):
        return event.workflow
    return event.node if event.HasField("node") else event.task


def abort_open(nodes: Iterable[NodeState], tasks: Iterable[TaskState], closure: execution_pb2.ExecutionClosure) -> None:
    """Abort the open nodes and task executions of an execution that has ended."""
    error = core_execution_pb2.ExecutionError(code=NODE_ABORTED, message=_cause(closure))
    for node in nodes:
        event = event_pb2.NodeExecutionEvent(phase=phases.N.ABORTED, occurred_at=closure.updated_at, error=error)
        # Whether an announced deck was written is unknown here. Links are only made to decks that exist.
        event.deck_uri = node.execution.closure.deck_uri
        node.changed = node_events.advance(node.execution, event)
    for task in tasks:
        end = event_pb2.TaskExecutionEvent(phase=phases.T.ABORTED, occurred_at=closure.updated_at)
        task.changed, _ = task_events.advance(task.execution, task.phase_version, end)


def _cause(closure: execution_pb2.ExecutionClosure) -> str:
    if closure.WhichOneof("output_result") == "abort_metadata" and closure.abort_metadata.cause:
        return closure.abort_metadata.cause
    if closure.HasField("error"):
        return closure.error.message
    return "Workflow aborted." if closure.phase == phases.W.ABORTED else "The workflow has ended."
