"""What a cached output says of the execution that made it. Pure.

Mirrors flytepropeller's pkg/controller/nodes/catalog/datacatalog/transformer.go.
"""

from collections.abc import Mapping

from flyteidl.core import identifier_pb2
from flyteidl.datacatalog import datacatalog_pb2 as datacatalog

from flytetemporal.activities.task_attempts import Attempt

_UNKNOWN = "unknown"
_TASK_VERSION = "task-version"
# Flyte does not say which element it was.
_ELEMENT = "exec-element"


def names_version(artifact: Mapping[str, str]) -> bool:
    """Whether the metadata of an artifact has the version of its task, so that those of the dataset are not needed."""
    return _TASK_VERSION in artifact


def of_dataset(attempt: Attempt) -> datacatalog.Metadata:
    """Return the metadata of a dataset that the attempt creates."""
    return datacatalog.Metadata(key_map={_TASK_VERSION: attempt.task.id.version})


def of_artifact(attempt: Attempt) -> datacatalog.Metadata:
    """Return the metadata of an artifact that the attempt makes."""
    node = attempt.request.node_event
    execution = node.id.execution_id
    found = datacatalog.Metadata(
        key_map={
            "exec-project": execution.project,
            "exec-domain": execution.domain,
            "execution-name": execution.name,
            # Flyte has the id of the node in its workflow here, not the unique one.
            "exec-node": node.spec_node_id or node.id.node_id,
            "exec-attempt": str(attempt.request.attempt),
            # Flyte only has the version of the task that created the dataset.
            _TASK_VERSION: attempt.task.id.version,
        }
    )
    if attempt.is_element:
        found.key_map[_ELEMENT] = str(attempt.request.element.index)
    return found


def source(
    task_id: identifier_pb2.Identifier, dataset: Mapping[str, str], artifact: Mapping[str, str]
) -> identifier_pb2.TaskExecutionIdentifier:
    """Return the task execution that made an artifact, as far as the metadata of dataset and artifact tell.

    ``task_id`` is that of the task which found it.
    """
    number = artifact.get("exec-attempt", "")
    return identifier_pb2.TaskExecutionIdentifier(
        task_id=identifier_pb2.Identifier(
            resource_type=task_id.resource_type,
            project=task_id.project,
            domain=task_id.domain,
            name=task_id.name,
            version=artifact.get(_TASK_VERSION) or dataset.get(_TASK_VERSION, _UNKNOWN),
        ),
        node_execution_id=identifier_pb2.NodeExecutionIdentifier(
            node_id=artifact.get("exec-node", _UNKNOWN),
            execution_id=identifier_pb2.WorkflowExecutionIdentifier(
                project=artifact.get("exec-project", task_id.project),
                domain=artifact.get("exec-domain", task_id.domain),
                name=artifact.get("execution-name", _UNKNOWN),
            ),
        ),
        # Anyone may have stored the artifact. Nine digits fit into the field.
        retry_attempt=int(number) if number.isascii() and number.isdigit() and len(number) <= 9 else 0,
    )
