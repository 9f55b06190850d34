"""The declared outputs of a node of an execution, also of one that has not started."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from flyteidl.admin import launch_plan_pb2, workflow_pb2
from flyteidl.core import compiler_pb2, identifier_pb2, interface_pb2
from flyteidl.core import workflow_pb2 as core_workflow_pb2
from sqlalchemy import select

from flytetemporal import errors
from flytetemporal.admin.base import execution_lookup, execution_rows, stored_messages
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow, LaunchPlanRow, WorkflowRow
from flytetemporal.admin.registry import entity_rows
from flytetemporal.compiler import node_interfaces, problems, traversal
from flytetemporal.compiler.scope import Library, Scope
from flytetemporal.idl import identifiers, naming

Node = core_workflow_pb2.Node
# Attempts of a node above that are tried if the id is a hash, which does not show them.
_ATTEMPTS = range(4)
_HASHED = re.compile(r"f[a-z1-6]{7}|f[a-z1-6]{13}")


@dataclass(frozen=True, slots=True)
class _Level:
    """A workflow whose nodes are below ``parent_id``."""

    closure: compiler_pb2.CompiledWorkflowClosure
    template: core_workflow_pb2.WorkflowTemplate
    parent_id: str = ""
    attempt: int = 0


async def find(deps: Dependencies, row: ExecutionRow, node_id: str) -> Node:
    """Return the node of a template that runs under an id. Raises what ``declared`` raises."""
    _, node = await _found(deps, row, node_id)
    return node


async def declared(deps: Dependencies, row: ExecutionRow, node_id: str) -> interface_pb2.VariableMap:
    """Return the outputs that a node declares.

    Raises:
        NotFound: the execution has no such node, as far as is known.
        FailedPrecondition: the definition of the execution or of the node is gone.
    """
    level, node = await _found(deps, row, node_id)
    library = await _library(deps, level.closure, node)
    interface = _interface(Scope(level.template, library, problems.Problems()), node)
    if interface is None:
        raise errors.FailedPrecondition(f"the outputs of node {node_id} are not known, so it cannot be skipped")
    return interface.outputs


async def _found(deps: Dependencies, row: ExecutionRow, node_id: str) -> tuple[_Level, Node]:
    closure = await _closure(deps, row)
    async for found in _search(deps, row, _Level(closure, closure.primary.template), node_id):
        return found
    raise errors.NotFound(
        f"execution {row.execution_name} has no node {node_id}, or a node above it has not generated it yet; "
        f"see the nodes that have not ended with: flytetemporal why {row.execution_name}"
    )


async def _closure(deps: Dependencies, row: ExecutionRow) -> compiler_pb2.CompiledWorkflowClosure:
    async with deps.sessions() as session:
        found = (await session.scalars(select(WorkflowRow).where(WorkflowRow.id == row.workflow_id))).one_or_none()
    if found is None:
        raise errors.FailedPrecondition(f"the workflow of execution {row.execution_name} is gone")
    uri = found.remote_closure_identifier
    return (await stored_messages.load(deps.blobs, uri, workflow_pb2.WorkflowClosure)).compiled_workflow


async def _search(
    deps: Dependencies, row: ExecutionRow, level: _Level, wanted: str
) -> AsyncIterator[tuple[_Level, Node]]:
    """Yield the node with the id, if it is in the level or below it."""
    for node in level.template.nodes:
        for node_id in _ids(naming.node_path(node.id, level.parent_id, level.attempt)):
            if node_id == wanted:
                yield level, node
            elif node.HasField("array_node") and re.fullmatch(rf"{re.escape(node_id)}-\d+-n\d+", wanted, re.ASCII):
                raise errors.NotFound(
                    f"{wanted} is an element of map task {node_id}, and elements cannot be changed one by one; what is "
                    f"changed of {node_id} counts for all attempts of its elements that have not started"
                )
            elif wanted.startswith(f"{node_id}-") or _HASHED.fullmatch(wanted):
                async for below in _below(deps, row, level, node, node_id):
                    for attempt in _attempts(node_id, wanted):
                        inner = _Level(below.closure, below.template, node_id, attempt)
                        async for found in _search(deps, row, inner, wanted):
                            yield found


async def _below(
    deps: Dependencies, row: ExecutionRow, level: _Level, node: Node, node_id: str
) -> AsyncIterator[_Level]:
    """Yield the workflow below a node, if there is one."""
    match node.WhichOneof("target"):
        case "branch_node":
            yield _Level(level.closure, core_workflow_pb2.WorkflowTemplate(nodes=traversal.branch_children(node)))
        case "workflow_node":
            reference = identifiers.entity_key(node.workflow_node.sub_workflow_ref)
            for compiled in level.closure.sub_workflows:
                if identifiers.entity_key(compiled.template.id) == reference:
                    yield _Level(level.closure, compiled.template)
        case "task_node":
            identifier = identifier_pb2.NodeExecutionIdentifier(
                node_id=node_id, execution_id=execution_rows.execution_id(row)
            )
            async with deps.sessions() as session:
                found = await execution_lookup.find_node(session, identifier)
            if found is not None and found.dynamic_workflow_remote_closure_reference:
                uri = found.dynamic_workflow_remote_closure_reference
                closure = await stored_messages.load(deps.blobs, uri, compiler_pb2.CompiledWorkflowClosure)
                yield _Level(closure, closure.primary.template)
        case _:
            return


def _ids(path: str) -> list[str]:
    """Return the ids that a node of this path can have: Flyte's, and ours if that was taken."""
    return list(dict.fromkeys(naming.node_id(path, bits) for bits in (32, 64)))


def _attempts(node_id: str, wanted: str) -> Iterator[int]:
    number = wanted.removeprefix(f"{node_id}-").split("-", 1)[0]
    if wanted.startswith(f"{node_id}-") and number.isdecimal() and len(number) < naming.NODE_ID_LIMIT:
        yield int(number)
    elif _HASHED.fullmatch(wanted):
        yield from _ATTEMPTS


async def _library(deps: Dependencies, closure: compiler_pb2.CompiledWorkflowClosure, node: Node) -> Library:
    tasks = {identifiers.entity_key(each.template.id): each.template for each in closure.tasks}
    workflows = {identifiers.entity_key(each.template.id): each.template for each in closure.sub_workflows}
    launch_plans = {}
    async with deps.sessions() as session:
        for inner in traversal.every_node(core_workflow_pb2.WorkflowTemplate(nodes=[node])):
            if inner.workflow_node.HasField("launchplan_ref"):
                reference = inner.workflow_node.launchplan_ref
                row = await entity_rows.find(session, LaunchPlanRow, reference)
                if row is not None:
                    found = stored_messages.parse(launch_plan_pb2.LaunchPlanClosure, row.closure)
                    plan = launch_plan_pb2.LaunchPlan(id=reference, closure=found)
                    launch_plans[identifiers.entity_key(reference)] = plan
    return Library(tasks, launch_plans, workflows)


def _interface(scope: Scope, node: Node) -> interface_pb2.TypedInterface | None:
    for child in traversal.branch_children(node) if node.HasField("branch_node") else []:
        interface = _interface(scope, child)
        if interface is not None:
            scope.interfaces[child.id] = interface
    return node_interfaces.interface_of(scope, node)
