"""The target of a launch: a registered launch plan and its workflow, or a task in its wrapper workflow.

Registered entities never change, so parsed targets are cached by row and digest.
"""

from dataclasses import dataclass

from cachetools import LRUCache
from flyteidl.admin import launch_plan_pb2
from flyteidl.core import identifier_pb2, interface_pb2, literals_pb2
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.base import stored_messages
from flytetemporal.admin.base.models import LaunchPlanRow, WorkflowRow
from flytetemporal.admin.registry import entity_rows
from flytetemporal.contracts import limits
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.idl import identifiers
from flytetemporal.storage.blobs import BlobStore

_TARGETS = 256
_GRAPHS = 64


@dataclass(frozen=True, slots=True)
class LaunchTarget:
    """A resolved launch entity. Shared between launches: its messages must not be changed."""

    workflow_id: identifier_pb2.Identifier
    workflow_row: int
    graph: execution_pb2.ContentReference
    task_templates: execution_pb2.ContentReference
    expected: interface_pb2.ParameterMap
    fixed: literals_pb2.LiteralMap
    # Only of a launch plan.
    launch_plan: launch_plan_pb2.LaunchPlanSpec | None = None
    launch_plan_row: int = 0
    # Only of a single task.
    task_row: int = 0


_targets: LRUCache[tuple[int, str, int, bytes], LaunchTarget] = LRUCache(_TARGETS)
_graphs: LRUCache[str, bytes] = LRUCache(_GRAPHS)


async def of_launch_plan(session: AsyncSession, identifier: identifier_pb2.Identifier) -> LaunchTarget:
    """Return the target of a launch plan.

    Raises:
        NotFound: the launch plan does not exist.
    """
    query = (
        select(LaunchPlanRow.id, LaunchPlanRow.digest, WorkflowRow.id, WorkflowRow.graph)
        .join(WorkflowRow, WorkflowRow.id == LaunchPlanRow.workflow_id)
        .where(entity_rows.has_id(LaunchPlanRow, identifier))
    )
    found = (await session.execute(query)).one_or_none()
    if found is None:
        raise entity_rows.missing(identifier_pb2.LAUNCH_PLAN, identifier)
    launch_plan_id, digest, workflow_id, graph = found
    # Row numbers repeat between databases, as in tests; digest and graph reference tell their contents apart.
    key = (launch_plan_id, digest, workflow_id, graph)
    target = _targets.get(key)
    if target is None:
        target = await _read_launch_plan(session, launch_plan_id, workflow_id)
        _targets[key] = target
    return target


async def _read_launch_plan(session: AsyncSession, launch_plan_id: int, workflow_id: int) -> LaunchTarget:
    query = select(LaunchPlanRow.spec, LaunchPlanRow.closure).where(LaunchPlanRow.id == launch_plan_id)
    row = (await session.execute(query)).one()
    spec = stored_messages.parse(launch_plan_pb2.LaunchPlanSpec, row.spec)
    closure = stored_messages.parse(launch_plan_pb2.LaunchPlanClosure, row.closure)
    workflow = (await session.scalars(select(WorkflowRow).where(WorkflowRow.id == workflow_id))).one()
    return LaunchTarget(
        workflow_id=identifiers.identifier(identifier_pb2.WORKFLOW, entity_rows.key(workflow)),
        workflow_row=workflow.id,
        graph=execution_pb2.ContentReference.FromString(workflow.graph),
        task_templates=execution_pb2.ContentReference.FromString(workflow.task_templates),
        expected=closure.expected_inputs,
        fixed=spec.fixed_inputs,
        launch_plan=spec,
        launch_plan_row=launch_plan_id,
    )


async def of_wrapper(
    session: AsyncSession, workflow_id: identifier_pb2.Identifier, task_row: int
) -> LaunchTarget | None:
    """Return the target of a single task's wrapper; None if it is not registered yet. All its inputs are required."""
    workflow = await entity_rows.find(session, WorkflowRow, workflow_id)
    if workflow is None:
        return None
    interface = stored_messages.parse(interface_pb2.TypedInterface, workflow.typed_interface)
    expected = interface_pb2.ParameterMap(
        parameters={
            name: interface_pb2.Parameter(var=variable, required=True)
            for name, variable in interface.inputs.variables.items()
        }
    )
    return LaunchTarget(
        workflow_id=workflow_id,
        workflow_row=workflow.id,
        graph=execution_pb2.ContentReference.FromString(workflow.graph),
        task_templates=execution_pb2.ContentReference.FromString(workflow.task_templates),
        expected=expected,
        fixed=literals_pb2.LiteralMap(),
        task_row=task_row,
    )


async def inline_graph(blobs: BlobStore, argument: execution_pb2.ExecutionInput) -> execution_pb2.ExecutionInput:
    """Return the start argument, with the graph itself in place of its reference if it is small enough.

    The stored argument keeps the reference, so that rows stay small.
    """
    reference = argument.stored_graph
    if not argument.HasField("stored_graph") or reference.size_bytes > limits.MAX_INLINE_GRAPH_BYTES:
        return argument
    graph = _graphs.get(reference.sha256)
    if graph is None:
        graph = await blobs.read(reference.uri)
        _graphs[reference.sha256] = graph
    inlined = execution_pb2.ExecutionInput()
    inlined.CopyFrom(argument)
    inlined.inline_graph = graph
    return inlined
