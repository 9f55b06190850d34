"""Compile a workflow: check all of it, then return the closure that Flyte's clients and our engine read.

The order of the steps mirrors flytepropeller's pkg/compiler/workflow_compiler.go, because it decides which problems are
reported. Unlike there, arguments are not changed, every step is linear in the size of the workflow, and two more things
are problems: two nodes with the same id, which Flyte accepts, and subworkflows that contain themselves, which Flyte
does not detect.
"""

from collections.abc import Iterable, Sequence

from flyteidl.admin import launch_plan_pb2
from flyteidl.core import compiler_pb2, interface_pb2, literals_pb2, tasks_pb2, workflow_pb2

from flytetemporal import errors
from flytetemporal.compiler import branches, graph, nodes, traversal
from flytetemporal.compiler.problems import Code, Problems
from flytetemporal.compiler.scope import Library, Scope
from flytetemporal.idl import identifiers, literals

_ROOT = "root"
_Key = identifiers.EntityKey


def compile_workflow(
    template: workflow_pb2.WorkflowTemplate,
    sub_workflows: Sequence[workflow_pb2.WorkflowTemplate],
    tasks: Sequence[compiler_pb2.CompiledTask],
    launch_plans: Sequence[launch_plan_pb2.LaunchPlan],
) -> compiler_pb2.CompiledWorkflowClosure:
    """Return the closure of a workflow; the arguments are not changed.

    The closure contains all given subworkflows and tasks; of tasks with the same id the first. Subworkflows that
    ``template`` does not reach stay uncompiled.

    Raises:
        CompileFailed: the message lists every problem.
    """
    problems = Problems()
    library = _library(template, sub_workflows, tasks, launch_plans, problems)
    reached = _reached(template, library, problems)
    compiled = {key: _compile(workflow, library, problems) for key, workflow in reached.items()}
    if problems:
        raise errors.CompileFailed(problems.text())
    primary = compiled.pop(identifiers.entity_key(template.id))
    closure = compiler_pb2.CompiledWorkflowClosure(primary=primary)
    for workflow in sub_workflows:
        raw = compiler_pb2.CompiledWorkflow(template=workflow)
        closure.sub_workflows.append(compiled.get(identifiers.entity_key(workflow.id), raw))
    closure.tasks.extend(_unique(tasks))
    return closure


def _library(
    template: workflow_pb2.WorkflowTemplate,
    sub_workflows: Iterable[workflow_pb2.WorkflowTemplate],
    tasks: Iterable[compiler_pb2.CompiledTask],
    launch_plans: Iterable[launch_plan_pb2.LaunchPlan],
    problems: Problems,
) -> Library:
    workflows: dict[_Key, workflow_pb2.WorkflowTemplate] = {}
    for workflow in sub_workflows:
        if not workflow.HasField("id"):
            problems.value_required(_ROOT, "SubWorkflow.Id")
        elif workflows.setdefault(identifiers.entity_key(workflow.id), workflow) is not workflow:
            problems.duplicate_id(identifiers.text(workflow.id), "subworkflow")
    workflows.setdefault(identifiers.entity_key(template.id), template)
    templates: dict[_Key, tasks_pb2.TaskTemplate] = {}
    for task in tasks:
        if task.template.HasField("id"):
            templates.setdefault(identifiers.entity_key(task.template.id), task.template)
        else:
            problems.value_required("task", "Template.Id")
    return Library(
        tasks=templates,
        launch_plans={identifiers.entity_key(launch_plan.id): launch_plan for launch_plan in launch_plans},
        sub_workflows=workflows,
    )


def _reached(
    template: workflow_pb2.WorkflowTemplate, library: Library, problems: Problems
) -> dict[_Key, workflow_pb2.WorkflowTemplate]:
    """Return the workflow and its subworkflows at any depth; add a problem if one contains itself."""
    primary = identifiers.entity_key(template.id)
    reached = {primary: template}
    contained: dict[_Key, list[_Key]] = {}
    waiting = [primary]
    while waiting:
        key = waiting.pop()
        contained[key] = _contained(reached[key], library)
        for child in contained[key]:
            if child not in reached:
                reached[child] = library.sub_workflows[child]
                waiting.append(child)
    cycle = graph.find_cycle(primary, contained)
    if cycle is not None:
        problems.cycle(graph.START_NODE, (identifiers.unqualified_text(reached[key].id) for key in cycle))
    return reached


def depth(template: workflow_pb2.WorkflowTemplate, sub_workflows: Iterable[workflow_pb2.WorkflowTemplate]) -> int:
    """Return the number of levels of subworkflows below a workflow: 0 if it has none.

    The depth of a workflow that contains itself is the length of its cycle; compiling refuses it.
    """
    given = {identifiers.entity_key(workflow.id): workflow for workflow in sub_workflows}
    library = Library(tasks={}, launch_plans={}, sub_workflows=given)
    primary = identifiers.entity_key(template.id)
    contained = {primary: _contained(template, library)}
    contained.update({key: _contained(workflow, library) for key, workflow in given.items() if key != primary})
    return graph.height(primary, contained)


def _contained(template: workflow_pb2.WorkflowTemplate, library: Library) -> list[_Key]:
    references = (
        identifiers.entity_key(node.workflow_node.sub_workflow_ref)
        for node in traversal.every_node(template)
        if node.workflow_node.HasField("sub_workflow_ref")
    )
    return list(dict.fromkeys(key for key in references if key in library.sub_workflows))


def _compile(
    source: workflow_pb2.WorkflowTemplate, library: Library, problems: Problems
) -> compiler_pb2.CompiledWorkflow:
    """Return one compiled workflow; unusable if there are problems."""
    template = workflow_pb2.WorkflowTemplate()
    template.CopyFrom(source)
    scope = Scope(template=template, library=library, problems=problems)
    _check_requirements(scope)
    if not template.nodes:
        workflow_id = identifiers.text(template.id)
        problems.add(Code.NO_NODES_FOUND, workflow_id, f"Can't find any nodes in workflow [{workflow_id}].")
    elif _check_interface(template.interface, problems):
        _normalise(template)
        _compile_nodes(scope)
    return compiler_pb2.CompiledWorkflow(template=template, connections=scope.edges.connections())


def _check_requirements(scope: Scope) -> None:
    """Add a problem for each missing task and launch plan, besides the problem of the node that refers to it."""
    for node in traversal.every_node(scope.template):
        if node.task_node.HasField("reference_id"):
            reference = node.task_node.reference_id
            if identifiers.entity_key(reference) not in scope.library.tasks:
                scope.problems.task_not_found(graph.START_NODE, identifiers.text(reference))
        elif node.workflow_node.HasField("launchplan_ref"):
            reference = node.workflow_node.launchplan_ref
            if identifiers.entity_key(reference) not in scope.library.launch_plans:
                scope.problems.workflow_not_found(graph.START_NODE, identifiers.text(reference))


def _check_interface(interface: interface_pb2.TypedInterface, problems: Problems) -> bool:
    sound = True
    for variables in (interface.inputs.variables, interface.outputs.variables):
        for name in variables:
            if not name:
                problems.value_required(graph.START_NODE, "paramName")
                sound = False
            if not variables[name].HasField("type"):
                problems.value_required(graph.START_NODE, "param.Type")
                sound = False
    return sound


def _normalise(template: workflow_pb2.WorkflowTemplate) -> None:
    """Add the start and end nodes, qualify ids inside branches, let bindings to inputs refer to the start node."""
    template.interface.inputs.SetInParent()
    template.interface.outputs.SetInParent()
    _refer_to_start_node(template.outputs)
    start = workflow_pb2.Node(id=graph.START_NODE)
    end = workflow_pb2.Node(id=graph.END_NODE, inputs=template.outputs)
    user_nodes = list(template.nodes)
    del template.nodes[:]
    template.nodes.extend([start, end, *user_nodes])
    failure_nodes = [template.failure_node] if template.HasField("failure_node") else []
    for node in [*template.nodes, *failure_nodes]:
        branches.qualify_children(node)
    for node in traversal.every_node(template):
        _refer_to_start_node(node.inputs)


def _refer_to_start_node(bindings: Iterable[literals_pb2.Binding]) -> None:
    """Let promises without a node refer to the start node: they mean the inputs of the workflow."""
    for binding in bindings:
        for reference in literals.promises(binding.binding):
            reference.node_id = reference.node_id or graph.START_NODE


def _compile_nodes(scope: Scope) -> None:
    start, end, *user_nodes = scope.template.nodes
    interface = scope.template.interface
    scope.nodes.update({start.id: start, end.id: end})
    scope.interfaces[start.id] = interface_pb2.TypedInterface(outputs=interface.inputs)
    scope.interfaces[end.id] = interface_pb2.TypedInterface(inputs=interface.outputs)
    # All nodes are added before any is connected: bindings can refer to nodes that come later in the list.
    for node in user_nodes:
        nodes.add(scope, node)
    # Nodes whose id is empty or taken are problems already; edges to them would only add misleading ones.
    members = {node.id: node for node in user_nodes if scope.nodes.get(node.id) is node}
    for node in [*members.values(), end]:
        nodes.connect(scope, node)
    if scope.template.HasField("failure_node"):
        nodes.add(scope, scope.template.failure_node)
        nodes.connect_upstream_only(scope, [scope.template.failure_node])
    _connect_orphans(scope.edges, members)
    _check_walk(scope, members)


def _connect_orphans(edges: graph.Edges, members: Iterable[str]) -> None:
    """Connect nodes without edges to the start and the end, so that a walk starts them and waits for them."""
    for node_id in members:
        if node_id not in edges.upstream:
            edges.add(graph.START_NODE, node_id)
        if node_id not in edges.downstream:
            edges.add(node_id, graph.END_NODE)


def _check_walk(scope: Scope, members: Iterable[str]) -> None:
    """Check that a walk from the start reaches every node and has no cycle."""
    successors = {node_id: sorted(consumers) for node_id, consumers in scope.edges.downstream.items()}
    cycle = graph.find_cycle(graph.START_NODE, successors)
    if cycle is not None:
        scope.problems.cycle(graph.START_NODE, cycle)
    visited = graph.reachable(graph.START_NODE, successors)
    missed = sorted(node_id for node_id in members if node_id not in visited)
    if missed:
        description = f"The Workflow contain unreachable nodes [{','.join(missed)}]."
        scope.problems.add(Code.UNREACHABLE_NODES, graph.START_NODE, description)


def _unique(tasks: Iterable[compiler_pb2.CompiledTask]) -> list[compiler_pb2.CompiledTask]:
    unique: dict[_Key, compiler_pb2.CompiledTask] = {}
    for task in tasks:
        unique.setdefault(identifiers.entity_key(task.template.id), task)
    return list(unique.values())
