"""Strip a compiled closure to the graph that the engine walks.

The graph is the input of replayed code: equal closures must give equal graphs, so everything here has an order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from flyteidl.core import compiler_pb2, identifier_pb2, tasks_pb2, workflow_pb2

from flytetemporal import errors
from flytetemporal.compiler import array_jobs, graph, traversal
from flytetemporal.contracts.v1 import graph_pb2
from flytetemporal.idl import identifiers

_Key = identifiers.EntityKey
_Entity = TypeVar("_Entity")


def compact(
    closure: compiler_pb2.CompiledWorkflowClosure,
) -> tuple[graph_pb2.Graph, graph_pb2.TaskTemplates]:
    """Return the graph of a closure and, separately, the templates of the tasks it refers to.

    The primary workflow comes first, then the subworkflows in the order of their first reference. Unreferenced
    subworkflows and tasks are left out.

    Raises:
        Internal: the closure was not made by the compiler.
        InvalidRequest: the ``custom`` of a task of type container_array is not a valid ArrayJob.
    """
    entities = _Entities.of(closure)
    workflows, tasks = entities.workflows.referenced, entities.tasks.referenced
    entities.workflows.position(closure.primary.template.id)
    compiled = graph_pb2.Graph()
    # Stripping a workflow can add subworkflows at the end of the list, which are then stripped in their turn.
    while len(compiled.workflows) < len(workflows):
        compiled.workflows.append(_workflow(workflows[len(compiled.workflows)], entities))
    compiled.tasks.extend(_summary(template) for template in tasks)
    return compiled, graph_pb2.TaskTemplates(tasks=tasks)


@dataclass(slots=True)
class _Positions(Generic[_Entity]):
    """Positions of the entities of one kind, assigned in the order of their first reference."""

    kind: str
    available: Mapping[_Key, _Entity]
    referenced: list[_Entity] = field(default_factory=list)
    _by_key: dict[_Key, int] = field(default_factory=dict)

    def position(self, reference: identifier_pb2.Identifier) -> int:
        """Return the position of an entity in ``referenced``; the first reference adds it.

        Raises:
            Internal: the closure does not contain the entity.
        """
        key = identifiers.entity_key(reference)
        if key not in self._by_key:
            if key not in self.available:
                raise errors.Internal(f"the closure lacks the {self.kind} {identifiers.text(reference)}")
            self._by_key[key] = len(self.referenced)
            self.referenced.append(self.available[key])
        return self._by_key[key]


@dataclass(frozen=True, slots=True)
class _Entities:
    """The workflows and tasks of a closure."""

    workflows: _Positions[compiler_pb2.CompiledWorkflow]
    tasks: _Positions[tasks_pb2.TaskTemplate]

    @classmethod
    def of(cls, closure: compiler_pb2.CompiledWorkflowClosure) -> "_Entities":
        workflows = {identifiers.entity_key(workflow.template.id): workflow for workflow in closure.sub_workflows}
        # The primary workflow is not among its own subworkflows; should the ids be equal, it is the one that counts.
        workflows[identifiers.entity_key(closure.primary.template.id)] = closure.primary
        tasks = {identifiers.entity_key(task.template.id): task.template for task in closure.tasks}
        return cls(_Positions("workflow", workflows), _Positions("task", tasks))


@dataclass(frozen=True, slots=True)
class _Enclosing:
    """The workflow whose nodes are being stripped: its connections and the positions of its nodes."""

    entities: _Entities
    upstream: Mapping[str, compiler_pb2.ConnectionSet.IdList]
    positions: Mapping[str, int]

    def upstream_positions(self, node_id: str) -> list[int]:
        """Return the positions of the nodes that a node waits for, ascending.

        A node inside a branch has the position of the branch, and no node waits for the branch that contains it.
        """
        found = {self.positions[provider] for provider in self.upstream[node_id].ids}
        return sorted(found - {self.positions.get(node_id)})


def _workflow(compiled: compiler_pb2.CompiledWorkflow, entities: _Entities) -> graph_pb2.WorkflowGraph:
    template = compiled.template
    positions: dict[str, int] = {}
    for position, node in enumerate(template.nodes):
        _set_positions(node, position, positions)
    enclosing = _Enclosing(entities, compiled.connections.upstream, positions)
    stripped = graph_pb2.WorkflowGraph(
        id=template.id,
        on_failure=workflow_pb2.WorkflowMetadata.OnFailurePolicy.Name(template.metadata.on_failure),
        interruptible=template.metadata_defaults.interruptible,
    )
    for node in template.nodes:
        _strip_connected(stripped.nodes.add(), node, enclosing)
    if template.HasField("failure_node"):
        _strip_connected(stripped.failure_node, template.failure_node, enclosing)
    return stripped


def _set_positions(node: workflow_pb2.Node, position: int, positions: dict[str, int]) -> None:
    positions[node.id] = position
    for child in traversal.branch_children(node):
        _set_positions(child, position, positions)


def _strip(stripped: graph_pb2.Node, node: workflow_pb2.Node, enclosing: _Enclosing) -> None:
    """Fill ``stripped`` with the parts of ``node`` that the engine needs."""
    metadata = node.metadata
    stripped.id = node.id
    stripped.name = metadata.name
    stripped.inputs.extend(node.inputs)
    stripped.output_aliases.extend(node.output_aliases)
    stripped.retries = metadata.retries.retries
    if metadata.HasField("timeout"):
        stripped.timeout.CopyFrom(metadata.timeout)
    if metadata.WhichOneof("interruptible_value") is not None:
        stripped.interruptible.value = metadata.interruptible
    _strip_target(stripped, node, enclosing)


def _strip_connected(stripped: graph_pb2.Node, node: workflow_pb2.Node, enclosing: _Enclosing) -> None:
    """Fill ``stripped`` with a node and the positions of its upstream nodes."""
    _strip(stripped, node, enclosing)
    if node.id in enclosing.upstream:
        stripped.upstream.extend(enclosing.upstream_positions(node.id))


def _strip_target(stripped: graph_pb2.Node, node: workflow_pb2.Node, enclosing: _Enclosing) -> None:
    match node.WhichOneof("target"):
        case "task_node":
            _strip_task(stripped, node.task_node, enclosing.entities)
        case "workflow_node" if node.workflow_node.HasField("launchplan_ref"):
            stripped.launch_plan.CopyFrom(node.workflow_node.launchplan_ref)
        case "workflow_node":
            stripped.subworkflow.workflow = enclosing.entities.workflows.position(node.workflow_node.sub_workflow_ref)
        case "branch_node":
            _strip_branch(stripped.branch, node, enclosing)
        case "gate_node":
            stripped.gate.CopyFrom(node.gate_node)
        case "array_node":
            _strip_array(stripped.array, node.array_node, enclosing)
        case _ if node.id == graph.START_NODE:
            stripped.start.SetInParent()
        case _ if node.id == graph.END_NODE:
            stripped.end.SetInParent()
        case _:
            raise errors.Internal(f"the node {node.id} of the closure has no target")


def _strip_task(stripped: graph_pb2.Node, task: workflow_pb2.TaskNode, entities: _Entities) -> None:
    position = entities.tasks.position(task.reference_id)
    template = entities.tasks.referenced[position]
    _inherit(stripped, template.metadata)
    runs = array_jobs.make_array(stripped, template) if template.type == array_jobs.TASK_TYPE else stripped
    runs.task.task = position
    if task.HasField("overrides"):
        runs.task.overrides.CopyFrom(task.overrides)


def _inherit(stripped: graph_pb2.Node, task: tasks_pb2.TaskMetadata) -> None:
    """Copy timeout and interruptible from the task of a node that does not set them.

    flytekit does so for tasks that it knows, but not for references; admin's wrapper of a single task does not either.
    Flyte's engine reads only the node. Retries stay apart: the engine's budgets name the task's own.
    """
    if not stripped.HasField("timeout") and task.HasField("timeout"):
        stripped.timeout.CopyFrom(task.timeout)
    if not stripped.HasField("interruptible") and task.WhichOneof("interruptible_value") is not None:
        stripped.interruptible.value = task.interruptible


def _strip_branch(stripped: graph_pb2.BranchNode, node: workflow_pb2.Node, enclosing: _Enclosing) -> None:
    for block in traversal.branch_blocks(node):
        case = stripped.cases.add()
        case.condition.CopyFrom(block.condition)
        _strip_connected(case.node, block.then_node, enclosing)
    if_else = node.branch_node.if_else
    if if_else.HasField("else_node"):
        _strip_connected(stripped.else_node, if_else.else_node, enclosing)
    elif if_else.HasField("error"):
        stripped.error.CopyFrom(if_else.error)


def _strip_array(stripped: graph_pb2.ArrayNode, array: workflow_pb2.ArrayNode, enclosing: _Enclosing) -> None:
    _strip(stripped.node, array.node, enclosing)
    if array.WhichOneof("parallelism_option") is not None:
        stripped.parallelism.value = array.parallelism
    array_jobs.copy_success_criteria(stripped, array)
    stripped.bound_inputs.extend(array.bound_inputs)
    stripped.takes_element = array.is_original_sub_node_interface.value
    stripped.runs_all = array.run_all_sub_nodes


def _summary(template: tasks_pb2.TaskTemplate) -> graph_pb2.TaskSummary:
    metadata, interface = template.metadata, template.interface
    summary = graph_pb2.TaskSummary(
        id=template.id,
        type=template.type,
        retries=metadata.retries.retries,
        has_outputs=bool(interface.outputs.variables),
        discoverable=metadata.discoverable,
        cache_serializable=metadata.cache_serializable,
        input_names=sorted(interface.inputs.variables),
        output_names=sorted(interface.outputs.variables),
        is_eager=metadata.is_eager,
    )
    if metadata.HasField("generates_deck"):
        summary.generates_deck.CopyFrom(metadata.generates_deck)
    return summary
