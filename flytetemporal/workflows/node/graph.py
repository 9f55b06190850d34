"""The compact graph, parsed once and with edges in both directions."""

import functools
import gzip
from dataclasses import dataclass

from flytetemporal.contracts.v1 import graph_pb2

START, END = 0, 1


@dataclass(frozen=True, slots=True)
class Body:
    """One workflow of a graph. ``downstream[i]`` lists, ascending, the nodes that wait for node ``i``."""

    message: graph_pb2.WorkflowGraph
    nodes: tuple[graph_pb2.Node, ...]
    upstream: tuple[tuple[int, ...], ...]
    downstream: tuple[tuple[int, ...], ...]
    positions: dict[str, int]


@dataclass(frozen=True, slots=True)
class ParsedGraph:
    """A whole closure; ``bodies[0]`` is the primary workflow."""

    bodies: tuple[Body, ...]
    tasks: tuple[graph_pb2.TaskSummary, ...]


@functools.lru_cache(maxsize=32)
def parse(gzipped: bytes) -> ParsedGraph:
    """Parse a gzipped ``Graph``. The result depends on the bytes alone, so runs of one workflow share it."""
    message = graph_pb2.Graph.FromString(gzip.decompress(gzipped))
    return ParsedGraph(tuple(_body(workflow) for workflow in message.workflows), tuple(message.tasks))


def _body(message: graph_pb2.WorkflowGraph) -> Body:
    nodes = tuple(message.nodes)
    upstream = tuple(tuple(node.upstream) for node in nodes)
    downstream: list[list[int]] = [[] for _ in nodes]
    for position, before in enumerate(upstream):
        for other in before:
            downstream[other].append(position)
    return Body(
        message=message,
        nodes=nodes,
        upstream=upstream,
        downstream=tuple(tuple(after) for after in downstream),
        positions={node.id: position for position, node in enumerate(nodes)},
    )
