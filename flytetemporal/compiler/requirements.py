"""Find the tasks and launch plans that a workflow and its subworkflows refer to."""

from collections.abc import Iterable

from flyteidl.core import identifier_pb2, workflow_pb2

from flytetemporal.compiler import traversal
from flytetemporal.idl import identifiers

_SortKey = tuple[int, str, str, str, str]


def requirements(
    template: workflow_pb2.WorkflowTemplate, sub_workflows: Iterable[workflow_pb2.WorkflowTemplate]
) -> tuple[list[identifier_pb2.Identifier], list[identifier_pb2.Identifier]]:
    """Return the identifiers of the tasks and the launch plans needed to compile ``template``, sorted and unique.

    Subworkflows that are referred to but not given are skipped; compiling reports them.
    """
    given = {identifiers.entity_key(workflow.id): workflow for workflow in sub_workflows}
    tasks: dict[_SortKey, identifier_pb2.Identifier] = {}
    launch_plans: dict[_SortKey, identifier_pb2.Identifier] = {}
    waiting, seen = [template], {identifiers.entity_key(template.id)}
    while waiting:
        for node in traversal.every_node(waiting.pop()):
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


def _sort_key(identifier: identifier_pb2.Identifier) -> _SortKey:
    return (identifier.resource_type, *identifiers.entity_key(identifier))
