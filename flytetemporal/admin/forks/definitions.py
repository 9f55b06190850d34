"""The versions of a workflow that a fork compares: that of its source, and the one that it runs."""

import gzip
import itertools

from flyteidl.admin import execution_pb2, launch_plan_pb2, workflow_pb2
from flyteidl.core import compiler_pb2, identifier_pb2, interface_pb2
from sqlalchemy import select

from flytetemporal import errors
from flytetemporal.admin.base import stored_messages
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import LaunchPlanRow, WorkflowRow
from flytetemporal.admin.executions import launch_targets, single_task
from flytetemporal.admin.executions.launch_targets import LaunchTarget
from flytetemporal.admin.forks.fitting import Definition
from flytetemporal.admin.registry import entity_rows
from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from flytetemporal.contracts.v1 import graph_pb2
from flytetemporal.idl import identifiers


async def target(deps: Dependencies, spec: execution_pb2.ExecutionSpec) -> LaunchTarget:
    """Return what a spec launches. Raises ``NotFound`` if the version does not exist."""
    if spec.launch_plan.resource_type == identifier_pb2.TASK:
        return await single_task.target(deps, spec.launch_plan)
    async with deps.sessions() as session:
        return await launch_targets.of_launch_plan(session, spec.launch_plan)


async def load(deps: Dependencies, workflow_row: int, version: str, *, with_interfaces: bool) -> Definition:
    """Return the definition of a registered workflow; ``version`` is that of the launch plan, for texts.

    ``with_interfaces``: it is to be compared with another version.
    """
    async with deps.sessions() as session:
        row = (await session.scalars(select(WorkflowRow).where(WorkflowRow.id == workflow_row))).one_or_none()
    if row is None:
        raise errors.FailedPrecondition(
            "the workflow of the execution is gone, so it cannot be forked; launch it again"
        )
    reference = contract_pb2.ContentReference.FromString(row.graph)
    graph = graph_pb2.Graph.FromString(gzip.decompress(await deps.blobs.read(reference.uri)))
    interfaces: dict[tuple[int, identifiers.EntityKey], interface_pb2.TypedInterface] = {}
    if with_interfaces:
        uri = row.remote_closure_identifier
        closure = await stored_messages.load(deps.blobs, uri, workflow_pb2.WorkflowClosure)
        interfaces |= _declared(closure.compiled_workflow)
        interfaces |= await _of_launch_plans(deps, graph)
    return Definition(version, graph, interfaces)


def _declared(
    closure: compiler_pb2.CompiledWorkflowClosure,
) -> dict[tuple[int, identifiers.EntityKey], interface_pb2.TypedInterface]:
    """Return the interfaces of the tasks and subworkflows of a closure."""
    workflows = {
        (int(identifier_pb2.WORKFLOW), identifiers.entity_key(each.template.id)): each.template.interface
        for each in closure.sub_workflows
    }
    tasks = {
        (int(identifier_pb2.TASK), identifiers.entity_key(each.template.id)): each.template.interface
        for each in closure.tasks
    }
    return workflows | tasks


async def _of_launch_plans(
    deps: Dependencies, graph: graph_pb2.Graph
) -> dict[tuple[int, identifiers.EntityKey], interface_pb2.TypedInterface]:
    """Return the interfaces of the launch plans that nodes of a graph run; those that are gone are left out."""
    nodes = itertools.chain.from_iterable(workflow.nodes for workflow in graph.workflows)
    wanted = {
        identifiers.entity_key(node.launch_plan): node.launch_plan for node in nodes if node.HasField("launch_plan")
    }
    found = {}
    async with deps.sessions() as session:
        for key, identifier in sorted(wanted.items()):
            row = await entity_rows.find(session, LaunchPlanRow, identifier)
            if row is not None:
                closure = stored_messages.parse(launch_plan_pb2.LaunchPlanClosure, row.closure)
                found[int(identifier_pb2.LAUNCH_PLAN), key] = _interface(closure)
    return found


def _interface(closure: launch_plan_pb2.LaunchPlanClosure) -> interface_pb2.TypedInterface:
    inputs = {name: parameter.var for name, parameter in closure.expected_inputs.parameters.items()}
    return interface_pb2.TypedInterface(
        inputs=interface_pb2.VariableMap(variables=inputs), outputs=closure.expected_outputs
    )
