"""Merge workflow events into the closure of an execution, which is changed in place. Pure otherwise."""

from flyteidl.admin import execution_pb2
from flyteidl.event import event_pb2

from flytetemporal.idl import phases, times
from flytetemporal.idl.progress import closures


def record(closure: execution_pb2.ExecutionClosure, event: event_pb2.WorkflowExecutionEvent) -> None:
    """Apply an accepted event as Flyte does: the closure takes its phase, whatever the stored one is."""
    closure.phase = event.phase
    closure.updated_at.CopyFrom(event.occurred_at)
    if event.phase == phases.W.RUNNING:
        closure.started_at.CopyFrom(event.occurred_at)
    _record_result(closure, event)
    if closure.phase in phases.WORKFLOW_TERMINAL:
        closures.set_duration(closure)


def advance(closure: execution_pb2.ExecutionClosure, event: event_pb2.WorkflowExecutionEvent) -> bool:
    """Move the closure forward; return whether anything changed.

    An event behind the stored phase only fills in missing fields: the start time, the error.
    """
    before = closure.SerializeToString(deterministic=True)
    forward = phases.workflow_rank(event.phase) > phases.workflow_rank(closure.phase)
    if forward:
        closure.phase = event.phase
        closure.updated_at.CopyFrom(event.occurred_at)
    if event.phase == phases.W.RUNNING:
        times.keep_earlier(closure.started_at, event.occurred_at)
    if forward or closure.WhichOneof("output_result") is None:
        _record_result(closure, event)
    if closure.phase in phases.WORKFLOW_TERMINAL:
        closures.set_duration(closure)
    return closure.SerializeToString(deterministic=True) != before


def _record_result(closure: execution_pb2.ExecutionClosure, event: event_pb2.WorkflowExecutionEvent) -> None:
    match event.WhichOneof("output_result"):
        case "output_uri":
            closure.outputs.uri = event.output_uri
        case "error":
            closure.error.CopyFrom(event.error)
        case "output_data":
            closure.output_data.CopyFrom(event.output_data)
        case _:
            pass
