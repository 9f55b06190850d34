"""Walk the nodes of a workflow template, also those inside branch and array nodes."""

from collections.abc import Iterator, Sequence

from flyteidl.core import workflow_pb2


def every_node(template: workflow_pb2.WorkflowTemplate) -> Iterator[workflow_pb2.Node]:
    """Yield all nodes of a workflow in a stable order, including those in branches and arrays and the failure node."""
    waiting = list(reversed(template.nodes))
    if template.HasField("failure_node"):
        waiting.insert(0, template.failure_node)
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(inner_nodes(node)))


def inner_nodes(node: workflow_pb2.Node) -> Sequence[workflow_pb2.Node]:
    """Return the nodes directly inside a branch or array node, in order."""
    match node.WhichOneof("target"):
        case "branch_node":
            return branch_children(node)
        case "array_node" if node.array_node.HasField("node"):
            return [node.array_node.node]
        case _:
            return []


def branch_children(node: workflow_pb2.Node) -> list[workflow_pb2.Node]:
    """Return the nodes of the cases of a branch node, its else node last."""
    if_else = node.branch_node.if_else
    children = [block.then_node for block in branch_blocks(node) if block.HasField("then_node")]
    if if_else.HasField("else_node"):
        children.append(if_else.else_node)
    return children


def branch_blocks(node: workflow_pb2.Node) -> list[workflow_pb2.IfBlock]:
    """Return the cases of a branch node in the order they are evaluated."""
    if_else = node.branch_node.if_else
    first = [if_else.case] if if_else.HasField("case") else []
    return [*first, *if_else.other]
