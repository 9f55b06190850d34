"""The resources of the attempts of one execution: what its nodes say, and what the execution gives them instead.

Asked when an attempt starts, so that what is given counts from the next attempt on. The resources of the task itself
are not known here: the activity merges them, and they yield to these.
"""

from flyteidl.core import tasks_pb2

from flytetemporal.contracts import resources
from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from flytetemporal.workflows.operators.edits import Edits


class NodeResources:
    """Resources that the execution gives to its nodes, by node id; the elements of an array have those of the array."""

    def __init__(self, argument: execution_pb2.ExecutionInput, edits: Edits) -> None:
        self._given = argument.node_resources
        self._edits = edits

    def of_attempt(self, node_id: str, node: graph_pb2.Node) -> tasks_pb2.Resources | None:
        """Return the resources of the next attempt of a task node; None: those of its task."""
        found = node.task.overrides.resources if node.task.overrides.HasField("resources") else None
        changes = self._edits.changes(node_id)
        # The latest one wins: what the node says, what the execution was launched with, what an operator has changed.
        if node_id in self._given:
            found = resources.merged(found or tasks_pb2.Resources(), self._given[node_id])
        if changes.HasField("resources"):
            found = resources.merged(found or tasks_pb2.Resources(), changes.resources)
        return found

    def gives_memory(self, node_id: str) -> bool:
        """Whether the execution, and not the node or its task alone, says how much memory the next attempt gets."""
        given = [self._given[node_id]] if node_id in self._given else []
        given.append(self._edits.changes(node_id).resources)
        return any(entry.name == tasks_pb2.Resources.MEMORY for found in given for entry in found.requests)
