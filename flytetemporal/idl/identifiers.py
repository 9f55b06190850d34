"""FlyteIDL identifiers as tuples and as the texts that clients read."""

from flyteidl.core import identifier_pb2

EntityKey = tuple[str, str, str, str]
ExecutionKey = tuple[str, str, str]

_FIELDS = ("project", "domain", "name", "version")


def entity_key(identifier: identifier_pb2.Identifier) -> EntityKey:
    """Return (project, domain, name, version)."""
    return identifier.project, identifier.domain, identifier.name, identifier.version


def execution_key(identifier: identifier_pb2.WorkflowExecutionIdentifier) -> ExecutionKey:
    """Return (project, domain, name)."""
    return identifier.project, identifier.domain, identifier.name


def identifier(resource_type: int, key: EntityKey) -> identifier_pb2.Identifier:
    """Return the identifier of an entity."""
    project, domain, name, version = key
    return identifier_pb2.Identifier(
        resource_type=identifier_pb2.ResourceType.Name(resource_type),
        project=project,
        domain=domain,
        name=name,
        version=version,
    )


def execution_identifier(key: ExecutionKey) -> identifier_pb2.WorkflowExecutionIdentifier:
    """Return the identifier of an execution."""
    project, domain, name = key
    return identifier_pb2.WorkflowExecutionIdentifier(project=project, domain=domain, name=name)


def resource_type_name(number: int) -> str:
    """Return ``TASK`` and so on; the number as text for a type that our FlyteIDL does not know yet."""
    return identifier_pb2.ResourceType.Name(number) if number in identifier_pb2.ResourceType.values() else str(number)


def text(identifier: identifier_pb2.Identifier) -> str:
    """Return ``resource_type:TASK project:"p" ...``, the form used in Flyte's messages."""
    kind = resource_type_name(identifier.resource_type)
    prefix = f"resource_type:{kind} " if identifier.resource_type else ""
    return prefix + unqualified_text(identifier)


def unqualified_text(identifier: identifier_pb2.Identifier) -> str:
    """Return ``project:"p" domain:"d" name:"n" version:"v"``, without empty fields."""
    return _fields(entity_key(identifier))


def execution_text(identifier: identifier_pb2.WorkflowExecutionIdentifier) -> str:
    """Return ``project:"p" domain:"d" name:"n"``, without empty fields."""
    return _fields(execution_key(identifier))


def node_text(identifier: identifier_pb2.NodeExecutionIdentifier) -> str:
    """Return ``node_id:"n0" execution_id:{...}``."""
    return f'node_id:"{identifier.node_id}" execution_id:{{{execution_text(identifier.execution_id)}}}'


def task_text(identifier: identifier_pb2.TaskExecutionIdentifier) -> str:
    """Return ``task_id:{...} node_execution_id:{...}``, with ``retry_attempt`` unless it is 0."""
    retry = f" retry_attempt:{identifier.retry_attempt}" if identifier.retry_attempt else ""
    return (
        f"task_id:{{{unqualified_text(identifier.task_id)}}} "
        f"node_execution_id:{{{node_text(identifier.node_execution_id)}}}{retry}"
    )


def _fields(key: EntityKey | ExecutionKey) -> str:
    return " ".join(f'{field}:"{value}"' for field, value in zip(_FIELDS, key, strict=False) if value)
