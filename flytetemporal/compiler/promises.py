"""Types of promised values: outputs of nodes by name, index and attribute path."""

import re
from collections.abc import Sequence

from flyteidl.core import interface_pb2, literals_pb2, types_pb2, workflow_pb2

from flytetemporal import errors
from flytetemporal.compiler import problems
from flytetemporal.compiler.scope import Scope
from flytetemporal.idl import literals, types

UNKNOWN = types_pb2.LiteralType()
"""The type of values whose type cannot be determined; it matches every type."""

_NAME = re.compile(r"\w+")
_Path = Sequence[types_pb2.PromiseAttribute]


def is_unknown(literal_type: types_pb2.LiteralType) -> bool:
    """Whether the type is unknown."""
    return literal_type.WhichOneof("type") is None


def promised_type(
    scope: Scope, found: problems.Problems, consumer: tuple[str, str], reference: types_pb2.OutputReference
) -> types_pb2.LiteralType | None:
    """Return the type of the value of ``reference``, for the input ``consumer`` (node id and variable).

    Returns:
        The type, ``UNKNOWN`` if the provider has a problem itself, or None if the value does not exist; then the
        problem is added to ``found``.
    """
    provider = scope.nodes.get(reference.node_id)
    if provider is None:
        found.node_not_found(reference.node_id)
        found.parameter_not_bound(*consumer)
        return None
    if reference.node_id not in scope.interfaces:
        return UNKNOWN
    output = _output(scope, found, consumer, provider, reference)
    return None if output is None else _attribute(found, consumer, output, reference.attr_path)


def derived_variables(scope: Scope, node: workflow_pb2.Node) -> interface_pb2.VariableMap:
    """Return the variables defined by a node's own bindings: the inputs of a branch or an approval."""
    variables = interface_pb2.VariableMap()
    for binding in node.inputs:
        literal_type = _binding_type(scope, (node.id, binding.var), binding.binding)
        variables.variables[binding.var].type.CopyFrom(literal_type)
    return variables


def output_type(
    node: workflow_pb2.Node, interface: interface_pb2.TypedInterface, name: str
) -> types_pb2.LiteralType | None:
    """Return the type of an output by its name or alias."""
    outputs = interface.outputs.variables
    for alias in node.output_aliases:
        if alias.alias == name and alias.var in outputs:
            return outputs[alias.var].type
    return outputs[name].type if name in outputs else None


def _output(
    scope: Scope,
    found: problems.Problems,
    consumer: tuple[str, str],
    provider: workflow_pb2.Node,
    reference: types_pb2.OutputReference,
) -> types_pb2.LiteralType | None:
    interface = scope.interfaces[reference.node_id]
    exact = output_type(provider, interface, reference.var)
    if exact is not None:
        return exact
    index, name = literals.split_variable(reference.var)
    if not _NAME.fullmatch(name):
        description = f"Variable [{reference.var}] is no name and no [index].name."
        found.add(problems.Code.SYNTAX_ERROR, consumer[0], description)
        return None
    whole = output_type(provider, interface, name)
    if whole is None:
        found.variable_not_found(reference.node_id, name)
        found.parameter_not_bound(*consumer)
        return None
    if index is None or is_unknown(whole):
        return whole
    if whole.WhichOneof("type") != "collection_type":
        description = (
            f"Variable [{reference.var}] (type [{types.text(whole)}]) doesn't match expected type [collection]."
        )
        found.add(problems.Code.MISMATCHING_TYPES, reference.node_id, description)
        return whole
    return whole.collection_type


def _attribute(
    found: problems.Problems, consumer: tuple[str, str], literal_type: types_pb2.LiteralType, path: _Path
) -> types_pb2.LiteralType | None:
    """Return the type at the end of the path; inside an untyped struct it is the struct's type, as in Flyte."""
    for step in path:
        match literal_type.WhichOneof("type"):
            case "collection_type":
                literal_type = literal_type.collection_type
            case "map_value_type":
                literal_type = literal_type.map_value_type
            case _ if literal_type.structure.dataclass_type:
                fields = literal_type.structure.dataclass_type
                if step.string_value not in fields:
                    description = f"Field [{step.string_value}] not found in [{consumer[1]}]: it has {sorted(fields)}."
                    found.add(problems.Code.FIELD_NOT_FOUND, consumer[0], description)
                    return None
                literal_type = fields[step.string_value]
            case _:
                return literal_type
    return literal_type


def _binding_type(scope: Scope, consumer: tuple[str, str], data: literals_pb2.BindingData) -> types_pb2.LiteralType:
    match data.WhichOneof("value"):
        case "promise":
            return promised_type(scope, scope.problems, consumer, data.promise) or UNKNOWN
        case "scalar":
            return _scalar_type(data.scalar)
        case "collection":
            kinds = [_binding_type(scope, consumer, element) for element in data.collection.bindings]
            return types_pb2.LiteralType(collection_type=kinds[0] if kinds else UNKNOWN)
        case "map":
            kinds = [_binding_type(scope, consumer, data.map.bindings[key]) for key in sorted(data.map.bindings)]
            return types_pb2.LiteralType(map_value_type=kinds[0] if kinds else UNKNOWN)
        case _:
            return UNKNOWN


def _scalar_type(scalar: literals_pb2.Scalar) -> types_pb2.LiteralType:
    try:
        return types.infer_scalar(scalar)
    except errors.InvalidRequest:  # Checking the node's bindings reports it.
        return UNKNOWN
