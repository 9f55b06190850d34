"""Whether a node exists that can be paused: it has a row, or the graph has it, or the running workflow knows it."""

import gzip

from flyteidl.core import identifier_pb2
from google.protobuf.message import DecodeError

from flytetemporal import errors
from flytetemporal.admin.base import execution_lookup
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow
from flytetemporal.contracts.v1 import execution_pb2, graph_pb2, pauses_pb2
from flytetemporal.idl import phases

_ENDED = frozenset(phases.N.Phase.Name(phase) for phase in phases.NODE_TERMINAL)


async def check(deps: Dependencies, target: pauses_pb2.PauseTarget) -> None:
    """Refuse a node that does not exist or has ended.

    Raises:
        NotFound: the execution does not exist, or has no such node as far as is known.
        FailedPrecondition: the node has ended.
        Unavailable: only the running workflow knows, and it does not answer.
    """
    execution_id = identifier_pb2.WorkflowExecutionIdentifier(
        project=target.project, domain=target.domain, name=target.name
    )
    identifier = identifier_pb2.NodeExecutionIdentifier(node_id=target.node_id, execution_id=execution_id)
    async with deps.sessions() as session:
        row = await execution_lookup.execution(session, execution_id)
        node = await execution_lookup.find_node(session, identifier)
    if node is not None and node.phase in _ENDED:
        raise errors.FailedPrecondition(f"node {target.node_id} has ended ({node.phase}) and cannot be paused")
    if node is not None or target.node_id in await _top_level(deps, row):
        return
    try:
        if (await deps.engine.waits(execution_id, target.node_id)).waits:
            return
    except errors.NotFound:  # The workflow does not run.
        pass
    raise errors.NotFound(
        f"execution {target.name} has no node {target.node_id}, or has not reached the node that it is below; "
        f"see the nodes that wait with: flytetemporal why {target.name}"
    )


async def _top_level(deps: Dependencies, row: ExecutionRow) -> frozenset[str]:
    """Return the ids of the nodes at the top level, which exist before they start; empty if they are not known."""
    try:
        argument = execution_pb2.ExecutionInput.FromString(row.engine_input or b"")
        gzipped = argument.inline_graph
        if argument.HasField("stored_graph"):
            gzipped = await deps.blobs.read(argument.stored_graph.uri)
        graph = graph_pb2.Graph.FromString(gzip.decompress(gzipped))
    except (DecodeError, OSError, EOFError, errors.NotFound):
        return frozenset()
    return frozenset(node.id for node in graph.workflows[0].nodes) if graph.workflows else frozenset()
