"""Read what an execution that is recovered has left behind, from admin, and what a fork reuses, from its file."""

import asyncio
import gzip
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from cachetools import LRUCache
from flyteidl.admin import common_pb2, node_execution_pb2, task_execution_pb2
from flyteidl.core import identifier_pb2, literals_pb2
from temporalio import activity

from flytetemporal.activities import data
from flytetemporal.contracts.v1 import arrays_pb2, execution_pb2
from flytetemporal.errors import NotFound
from flytetemporal.idl import locations, phases
from flytetemporal.storage.blobs import BlobStore
from flytetemporal.storage.concurrency import for_each

# A node has up to five URIs, so that a page stays far below the limit of a payload.
PAGE = 200
# Of what a fork reuses. A thousand nodes fit into one page, so that the first node that runs does not wait for several.
PAGE_BYTES = 400_000
CONCURRENT_FILES = 64
# A fork reads its file once per level.
CACHED_FORKS = 8
_REUSED = (phases.N.SUCCEEDED, phases.N.RECOVERED)


class NodeExecutions(Protocol):
    """The node executions: admin's client, or a dictionary in a test."""

    async def list_node_executions(
        self, request: node_execution_pb2.NodeExecutionListRequest
    ) -> node_execution_pb2.NodeExecutionList:
        """Return a page of nodes; see ``rpc.admin_client``."""

    async def get_node_execution(
        self, identifier: identifier_pb2.NodeExecutionIdentifier
    ) -> node_execution_pb2.NodeExecution:
        """Return a node; see ``rpc.admin_client``."""

    async def list_task_executions(
        self, request: task_execution_pb2.TaskExecutionListRequest
    ) -> task_execution_pb2.TaskExecutionList:
        """Return the task executions of a node; see ``rpc.admin_client``."""


class RecoveryActivities:
    """``read_earlier_nodes`` and ``recover_elements`` of ``contracts/activities``."""

    def __init__(self, blobs: BlobStore, nodes: NodeExecutions) -> None:
        self._blobs = blobs
        self._nodes = nodes
        self._forks: LRUCache[str, dict[str, execution_pb2.ReusedLevel]] = LRUCache(CACHED_FORKS)

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for the worker."""
        return [self.read_earlier_nodes, self.recover_elements]

    @activity.defn
    async def read_earlier_nodes(self, request: execution_pb2.EarlierNodesRequest) -> execution_pb2.EarlierNodes:
        """Return a page of what can be reused of a level; nothing if its parent never ran."""
        if request.HasField("reused"):
            return await self._reused(request)
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

    async def _reused(self, request: execution_pb2.EarlierNodesRequest) -> execution_pb2.EarlierNodes:
        """Return a page of what a fork reuses of a level."""
        levels = self._forks.get(request.reused.sha256)
        if levels is None:
            levels = await asyncio.to_thread(_levels, await data.read_content(self._blobs, request.reused))
            self._forks[request.reused.sha256] = levels
        level = levels.get(request.parent_id, execution_pb2.ReusedLevel())
        first = int(request.token or 0)
        after = _page_end(level.nodes, first)
        return execution_pb2.EarlierNodes(
            nodes=level.nodes[first:after], token=str(after) if after < len(level.nodes) else ""
        )

    @activity.defn
    async def recover_elements(self, request: arrays_pb2.RecoverElementsRequest) -> arrays_pb2.RecoveredElements:
        """Copy the outputs of the elements that succeeded, and return their attempts.

        The map of outputs is copied, since its place says which element it is of; large values in it are references.
        """
        attempts = [0] * request.count
        try:
            node = await self._nodes.get_node_execution(request.node)
            asked = task_execution_pb2.TaskExecutionListRequest(node_execution_id=request.node, limit=PAGE)
            tasks = await self._nodes.list_task_executions(asked)
        except NotFound:
            return arrays_pb2.RecoveredElements(attempts=attempts)
        succeeded = {
            resource.index - request.first: (task.id.retry_attempt, resource)
            for task in tasks.task_executions
            for resource in task.closure.metadata.external_resources
            if resource.phase == phases.T.SUCCEEDED and 0 <= resource.index - request.first < request.count
        }

        async def take(position: int) -> None:
            of_array, resource = succeeded[position]
            array_dir = locations.output_dir(locations.parent(node.input_uri), of_array)
            found, own = (
                locations.outputs_uri(
                    locations.output_dir(locations.element_dir(directory, resource.index), resource.retry_attempt)
                )
                for directory in (array_dir, request.directory)
            )
            try:
                outputs = await self._blobs.read_message(found, literals_pb2.LiteralMap)
            except NotFound:  # The element runs again.
                return
            await self._blobs.write_message(own, outputs)
            attempts[position] = resource.retry_attempt + 1

        await for_each(take, sorted(succeeded), CONCURRENT_FILES)
        return arrays_pb2.RecoveredElements(attempts=attempts)


def _page_end(nodes: Sequence[execution_pb2.EarlierNode], first: int) -> int:
    """Return the position after the last node of a page, which has at least one."""
    size = 0
    for position in range(first, len(nodes)):
        size += nodes[position].ByteSize()
        if size > PAGE_BYTES and position > first:
            return position
    return len(nodes)


def _levels(gzipped: bytes) -> dict[str, execution_pb2.ReusedLevel]:
    reused = execution_pb2.ReusedNodes.FromString(gzip.decompress(gzipped))
    return {level.parent_id: level for level in reused.levels}


def _is_useful(node: execution_pb2.EarlierNode) -> bool:
    return node.has_outputs or bool(node.checkpoint_uri or node.futures_uri) or node.HasField("child")


def _earlier(node: node_execution_pb2.NodeExecution) -> execution_pb2.EarlierNode:
    closure = node.closure
    earlier = execution_pb2.EarlierNode(
        node_id=node.id.node_id,
        spec_node_id=node.metadata.spec_node_id,
        has_outputs=closure.phase in _REUSED,
        checkpoint_uri=closure.task_node_metadata.checkpoint_uri,
        futures_uri=closure.dynamic_job_spec_uri,
    )
    if earlier.has_outputs:
        earlier.output_uri, earlier.deck_uri = closure.output_uri, closure.deck_uri
    if earlier.has_outputs or earlier.futures_uri:
        earlier.input_uri = node.input_uri
    if closure.HasField("workflow_node_metadata"):
        earlier.child.CopyFrom(closure.workflow_node_metadata.executionId)
    return earlier
