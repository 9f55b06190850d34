"""What a fork is planned from: the source's row and spec, and its nodes as they were at one moment."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flyteidl.admin import execution_pb2, node_execution_pb2
from flyteidl.core import compiler_pb2, identifier_pb2
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.base import execution_lookup, execution_rows, stored_messages
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow, is_open
from flytetemporal.admin.events import event_rows
from flytetemporal.compiler import compact
from flytetemporal.contracts.v1 import graph_pb2
from flytetemporal.idl import phases
from flytetemporal.idl.identifiers import ExecutionKey, execution_key

_REUSED = (phases.N.SUCCEEDED, phases.N.RECOVERED)
TOP_LEVEL = ""


@dataclass(frozen=True, slots=True)
class SourceNode:
    """A node of the source. ``parent_id`` is empty at the top level; ``attempt`` is that of the parent."""

    message: node_execution_pb2.NodeExecution
    parent_id: str
    dynamic_closure_uri: str

    @property
    def id(self) -> str:
        """The id of the node execution."""
        return self.message.id.node_id

    @property
    def attempt(self) -> str:
        """The attempt of the parent that the node belongs to."""
        return self.message.metadata.retry_group or "0"

    @property
    def has_outputs(self) -> bool:
        """Whether its outputs can be reused."""
        return self.message.closure.phase in _REUSED

    @property
    def phase(self) -> str:
        """The name of its phase."""
        return phases.N.Phase.Name(self.message.closure.phase)


class SourceNodes:
    """The nodes of the source, by id and by their place in the graph."""

    def __init__(self, nodes: Mapping[str, SourceNode]) -> None:
        self._nodes = nodes
        self._places = {(n.parent_id, n.attempt, n.message.metadata.spec_node_id): n for n in nodes.values()}

    def get(self, node_id: str) -> SourceNode | None:
        """Return the node with an id."""
        return self._nodes.get(node_id)

    def at(self, parent_id: str, attempt: str, spec_node_id: str) -> SourceNode | None:
        """Return the node that ran at a place of the graph."""
        return self._places.get((parent_id, attempt, spec_node_id))

    def above(self, node_id: str) -> Iterator[str]:
        """Yield the ids of the nodes above a node, from its parent up."""
        node = self._nodes.get(node_id)
        while node is not None and node.parent_id:
            yield node.parent_id
            node = self._nodes.get(node.parent_id)

    def __iter__(self) -> Iterator[SourceNode]:
        """Iterate over all nodes."""
        return iter(self._nodes.values())


@dataclass(frozen=True, slots=True)
class Source:
    """The execution that is forked, as it was at one moment. ``open_children`` are executions of its nodes that run."""

    id: identifier_pb2.WorkflowExecutionIdentifier
    row: ExecutionRow
    spec: execution_pb2.ExecutionSpec
    nodes: SourceNodes
    open_children: frozenset[ExecutionKey]


async def read(deps: Dependencies, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> Source:
    """Return the source. Raises ``NotFound``."""
    async with deps.sessions() as session:
        row = await execution_lookup.execution(session, execution_id)
        # One statement reads all nodes, so what succeeded is known as of one moment, also while the source runs: no
        # node is seen to have succeeded without those before it.
        states = await event_rows.load_nodes(session, execution_id)
        open_children = await _open_children(session, row.id)
    nodes = {
        node_id: SourceNode(state.execution, state.parent_node_id, state.dynamic_closure_uri)
        for node_id, state in states.items()
    }
    spec = stored_messages.parse(execution_pb2.ExecutionSpec, row.spec)
    return Source(execution_id, row, spec, SourceNodes(nodes), open_children)


async def _open_children(session: AsyncSession, source_row: int) -> frozenset[ExecutionKey]:
    query = select(ExecutionRow.execution_project, ExecutionRow.execution_domain, ExecutionRow.execution_name)
    found = await session.execute(query.where(ExecutionRow.source_execution_id == source_row, is_open(ExecutionRow)))
    return frozenset(execution_rows.execution_key(row) for row in found)


async def generated_graphs(
    deps: Dependencies, nodes: SourceNodes, entered: frozenset[str]
) -> dict[str, graph_pb2.Graph]:
    """Return the graphs of the dynamic nodes that did not succeed, or below which a node runs again, by node id.

    One whose file is gone is left out: its node runs again whole.
    """
    found: dict[str, graph_pb2.Graph] = {}
    for node in nodes:
        if node.dynamic_closure_uri and (not node.has_outputs or node.id in entered):
            with contextlib.suppress(errors.NotFound):
                closure = await stored_messages.load(
                    deps.blobs, node.dynamic_closure_uri, compiler_pb2.CompiledWorkflowClosure
                )
                found[node.id] = compact.compact(closure)[0]
    return found


def is_open_child(source: Source, node: SourceNode) -> bool:
    """Whether the execution that a launch plan node launched still runs."""
    return execution_key(node.message.closure.workflow_node_metadata.executionId) in source.open_children
