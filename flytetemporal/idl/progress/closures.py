"""Merge what node and task events share into closures: times, result and duration.

Pure apart from the closure passed in, which is changed in place. The phase is not set here: each kind of event has its
own ranks, and its module decides whether an event moves the closure forward.
"""

from datetime import timedelta

from flyteidl.admin import execution_pb2, node_execution_pb2, task_execution_pb2
from flyteidl.event import event_pb2

from flytetemporal.idl import times

NodeOrTaskClosure = node_execution_pb2.NodeExecutionClosure | task_execution_pb2.TaskExecutionClosure
NodeOrTaskEvent = event_pb2.NodeExecutionEvent | event_pb2.TaskExecutionEvent
Closure = NodeOrTaskClosure | execution_pb2.ExecutionClosure


def merge_times(closure: NodeOrTaskClosure, event: NodeOrTaskEvent, *, forward: bool, running: bool) -> None:
    """Merge the time of an event into ``created_at``, ``started_at`` and ``updated_at``.

    Args:
        closure: the closure to change.
        event: the event whose ``occurred_at`` is merged.
        forward: the event moves the phase forward, so it is also the last update.
        running: the event reports that the node or task runs.
    """
    if forward:
        closure.updated_at.CopyFrom(event.occurred_at)
    # The earliest event counts, whichever is merged first, so that any order of events ends in the same closure.
    times.keep_earlier(closure.created_at, event.occurred_at)
    if running:
        times.keep_earlier(closure.started_at, event.occurred_at)


def copy_result(closure: NodeOrTaskClosure, event: NodeOrTaskEvent) -> None:
    """Copy the outputs or the error of a final event; an event without a result changes nothing."""
    match event.WhichOneof("output_result"):
        case "output_uri":
            closure.output_uri = event.output_uri
        case "output_data":
            closure.output_data.CopyFrom(event.output_data)
        case "error":
            closure.error.CopyFrom(event.error)
        case _:
            pass


def set_duration(closure: Closure) -> None:
    """Set the duration of an ended closure to the time from its start to its last update; unset without a start."""
    if closure.HasField("started_at"):
        elapsed = times.moment(closure.updated_at) - times.moment(closure.started_at)
        # The two times can come from different machines; with their clocks apart, an end can seem to precede its start.
        closure.duration.CopyFrom(times.duration(max(elapsed, timedelta(0))))
