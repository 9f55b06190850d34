"""Read what an execution that is recovered has left behind. Admin stores it."""

from collections.abc import Callable
from typing import Any, Protocol

from flyteidl.admin import common_pb2, node_execution_pb2
from temporalio import activity

from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.errors import NotFound
from flytetemporal.idl import phases

# A node has up to five URIs, so that a page stays far below the limit of a payload.
PAGE = 200
_REUSED = (phases.N.SUCCEEDED, phases.N.RECOVERED)


class NodeExecutions(Protocol):
    """The node executions: admin's client, or a dictionary in a test."""

    async def list_node_executions(
        self, request: node_execution_pb2.NodeExecutionListRequest
    ) -> node_execution_pb2.NodeExecutionList:
        """Return a page of nodes; see ``rpc.admin_client``."""


class RecoveryActivities:
    """``read_earlier_nodes`` of ``contracts/activities``."""

    def __init__(self, nodes: NodeExecutions) -> None:
        self._nodes = nodes

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for the worker."""
        return [self.read_earlier_nodes]

    @activity.defn
    async def read_earlier_nodes(self, request: execution_pb2.EarlierNodesRequest) -> execution_pb2.EarlierNodes:
        """Return a page of what can be reused of a level; nothing if its parent never ran."""
        asked = node_execution_pb2.NodeExecutionListRequest(
            workflow_execution_id=request.execution_id,
            unique_parent_id=request.parent_id,
            limit=PAGE,
            token=request.token,
            # Pages stay apart only if the order is that of a column that does not change.
            sort_by=common_pb2.Sort(key="id", direction=common_pb2.Sort.ASCENDING),
        )
        try:
            page = await self._nodes.list_node_executions(asked)
        except NotFound:
            return execution_pb2.EarlierNodes()
        found = [_earlier(node) for node in page.node_executions]
        return execution_pb2.EarlierNodes(nodes=[node for node in found if _is_useful(node)], token=page.token)


def _is_useful(node: execution_pb2.EarlierNode) -> bool:
    return node.has_outputs or bool(node.checkpoint_uri or node.futures_uri) or node.HasField("child")


def _earlier(node: node_execution_pb2.NodeExecution) -> execution_pb2.EarlierNode:
    closure = node.closure
    earlier = execution_pb2.EarlierNode(
        node_id=node.id.node_id,
        has_outputs=closure.phase in _REUSED,
        checkpoint_uri=closure.task_node_metadata.checkpoint_uri,
        futures_uri=closure.dynamic_job_spec_uri,
    )
    if earlier.has_outputs:
        earlier.input_uri, earlier.output_uri, earlier.deck_uri = node.input_uri, closure.output_uri, closure.deck_uri
    if closure.HasField("workflow_node_metadata"):
        earlier.child.CopyFrom(closure.workflow_node_metadata.executionId)
    return earlier
