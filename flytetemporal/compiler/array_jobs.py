"""Tasks of type container_array, made by flytekit's legacy map task: the engine runs them as array nodes. Pure.

Mirrors flyteplugins' tasks/plugins/array: core/state.go (defaults), catalog.go (size and successes by version).
"""

from flyteidl.core import tasks_pb2, workflow_pb2
from flyteidl.plugins import array_job_pb2
from google.protobuf import json_format

from flytetemporal.contracts.v1 import graph_pb2
from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import array_task_events, offloading

TASK_TYPE = array_task_events.TASK_TYPE
_MAX_COUNT = 2**31 - 1


def make_array(node: graph_pb2.Node, template: tasks_pb2.TaskTemplate) -> graph_pb2.Node:
    """Turn ``node`` into an array node and return the node of its elements, which are retried one by one.

    Raises:
        InvalidRequest: the ``custom`` of the task is not a valid ArrayJob.
    """
    job, array = _job(template), node.array
    array.node.id, array.node.name, array.node.retries = node.id, node.name, node.retries
    if node.HasField("interruptible"):
        array.node.interruptible.CopyFrom(node.interruptible)
    array.parallelism.value = job.parallelism
    array.job.reads_references = offloading.reads_references(template)
    array.job.SetInParent()  # Marks the array as a job even if all fields have their defaults.
    if template.task_type_version == 0:
        array.job.size.value = job.size
    copy_success_criteria(array, job)
    return array.node


def copy_success_criteria(array: graph_pb2.ArrayNode, source: array_job_pb2.ArrayJob | workflow_pb2.ArrayNode) -> None:
    """Copy how many elements must succeed from a job or a node to an array."""
    match source.WhichOneof("success_criteria"):
        case "min_successes":
            array.min_successes = source.min_successes
        case "min_success_ratio":
            array.min_success_ratio = source.min_success_ratio
        case _:
            pass


def _job(template: tasks_pb2.TaskTemplate) -> array_job_pb2.ArrayJob:
    if not template.HasField("custom"):
        return array_job_pb2.ArrayJob(parallelism=1, size=1)
    job = array_job_pb2.ArrayJob()
    try:
        json_format.ParseDict(json_format.MessageToDict(template.custom), job, ignore_unknown_fields=True)
    except json_format.ParseError as e:
        raise InvalidRequest(
            f"task {template.id.name} of type [{TASK_TYPE}]: its custom is not an ArrayJob: {e}"
        ) from e
    for name in ("parallelism", "size", "min_successes"):
        if not 0 <= getattr(job, name) <= _MAX_COUNT:
            raise InvalidRequest(f"task {template.id.name} of type [{TASK_TYPE}]: {name} is {getattr(job, name)}")
    return job
