"""Move data that an event carries inline to the object store: rows hold URIs only.

Paths mirror flyteadmin's pkg/manager/impl/{node,task}_execution_manager.go and pkg/common/data_store.go.
"""

from flyteidl.core import identifier_pb2, literals_pb2
from flyteidl.event import event_pb2

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.idl import identifiers, locations

AnyEvent = event_pb2.WorkflowExecutionEvent | event_pb2.NodeExecutionEvent | event_pb2.TaskExecutionEvent
_INPUTS, _OUTPUTS = "offloaded_inputs", "offloaded_outputs"


def metadata_dir(root: str, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> str:
    """Return the directory of the files that admin itself writes for an execution."""
    return locations.join(root, "metadata", *identifiers.execution_key(execution_id))


def dynamic_closure_uri(root: str, event: event_pb2.NodeExecutionEvent) -> str:
    """Return the URI of the closure that a dynamic node compiled; empty if the event carries none."""
    dynamic = event.task_node_metadata.dynamic_workflow
    if not dynamic.HasField("compiled_workflow"):
        return ""
    name = "_".join(identifiers.entity_key(dynamic.id))
    execution = identifiers.execution_key(event.id.execution_id)
    return locations.join(root, "metadata", "admin", *execution, event.id.node_id, name)


def check_size(event: event_pb2.WorkflowExecutionEvent | event_pb2.TaskExecutionEvent, limit: int) -> None:
    """Check the size of inline outputs. ``limit`` is in bytes; 0 means no limit.

    Raises:
        QuotaExceeded: the outputs are larger.
    """
    size = event.output_data.ByteSize()
    if limit and size > limit:
        raise errors.QuotaExceeded(f"inline outputs of {size} bytes exceed {limit}; store them and send output_uri")


async def offload(deps: Dependencies, event: AnyEvent) -> None:
    """Store an event's inline inputs, outputs and compiled closure, and put URIs in their place.

    The URIs derive from ids, so a repeated event overwrites the same files.
    """
    directory = _directory(deps.blobs.root, event)
    if event.WhichOneof("output_result") == "output_data":
        event.output_uri = await _stored(deps, locations.join(directory, _OUTPUTS), event.output_data)
    if isinstance(event, event_pb2.WorkflowExecutionEvent):
        return
    if event.WhichOneof("input_value") == "input_data":
        event.input_uri = await _stored(deps, locations.join(directory, _INPUTS), event.input_data)
    if isinstance(event, event_pb2.NodeExecutionEvent):
        uri = dynamic_closure_uri(deps.blobs.root, event)
        if uri:
            await deps.blobs.write_message(uri, event.task_node_metadata.dynamic_workflow.compiled_workflow)


async def _stored(deps: Dependencies, uri: str, values: literals_pb2.LiteralMap) -> str:
    await deps.blobs.write_message(uri, values)
    return uri


def _directory(root: str, event: AnyEvent) -> str:
    if isinstance(event, event_pb2.WorkflowExecutionEvent):
        return metadata_dir(root, event.execution_id)
    if isinstance(event, event_pb2.NodeExecutionEvent):
        return locations.join(metadata_dir(root, event.id.execution_id), event.id.node_id)
    node = event.parent_node_execution_id
    task = identifiers.entity_key(event.task_id)
    return locations.join(metadata_dir(root, node.execution_id), node.node_id, *task, str(event.retry_attempt))
