"""Ids of nodes that will run below a node that has not started. What dynamic nodes will generate is not known."""

import dataclasses
import itertools
from collections import deque
from collections.abc import Iterator

from flytetemporal.contracts.v1 import graph_pb2
from flytetemporal.workflows.node.run import Scope

# Subworkflows that are used often make a small graph a large tree.
MOST = 10_000


def contains(scope: Scope, node: graph_pb2.Node, wanted: str) -> bool:
    """Whether a node with the id will run below ``node``, as far as its first attempt is concerned."""
    return any(node_id == wanted for node_id in itertools.islice(_ids(scope, node), MOST))


def _ids(scope: Scope, node: graph_pb2.Node) -> Iterator[str]:
    pending = deque([(scope, node)])
    while pending:
        scope, node = pending.popleft()
        inner = dataclasses.replace(scope, parent_id=scope.node_id(node.id), parent_attempt=0)
        for child in _children(scope, node):
            yield inner.node_id(child.id)
            pending.append((inner, child))


def _children(scope: Scope, node: graph_pb2.Node) -> list[graph_pb2.Node]:
    match node.WhichOneof("target"):
        case "subworkflow":
            return list(scope.program.graph.bodies[node.subworkflow.workflow].nodes)
        case "branch":
            otherwise = [node.branch.else_node] if node.branch.HasField("else_node") else []
            return [*(case.node for case in node.branch.cases), *otherwise]
        case _:
            return []
