"""Check nodes one by one and join them with edges."""

from collections.abc import Iterable

from flyteidl.core import workflow_pb2

from flytetemporal.compiler import bindings, branches, graph, node_interfaces, traversal
from flytetemporal.compiler.problems import Code
from flytetemporal.compiler.scope import Scope

_NAMELESS = "<node>"


def add(scope: Scope, node: workflow_pb2.Node, *, in_branch: bool = False) -> None:
    """Check a node apart from its bindings and let others refer to it; its branch children first.

    A branch or approval takes its interface from its bindings at once, so what they name must have been added before.
    """
    if not node.id:
        scope.problems.value_required(_NAMELESS, "Id")
        return
    if not _register(scope, node, in_branch=in_branch):
        return
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
    """Check the bindings of a node of the graph and add its edges; explicit ones are sorted in place."""
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
    """Check the bindings of nodes outside the graph: they wait for others, but no walk passes through them."""
    for node in nodes:
        bindings.check(scope, node)
        for provider_id in bindings.providers(scope, node.inputs):
            scope.edges.add_upstream(provider_id, node.id)
        connect_upstream_only(scope, traversal.branch_children(node))


def _register(scope: Scope, node: workflow_pb2.Node, *, in_branch: bool) -> bool:
    """Let others refer to the node; False when its id is taken.

    Flyte drops the second node of an id without a word. The same node in two cases of a branch is no mistake, though.
    """
    if node.id not in scope.nodes:
        scope.nodes[node.id] = node
        return True
    if not in_branch or scope.nodes[node.id] != node:
        scope.problems.duplicate_id(node.id, "node")
    return False


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
