"""The task execution that stands for all elements of an array node: how its events look. Pure.

Mirrors flytepropeller's pkg/controller/nodes/array/event_recorder.go, event version 0. The elements are external
resources of this task execution; they have no task executions of their own.
"""

from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2
from flyteidl.event import event_pb2
from google.protobuf import timestamp_pb2

TASK_TYPE = "container_array"
PLUGIN = "k8s-array"
EVENT_VERSION = 1
# Elements with this index or a higher one are shown only if they fail. The list of resources travels in one message,
# which would outgrow the message limits of clients.
SHOWN = 5000


def task_event(
    node_event: event_pb2.NodeExecutionEvent,
    task_id: identifier_pb2.Identifier,
    phase: core_execution_pb2.TaskExecution.Phase,
    occurred_at: timestamp_pb2.Timestamp,
    attempt: int,
) -> event_pb2.TaskExecutionEvent:
    """Return an event of the task execution of an attempt of the array, without resources and URIs."""
    event = event_pb2.TaskExecutionEvent(
        task_id=task_id,
        parent_node_execution_id=node_event.id,
        phase=phase,
        occurred_at=occurred_at,
        retry_attempt=attempt,
        task_type=TASK_TYPE,
        event_version=EVENT_VERSION,
    )
    event.metadata.plugin_identifier = PLUGIN
    return event


def is_shown(index: int, phase: core_execution_pb2.TaskExecution.Phase) -> bool:
    """Whether an element is among the resources that clients see."""
    return index < SHOWN or phase == core_execution_pb2.TaskExecution.FAILED
