"""Launch a single task: through a wrapper workflow of one node and its launch plan, registered at the first launch.

The names and the shape of the wrapper mirror flyteadmin's pkg/manager/impl/util/single_task_execution.go.
"""

import contextlib
import re

from flyteidl.admin import common_pb2, launch_plan_pb2, task_pb2, workflow_pb2
from flyteidl.core import identifier_pb2, interface_pb2, literals_pb2, tasks_pb2, types_pb2
from flyteidl.core import workflow_pb2 as core_workflow_pb2
from sqlalchemy.dialects import postgresql

from flytetemporal import errors
from flytetemporal.admin.base import stored_messages
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import NamedEntityMetadataRow, TaskRow
from flytetemporal.admin.executions import launch_targets
from flytetemporal.admin.executions.launch_targets import LaunchTarget
from flytetemporal.admin.registry import entity_rows, launch_plans, workflows
from flytetemporal.idl import identifiers

PREFIX = ".flytegen."
_DEFAULT_RETRIES = literals_pb2.RetryStrategy(retries=3)
_NODE_ID_LENGTH = 63
_NOT_IN_NODE_IDS = re.compile(r"[^A-Za-z0-9-]+")


async def target(deps: Dependencies, task_id: identifier_pb2.Identifier) -> LaunchTarget:
    """Return the launch target of a task; register its wrapper if this is the first launch.

    Raises:
        NotFound: the task does not exist.
    """
    workflow_id = _wrapper_id(identifier_pb2.WORKFLOW, task_id)
    async with deps.sessions() as session:
        row = await entity_rows.find(session, TaskRow, task_id)
        if row is None:
            raise entity_rows.missing(identifier_pb2.TASK, task_id)
        found = await launch_targets.of_wrapper(session, workflow_id, row.id)
    if found is None:
        await _register(
            deps, workflow_id, stored_messages.parse(task_pb2.TaskClosure, row.closure).compiled_task.template
        )
        async with deps.sessions() as session:
            found = await launch_targets.of_wrapper(session, workflow_id, row.id)
    if found is None:
        raise errors.Internal(
            f"the wrapper workflow of task {identifiers.text(task_id)} was registered but cannot be found"
        )
    return found


def wrapper(workflow_id: identifier_pb2.Identifier, task: tasks_pb2.TaskTemplate) -> core_workflow_pb2.WorkflowTemplate:
    """Return a workflow whose only node runs the task; inputs and outputs pass through."""
    spec_id = node_id(task.id.name)
    metadata = core_workflow_pb2.NodeMetadata(name=spec_id, retries=_DEFAULT_RETRIES)
    if task.metadata.HasField("retries"):
        metadata.retries.CopyFrom(task.metadata.retries)
    node = core_workflow_pb2.Node(
        id=spec_id,
        metadata=metadata,
        inputs=_bindings(task.interface.inputs, ""),
        task_node=core_workflow_pb2.TaskNode(reference_id=task.id),
    )
    interface = interface_pb2.TypedInterface()
    interface.CopyFrom(task.interface)
    for output in interface.outputs.variables.values():
        output.ClearField("artifact_partial_id")  # The task produces it, and the execution would a second time.
    return core_workflow_pb2.WorkflowTemplate(
        id=workflow_id,
        interface=interface,
        nodes=[node],
        outputs=_bindings(task.interface.outputs, spec_id),
    )


def node_id(task_name: str) -> str:
    """Return the id of the wrapper's only node."""
    return _NOT_IN_NODE_IDS.sub("", task_name[-_NODE_ID_LENGTH:])


def _bindings(variables: interface_pb2.VariableMap, source: str) -> list[literals_pb2.Binding]:
    """Bind each variable to the same name of the node ``source``; ``""`` stands for the workflow's inputs."""
    return [
        literals_pb2.Binding(
            var=name,
            binding=literals_pb2.BindingData(promise=types_pb2.OutputReference(node_id=source, var=name)),
        )
        for name in sorted(variables.variables)
    ]


def _wrapper_id(
    resource_type: identifier_pb2.ResourceType, task_id: identifier_pb2.Identifier
) -> identifier_pb2.Identifier:
    project, domain, name, version = identifiers.entity_key(task_id)
    return identifiers.identifier(resource_type, (project, domain, PREFIX + name, version))


async def _register(deps: Dependencies, workflow_id: identifier_pb2.Identifier, task: tasks_pb2.TaskTemplate) -> None:
    spec = workflow_pb2.WorkflowSpec(template=wrapper(workflow_id, task))
    # The workflow comes first, as a launch plan can only refer to a registered one.
    # Another first launch of the same task may register the same wrapper at the same time.
    with contextlib.suppress(errors.AlreadyExists):
        await workflows.create(deps, workflow_pb2.WorkflowCreateRequest(id=workflow_id, spec=spec))
    plan_id = _wrapper_id(identifier_pb2.LAUNCH_PLAN, task.id)
    plan = launch_plan_pb2.LaunchPlanSpec(workflow_id=workflow_id, entity_metadata=launch_plan_pb2.LaunchPlanMetadata())
    with contextlib.suppress(errors.AlreadyExists):
        await launch_plans.create(deps, launch_plan_pb2.LaunchPlanCreateRequest(id=plan_id, spec=plan))
    await _hide(deps, [workflow_id, plan_id])


async def _hide(deps: Dependencies, wrappers: list[identifier_pb2.Identifier]) -> None:
    """Mark the names as generated by the system: clients leave them out of lists."""
    # A name that already has metadata keeps it: an earlier launch hid it, or a user has set its state since.
    insert = postgresql.insert(NamedEntityMetadataRow).on_conflict_do_nothing()
    rows = [
        {
            "resource_type": wrapper_id.resource_type,
            "project": wrapper_id.project,
            "domain": wrapper_id.domain,
            "name": wrapper_id.name,
            "state": common_pb2.SYSTEM_GENERATED,
        }
        for wrapper_id in wrappers
    ]
    async with deps.sessions.begin() as session:
        await session.execute(insert, rows)
