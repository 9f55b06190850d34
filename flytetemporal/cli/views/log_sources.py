"""Which logs an execution, or one of its nodes, has: those of attempts, and of the elements of map tasks."""

from collections.abc import Iterator
from dataclasses import dataclass

from flyteidl.admin import execution_pb2, node_execution_pb2, task_execution_pb2
from flyteidl.core import identifier_pb2

from flytetemporal.cli.admin_calls import Admin
from flytetemporal.cli.views import listing
from flytetemporal.idl import phases

ExecutionId = identifier_pb2.WorkflowExecutionIdentifier
NODES = 200
ATTEMPTS = 100


@dataclass(frozen=True, slots=True)
class Source:
    """A link of an attempt, or of an element of one; ``uri`` is empty if the attempt has none."""

    title: str
    uri: str


def nodes(admin: Admin, execution_id: ExecutionId, limit: int = NODES) -> list[node_execution_pb2.NodeExecution]:
    """Return the nodes of all levels in the order in which they started, ``limit`` at most."""
    found: list[node_execution_pb2.NodeExecution] = []
    parents = [""]
    while parents and len(found) < limit:
        request = node_execution_pb2.NodeExecutionListRequest(
            workflow_execution_id=execution_id, unique_parent_id=parents.pop(0)
        )
        listed = listing.read(
            admin, "ListNodeExecutions", request, node_execution_pb2.NodeExecutionList(), limit - len(found)
        )
        found += listed.node_executions
        parents += [node.id.node_id for node in listed.node_executions if node.metadata.is_parent_node]
    return sorted(found, key=lambda node: (node.closure.created_at.ToNanoseconds(), node.id.node_id))


def node(admin: Admin, execution_id: ExecutionId, node_id: str) -> node_execution_pb2.NodeExecution:
    """Return one node."""
    identifier = identifier_pb2.NodeExecutionIdentifier(execution_id=execution_id, node_id=node_id)
    request = node_execution_pb2.NodeExecutionGetRequest(id=identifier)
    return admin.call(f"{listing.ADMIN_SERVICE}GetNodeExecution", request, node_execution_pb2.NodeExecution)


def attempts(admin: Admin, node_id: identifier_pb2.NodeExecutionIdentifier) -> list[task_execution_pb2.TaskExecution]:
    """Return the attempts of a node, the first one first."""
    request = task_execution_pb2.TaskExecutionListRequest(node_execution_id=node_id)
    listed = listing.read(admin, "ListTaskExecutions", request, task_execution_pb2.TaskExecutionList(), ATTEMPTS)
    return sorted(listed.task_executions, key=lambda attempt: attempt.id.retry_attempt)


def sources(attempt: task_execution_pb2.TaskExecution) -> Iterator[Source]:
    """Yield the logs of an attempt: its own, then those of its elements if it is one of a map task."""
    title = f"{attempt.id.node_execution_id.node_id}, attempt {attempt.id.retry_attempt}"
    for link in attempt.closure.logs:
        yield Source(title, link.uri)
    for element in attempt.closure.metadata.external_resources:
        for link in element.logs:
            yield Source(f"{title}, element {element.index}, attempt {element.retry_attempt}", link.uri)


def execution_has_ended(admin: Admin, execution_id: ExecutionId) -> bool:
    """Whether an execution starts no more nodes."""
    request = execution_pb2.WorkflowExecutionGetRequest(id=execution_id)
    found = admin.call(f"{listing.ADMIN_SERVICE}GetExecution", request, execution_pb2.Execution)
    return found.closure.phase in phases.WORKFLOW_TERMINAL


def has_ended(found: node_execution_pb2.NodeExecution) -> bool:
    """Whether a node runs no more attempts."""
    return found.closure.phase in phases.NODE_TERMINAL


def attempt_has_ended(attempt: task_execution_pb2.TaskExecution) -> bool:
    """Whether an attempt writes no more."""
    return attempt.closure.phase in phases.TASK_TERMINAL
