"""Check the bindings of a node's inputs, and find the nodes that provide the values."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flyteidl.core import interface_pb2, literals_pb2, types_pb2, workflow_pb2

from flytetemporal import errors
from flytetemporal.compiler import promises
from flytetemporal.compiler.problems import Code, Problems
from flytetemporal.compiler.scope import Scope
from flytetemporal.idl import literals, types


@dataclass(frozen=True, slots=True)
class _Input:
    """An input whose binding is checked, and the collection that its problems are added to."""

    scope: Scope
    node: workflow_pb2.Node
    variable: str
    found: Problems

    @property
    def key(self) -> tuple[str, str]:
        return self.node.id, self.variable

    def add(self, code: Code, description: str) -> None:
        self.found.add(code, self.node.id, description)


def providers(scope: Scope, bindings: Iterable[literals_pb2.Binding]) -> Iterator[str]:
    """Yield the ids of the existing nodes that bindings refer to, unordered and with duplicates."""
    for binding in bindings:
        for reference in literals.promises(binding.binding):
            if reference.node_id in scope.nodes:
                yield reference.node_id


def check(scope: Scope, node: workflow_pb2.Node) -> None:
    """Add the problems of a node's bindings; skip a node whose interface is unknown, which has its own problem."""
    interface = scope.interfaces.get(node.id)
    if interface is None:
        return
    variables = interface.inputs.variables
    bound: set[str] = set()
    for binding in node.inputs:
        if binding.var not in variables:
            scope.problems.variable_not_found(node.id, binding.var)
        elif binding.var in bound:
            description = f"Input [{binding.var}] is bound more than once."
            scope.problems.add(Code.PARAMETER_BOUND_MORE_THAN_ONCE, node.id, description)
        else:
            bound.add(binding.var)
            _check_binding(scope, node, binding, variables[binding.var].type)
    _check_unbound(scope, node, interface, bound)


def _check_unbound(
    scope: Scope, node: workflow_pb2.Node, interface: interface_pb2.TypedInterface, bound: set[str]
) -> None:
    for name, variable in interface.inputs.variables.items():
        if name not in bound and not types.is_optional(variable.type):
            scope.problems.parameter_not_bound(node.id, name)


def _check_binding(
    scope: Scope, node: workflow_pb2.Node, binding: literals_pb2.Binding, wanted: types_pb2.LiteralType
) -> None:
    if not binding.HasField("binding"):
        scope.problems.value_required(node.id, "Binding")
        return
    _check_data(_Input(scope, node, binding.var, scope.problems), binding.binding, wanted)


def _check_data(target: _Input, data: literals_pb2.BindingData, wanted: types_pb2.LiteralType) -> None:
    kind = data.WhichOneof("value")
    match kind:
        case "promise":
            _check_promise(target, data.promise, wanted)
        case "scalar":
            _check_scalar(target, data.scalar, wanted)
        case "offloaded_metadata":
            _check_type(target, data.offloaded_metadata.inferred_type, wanted)
        case _ if promises.is_unknown(wanted):
            return
        case "collection" | "map" if wanted.WhichOneof("type") == "union_type":
            _check_variants(target, data, wanted)
        case "collection" if wanted.WhichOneof("type") == "collection_type":
            for element in data.collection.bindings:
                _check_data(target, element, wanted.collection_type)
        case "map" if wanted.WhichOneof("type") == "map_value_type":
            for element in data.map.bindings.values():
                _check_data(target, element, wanted.map_value_type)
        case _:
            expected = f"expects bindings of type [{types.text(wanted)}]. Received [{kind or 'nothing'}]"
            target.add(Code.MISMATCHING_BINDINGS, f"Input [{target.variable}] on node [{target.node.id}] {expected}")


def _check_variants(target: _Input, data: literals_pb2.BindingData, wanted: types_pb2.LiteralType) -> None:
    fitting = [variant for variant in wanted.union_type.variants if _fits(target, data, variant)]
    where = f"Input [{target.variable}] on node [{target.node.id}]"
    if not fitting:
        description = f"{where} fits no variant of [{types.text(wanted)}]."
        target.add(Code.INCOMPATIBLE_BINDING_UNION_VALUE, description)
    elif len(fitting) > 1:
        description = f"{where} fits more than one variant of [{types.text(wanted)}]."
        target.add(Code.AMBIGUOUS_BINDING_UNION_VALUE, description)


def _fits(target: _Input, data: literals_pb2.BindingData, variant: types_pb2.LiteralType) -> bool:
    trial = _Input(target.scope, target.node, target.variable, Problems())
    _check_data(trial, data, variant)
    return not trial.found


def _check_promise(target: _Input, reference: types_pb2.OutputReference, wanted: types_pb2.LiteralType) -> None:
    offered = promises.promised_type(target.scope, target.found, target.key, reference)
    if offered is None or _is_castable(offered, wanted):
        return
    output = _full_name(target.scope.nodes[reference.node_id], reference.var)
    description = (
        f"The output variable '{output}' has type [{types.text(offered)}], but it's assigned to the input variable "
        f"'{_full_name(target.node, target.variable)}' which has type type [{types.text(wanted)}]."
    )
    target.add(Code.MISMATCHING_TYPES, description)


def _is_castable(offered: types_pb2.LiteralType, wanted: types_pb2.LiteralType) -> bool:
    return promises.is_unknown(offered) or promises.is_unknown(wanted) or types.castable(offered, wanted)


def _full_name(node: workflow_pb2.Node, variable: str) -> str:
    return f"{node.metadata.name}.{variable}" if node.metadata.name else variable


def _check_scalar(target: _Input, scalar: literals_pb2.Scalar, wanted: types_pb2.LiteralType) -> None:
    try:
        offered = types.infer_scalar(scalar)
    except errors.InvalidRequest:
        kind = scalar.WhichOneof("value") or "nothing"
        description = f"Value of [{target.variable}] of kind [{kind}] not recognized."
        target.add(Code.UNRECOGNIZED_VALUE, description)
        return
    _check_type(target, offered, wanted)
    values = wanted.enum_type.values
    if (
        values
        and scalar.primitive.WhichOneof("value") == "string_value"
        and scalar.primitive.string_value not in values
    ):
        description = f"Value [{scalar.primitive.string_value}] of [{target.variable}] is not one of {list(values)}."
        target.add(Code.ILLEGAL_ENUM_VALUE, description)


def _check_type(target: _Input, offered: types_pb2.LiteralType, wanted: types_pb2.LiteralType) -> None:
    if not _is_castable(offered, wanted):
        description = (
            f"Variable [{target.variable}] (type [{types.text(offered)}]) "
            f"doesn't match expected type [{types.text(wanted)}]."
        )
        target.add(Code.MISMATCHING_TYPES, description)
