"""Find the interface of a node by the kind of its target."""

from collections.abc import Callable, Mapping

from flyteidl.core import interface_pb2, types_pb2, workflow_pb2

from flytetemporal.compiler import problems, promises, traversal
from flytetemporal.compiler.scope import Scope
from flytetemporal.idl import identifiers, types

TypedInterface = interface_pb2.TypedInterface


def interface_of(scope: Scope, node: workflow_pb2.Node) -> TypedInterface | None:
    """Return the interface of a node, or None if a problem prevents that; the problem is added.

    The children of a branch must have their interfaces already. The result can be part of another entity: do not change
    it.
    """
    target = node.WhichOneof("target")
    if target is None:
        scope.problems.value_required(node.id, "Target")
        return None
    return _KINDS[target](scope, node)


def _task(scope: Scope, node: workflow_pb2.Node) -> TypedInterface | None:
    if not node.task_node.HasField("reference_id"):
        scope.problems.value_required(node.id, "TaskNode.ReferenceId")
        return None
    reference = node.task_node.reference_id
    template = scope.library.tasks.get(identifiers.entity_key(reference))
    if template is None:
        scope.problems.task_not_found(node.id, identifiers.text(reference))
        return None
    return template.interface


def _workflow(scope: Scope, node: workflow_pb2.Node) -> TypedInterface | None:
    match node.workflow_node.WhichOneof("reference"):
        case "launchplan_ref":
            return _launch_plan(scope, node)
        case "sub_workflow_ref":
            reference = node.workflow_node.sub_workflow_ref
            template = scope.library.sub_workflows.get(identifiers.entity_key(reference))
            if template is None:
                scope.problems.workflow_not_found(node.id, identifiers.text(reference))
            return template.interface if template is not None else None
        case _:
            scope.problems.workflow_not_found(node.id, node.id)
            return None


def _launch_plan(scope: Scope, node: workflow_pb2.Node) -> TypedInterface | None:
    """Return the interface of a launch plan: required inputs, and those with a default if they are bound."""
    reference = node.workflow_node.launchplan_ref
    launch_plan = scope.library.launch_plans.get(identifiers.entity_key(reference))
    if launch_plan is None:
        scope.problems.workflow_not_found(node.id, identifiers.text(reference))
        return None
    bound = {binding.var for binding in node.inputs}
    interface = TypedInterface(outputs=launch_plan.closure.expected_outputs)
    for name, parameter in launch_plan.closure.expected_inputs.parameters.items():
        if parameter.required or name in bound:
            interface.inputs.variables[name].CopyFrom(parameter.var)
    return interface


def _branch(scope: Scope, node: workflow_pb2.Node) -> TypedInterface | None:
    interface = TypedInterface(inputs=promises.derived_variables(scope, node))
    children = [child for child in traversal.branch_children(node) if child.id in scope.interfaces]
    if not children:
        return None
    outputs = [scope.interfaces[child.id].outputs.variables for child in children]
    for name in sorted(outputs[0]):
        if all(name in others for others in outputs):
            kinds = [others[name].type for others in outputs]
            _check_equal(scope, node, name, kinds)
            interface.outputs.variables[name].type.CopyFrom(kinds[0])
    return interface


def _check_equal(scope: Scope, node: workflow_pb2.Node, name: str, kinds: list[types_pb2.LiteralType]) -> None:
    first = types.text(kinds[0])
    for other in map(types.text, kinds[1:]):
        if other != first:
            description = f"Variable [{name}] (type [{other}]) doesn't match expected type [{first}]."
            scope.problems.add(problems.Code.MISMATCHING_TYPES, node.id, description)


def _gate(scope: Scope, node: workflow_pb2.Node) -> TypedInterface | None:
    match node.gate_node.WhichOneof("condition"):
        case "approve":
            variables = promises.derived_variables(scope, node)
            return TypedInterface(inputs=variables, outputs=variables)
        case "signal":
            return _signal(scope, node)
        case "sleep":
            return TypedInterface()
        case _:
            scope.problems.add(problems.Code.NO_CONDITION_FOUND, node.id, f"Gate node [{node.id}] has no condition.")
            return None


def _signal(scope: Scope, node: workflow_pb2.Node) -> TypedInterface | None:
    signal = node.gate_node.signal
    if not signal.HasField("type"):
        scope.problems.value_required(node.id, "GateNode.Signal.Type")
    if not signal.output_variable_name:
        scope.problems.value_required(node.id, "GateNode.Signal.OutputVariableName")
    if not signal.HasField("type") or not signal.output_variable_name:
        return None
    interface = TypedInterface()
    interface.outputs.variables[signal.output_variable_name].type.CopyFrom(signal.type)
    return interface


def _array(scope: Scope, node: workflow_pb2.Node) -> TypedInterface | None:
    array = node.array_node
    if not array.HasField("node"):
        scope.problems.value_required(node.id, "ArrayNode.Node")
        return None
    inner = workflow_pb2.Node()
    inner.CopyFrom(array.node)
    # The array's bindings are those of the inner entity, and problems are reported for the array.
    inner.id = node.id
    inner.inputs.MergeFrom(node.inputs)
    interface = interface_of(scope, inner)
    if interface is None or not array.is_original_sub_node_interface.value:
        return interface
    return _listed(array, interface)


def _listed(array: workflow_pb2.ArrayNode, interface: TypedInterface) -> TypedInterface:
    """Return the interface of an array over an entity that handles one element: lists of its inputs and outputs.

    Flyte's compiler does not do this, so it refuses arrays over launch plans, which Flyte's engine could run.
    """
    listed = TypedInterface()
    for name, variable in interface.inputs.variables.items():
        if name in array.bound_inputs:
            listed.inputs.variables[name].CopyFrom(variable)
        else:
            listed.inputs.variables[name].type.collection_type.CopyFrom(variable.type)
    optional = _is_partial(array) and len(interface.outputs.variables) == 1
    for name, variable in interface.outputs.variables.items():
        element = _optional(variable.type) if optional else variable.type
        listed.outputs.variables[name].type.collection_type.CopyFrom(element)
    return listed


def _is_partial(array: workflow_pb2.ArrayNode) -> bool:
    return array.WhichOneof("success_criteria") == "min_success_ratio" and array.min_success_ratio < 1


def _optional(literal_type: types_pb2.LiteralType) -> types_pb2.LiteralType:
    return types_pb2.LiteralType(union_type=types_pb2.UnionType(variants=[literal_type, types.NONE]))


_KINDS: Mapping[str, Callable[[Scope, workflow_pb2.Node], TypedInterface | None]] = {
    "task_node": _task,
    "workflow_node": _workflow,
    "branch_node": _branch,
    "gate_node": _gate,
    "array_node": _array,
}
