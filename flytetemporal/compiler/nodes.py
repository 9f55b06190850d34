"""Check nodes one by one and connect them with edges."""

import unicodedata
from collections.abc import Iterable

from flyteidl.core import workflow_pb2

from flytetemporal.compiler import bindings, branches, graph, node_interfaces, traversal
from flytetemporal.compiler.problems import Code
from flytetemporal.compiler.scope import Scope

_NAMELESS = "<node>"
# Of a name of a folder.
_MAX_ID_BYTES = 255
_SHOWN_CHARACTERS = 64


def add(scope: Scope, node: workflow_pb2.Node, *, in_branch: bool = False) -> None:
    """Check a node, except for its bindings, and let others refer to it; children of a branch are added first.

    The interface of a branch or an approval comes from its bindings, so the nodes they refer to must be added before.
    """
    if not node.id:
        scope.problems.value_required(_NAMELESS, "Id")
        return
    if not _register(scope, node, in_branch=in_branch):
        return
    if reason := _unusable(node.id):
        shown = "".join(character if character.isprintable() else "?" for character in node.id[:_SHOWN_CHARACTERS])
        scope.problems.add(Code.INVALID_VALUE, shown, f"Invalid value [Id]: {reason}.")
    if node.WhichOneof("target") == "branch_node":
        branches.check_shape(scope, node)
        for child in traversal.branch_children(node):
            add(scope, child, in_branch=True)
    interface = node_interfaces.interface_of(scope, node)
    if interface is not None:
        scope.interfaces[node.id] = interface
        _check_aliases(scope, node)
    if node.WhichOneof("target") == "branch_node":
        branches.check_conditions(scope, node)


def connect(scope: Scope, node: workflow_pb2.Node) -> None:
    """Check the bindings of a node of the graph and add its edges; its explicit upstream ids are sorted in place."""
    node.upstream_node_ids.sort()
    for provider in node.upstream_node_ids:
        provider_id = provider or graph.START_NODE
        if provider_id not in scope.nodes:
            scope.problems.node_not_found(provider_id)
        scope.edges.add(provider_id, node.id)
    bindings.check(scope, node)
    for provider_id in bindings.providers(scope, node.inputs):
        scope.edges.add(provider_id, node.id)
    connect_upstream_only(scope, traversal.branch_children(node))


def connect_upstream_only(scope: Scope, nodes: Iterable[workflow_pb2.Node]) -> None:
    """Check the bindings of nodes in branches and of failure nodes: they wait for others, but no walk reaches them."""
    for node in nodes:
        bindings.check(scope, node)
        for provider_id in bindings.providers(scope, node.inputs):
            scope.edges.add_upstream(provider_id, node.id)
        connect_upstream_only(scope, traversal.branch_children(node))


def _register(scope: Scope, node: workflow_pb2.Node, *, in_branch: bool) -> bool:
    """Let others refer to the node; return False if its id is taken.

    Flyte silently drops the second node with an id; here it is a problem. The same node in two cases of a branch is
    valid.
    """
    if node.id not in scope.nodes:
        scope.nodes[node.id] = node
        return True
    if not in_branch or scope.nodes[node.id] != node:
        scope.problems.duplicate_id(node.id, "node")
    return False


def _unusable(node_id: str) -> str:
    """Return why a node cannot have an id, which names a folder in the object store and a part of a URL."""
    if len(node_id.encode()) > _MAX_ID_BYTES:
        return f"it has more than {_MAX_ID_BYTES} bytes"
    if node_id in (".", "..") or "/" in node_id:
        return "it must be neither . nor .., and must not contain a slash"
    if any(unicodedata.category(character) == "Cc" for character in node_id):
        return "it contains control characters"
    return ""


def _check_aliases(scope: Scope, node: workflow_pb2.Node) -> None:
    outputs = scope.interfaces[node.id].outputs.variables
    aliased: set[str] = set()
    for alias in node.output_aliases:
        if alias.var in aliased:
            description = f"Output [{alias.var}] has more than one alias, the last of them [{alias.alias}]."
            scope.problems.add(Code.DUPLICATE_ALIAS, node.id, description)
        elif alias.var not in outputs:
            scope.problems.parameter_not_bound(node.id, alias.var)
        aliased.add(alias.var)
