"""The resources of the attempts of one execution: what its nodes say, and what the execution gives them instead.

Asked when an attempt starts, so that what is given counts from the next attempt on. The resources of the task itself
are not known here: the activity merges them, and they yield to these.
"""

from flyteidl.core import tasks_pb2

from flytetemporal.contracts import resources
from flytetemporal.contracts.v1 import execution_pb2, graph_pb2


class NodeResources:
    """Resources that the execution gives to its nodes, by node id; the elements of an array have those of the array."""

    def __init__(self, argument: execution_pb2.ExecutionInput) -> None:
        self._given = argument.node_resources

    def of_attempt(self, node_id: str, node: graph_pb2.Node) -> tasks_pb2.Resources | None:
        """Return the resources of the next attempt of a task node; None: those of its task."""
        own = node.task.overrides.resources if node.task.overrides.HasField("resources") else None
        if node_id not in self._given:
            return own
        return resources.merged(own or tasks_pb2.Resources(), self._given[node_id])
