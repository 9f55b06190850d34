"""What a workflow refers to: tasks, launch plans and subworkflows at any depth."""

from collections.abc import Iterable, Iterator, Sequence

from flyteidl.core import identifier_pb2, workflow_pb2

from flytetemporal.idl import identifiers

_SortKey = tuple[int, str, str, str, str]


def requirements(
    template: workflow_pb2.WorkflowTemplate, sub_workflows: Iterable[workflow_pb2.WorkflowTemplate]
) -> tuple[list[identifier_pb2.Identifier], list[identifier_pb2.Identifier]]:
    """Return the identifiers of all tasks and all launch plans needed to compile ``template``, sorted, each once.

    Subworkflows that are referred to but not given are left out; compiling reports them.
    """
    given = {identifiers.entity_key(workflow.id): workflow for workflow in sub_workflows}
    tasks: dict[_SortKey, identifier_pb2.Identifier] = {}
    launch_plans: dict[_SortKey, identifier_pb2.Identifier] = {}
    waiting, seen = [template], {identifiers.entity_key(template.id)}
    while waiting:
        for node in every_node(waiting.pop()):
            if node.task_node.HasField("reference_id"):
                tasks[_sort_key(node.task_node.reference_id)] = node.task_node.reference_id
            elif node.workflow_node.HasField("launchplan_ref"):
                launch_plans[_sort_key(node.workflow_node.launchplan_ref)] = node.workflow_node.launchplan_ref
            elif node.workflow_node.HasField("sub_workflow_ref"):
                key = identifiers.entity_key(node.workflow_node.sub_workflow_ref)
                if key in given and key not in seen:
                    seen.add(key)
                    waiting.append(given[key])
    return [tasks[key] for key in sorted(tasks)], [launch_plans[key] for key in sorted(launch_plans)]


def every_node(template: workflow_pb2.WorkflowTemplate) -> Iterator[workflow_pb2.Node]:
    """Yield all nodes of a workflow: those in branches and arrays too, and the failure node."""
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
    """Return the nodes of the cases of a branch node, the one of its else last."""
    if_else = node.branch_node.if_else
    children = [block.then_node for block in branch_blocks(node) if block.HasField("then_node")]
    if if_else.HasField("else_node"):
        children.append(if_else.else_node)
    return children


def branch_blocks(node: workflow_pb2.Node) -> list[workflow_pb2.IfBlock]:
    """Return the cases of a branch node in the order they are tried."""
    if_else = node.branch_node.if_else
    first = [if_else.case] if if_else.HasField("case") else []
    return [*first, *if_else.other]


def _sort_key(identifier: identifier_pb2.Identifier) -> _SortKey:
    return (identifier.resource_type, *identifiers.entity_key(identifier))
