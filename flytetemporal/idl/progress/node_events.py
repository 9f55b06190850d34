"""Merge node events into a node execution, which is changed in place. Pure otherwise."""

from flyteidl.admin import node_execution_pb2
from flyteidl.event import event_pb2

from flytetemporal.idl import phases
from flytetemporal.idl.progress import closures

_SHOWS_DECK = phases.NODE_TERMINAL | {phases.N.RUNNING}


def record(execution: node_execution_pb2.NodeExecution, event: event_pb2.NodeExecutionEvent) -> None:
    """Apply an accepted event as Flyte does: the closure takes its phase, whatever the stored one is."""
    closure = execution.closure
    if event.HasField("task_node_metadata"):
        closure.ClearField("task_node_metadata")
    if event.phase == phases.N.RUNNING:
        closure.ClearField("started_at")
    _merge(execution, event, forward=True)
    if event.HasField("reported_at"):
        closure.updated_at.CopyFrom(event.reported_at)


def advance(execution: node_execution_pb2.NodeExecution, event: event_pb2.NodeExecutionEvent) -> bool:
    """Move the node forward; return whether anything changed.

    An event behind the stored phase only fills in missing fields. ``reported_at`` is ignored, since it differs between
    repetitions of an event.
    """
    closure = execution.closure
    if not closure.HasField("updated_at") or phases.node_rank(event.phase) > phases.node_rank(closure.phase):
        _merge(execution, event, forward=True)
        return True
    before = execution.SerializeToString(deterministic=True)
    _merge(execution, event, forward=False)
    return execution.SerializeToString(deterministic=True) != before


def _merge(execution: node_execution_pb2.NodeExecution, event: event_pb2.NodeExecutionEvent, *, forward: bool) -> None:
    closure = execution.closure
    if forward:
        closure.phase = event.phase
    closures.merge_times(closure, event, forward=forward, running=event.phase == phases.N.RUNNING)
    _merge_deck(closure, event, forward=forward)
    if forward and event.phase in phases.NODE_TERMINAL:
        closures.copy_result(closure, event)
    _merge_target(closure, event, forward=forward)
    _merge_metadata(execution, event)
    if closure.phase in phases.NODE_TERMINAL:
        closures.set_duration(closure)


def _merge_deck(
    closure: node_execution_pb2.NodeExecutionClosure, event: event_pb2.NodeExecutionEvent, *, forward: bool
) -> None:
    if event.phase not in _SHOWS_DECK:
        return
    # The start announces a deck before it exists. A final event without a deck withdraws it.
    if forward or (closure.phase not in phases.NODE_TERMINAL and not closure.deck_uri):
        closure.deck_uri = event.deck_uri


def _merge_target(
    closure: node_execution_pb2.NodeExecutionClosure, event: event_pb2.NodeExecutionEvent, *, forward: bool
) -> None:
    match event.WhichOneof("target_metadata"):
        case "workflow_node_metadata":
            if not closure.HasField("workflow_node_metadata"):
                closure.workflow_node_metadata.executionId.CopyFrom(event.workflow_node_metadata.execution_id)
        case "task_node_metadata":
            _merge_task_metadata(closure, event.task_node_metadata, forward=forward)
        case _:
            pass


def _merge_task_metadata(
    closure: node_execution_pb2.NodeExecutionClosure, reported: event_pb2.TaskNodeMetadata, *, forward: bool
) -> None:
    stored = closure.task_node_metadata
    stored.SetInParent()
    if reported.checkpoint_uri and (forward or not stored.checkpoint_uri):
        stored.checkpoint_uri = reported.checkpoint_uri
    # Flyte shows a cache status only together with its key.
    if reported.HasField("catalog_key") and (forward or not stored.HasField("catalog_key")):
        stored.cache_status = reported.cache_status
        stored.catalog_key.CopyFrom(reported.catalog_key)
    spec_uri = reported.dynamic_workflow.dynamic_job_spec_uri
    if spec_uri and (forward or not closure.dynamic_job_spec_uri):
        closure.dynamic_job_spec_uri = spec_uri


def _merge_metadata(execution: node_execution_pb2.NodeExecution, event: event_pb2.NodeExecutionEvent) -> None:
    metadata = execution.metadata
    if not execution.input_uri:
        execution.input_uri = event.input_uri
    if not metadata.spec_node_id:
        metadata.spec_node_id = event.spec_node_id
    if not metadata.retry_group:
        metadata.retry_group = event.retry_group
    metadata.is_parent_node |= event.is_parent
    metadata.is_dynamic |= event.is_dynamic
    metadata.is_array |= event.is_array
    metadata.is_eager |= event.is_eager
