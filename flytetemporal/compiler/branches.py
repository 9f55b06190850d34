"""Check branch nodes: the ids of their children, their shape and their conditions."""

from flyteidl.core import condition_pb2, interface_pb2, literals_pb2, types_pb2, workflow_pb2

from flytetemporal import errors
from flytetemporal.compiler import promises, traversal
from flytetemporal.compiler.problems import Code
from flytetemporal.compiler.scope import Scope
from flytetemporal.idl import types


def qualify_children(node: workflow_pb2.Node) -> None:
    """Rewrite the ids of all nodes inside a branch to ``<branch>-<child>``, at every depth."""
    for child in traversal.branch_children(node):
        child.id = f"{node.id}-{child.id}"
        qualify_children(child)


def check_shape(scope: Scope, node: workflow_pb2.Node) -> None:
    """Add a problem for each missing part of a branch node: the first case, the node of a case, the default."""
    if_else = node.branch_node.if_else
    if not node.branch_node.HasField("if_else"):
        scope.problems.value_required(node.id, "Branch.IfElse")
        return
    if not if_else.HasField("case"):
        scope.problems.add(Code.BRANCH_NODE_HAS_NO_CONDITION, node.id, f"Branch node [{node.id}] has no first case.")
    for position, block in enumerate(traversal.branch_blocks(node)):
        if not block.HasField("then_node"):
            description = f"Case {position} of branch node [{node.id}] has no node."
            scope.problems.add(Code.BRANCH_NODE_ID_NOT_FOUND, node.id, description)
    if if_else.WhichOneof("default") is None:
        description = f"Branch node [{node.id}] has neither an else node nor an error."
        scope.problems.add(Code.BRANCH_NODE_HAS_NO_DEFAULT, node.id, description)


def check_conditions(scope: Scope, node: workflow_pb2.Node) -> None:
    """Add the problems of a branch node's conditions; their variables are the node's own inputs."""
    interface = scope.interfaces.get(node.id)
    variables = interface.inputs if interface is not None else promises.derived_variables(scope, node)
    for block in traversal.branch_blocks(node):
        _check_expression(scope, node.id, variables, block.condition)


def _check_expression(
    scope: Scope, node_id: str, variables: interface_pb2.VariableMap, expression: condition_pb2.BooleanExpression
) -> None:
    match expression.WhichOneof("expr"):
        case "conjunction":
            _check_expression(scope, node_id, variables, expression.conjunction.left_expression)
            _check_expression(scope, node_id, variables, expression.conjunction.right_expression)
        case "comparison":
            comparison = expression.comparison
            left = _operand_type(scope, node_id, variables, comparison.left_value, "LeftValue")
            right = _operand_type(scope, node_id, variables, comparison.right_value, "RightValue")
            if not _comparable(left, right):
                description = (
                    f"Variable [RightValue] (type [{types.text(right)}]) "
                    f"doesn't match expected type [{types.text(left)}]."
                )
                scope.problems.add(Code.MISMATCHING_TYPES, node_id, description)
        case _:
            scope.problems.value_required(node_id, "Expr")


def _operand_type(
    scope: Scope, node_id: str, variables: interface_pb2.VariableMap, operand: condition_pb2.Operand, side: str
) -> types_pb2.LiteralType:
    match operand.WhichOneof("val"):
        case "primitive":
            scalar = literals_pb2.Scalar(primitive=operand.primitive)
        case "scalar":
            scalar = operand.scalar
        case "var":
            if operand.var in variables.variables:
                return variables.variables[operand.var].type
            scope.problems.variable_not_found(node_id, operand.var)
            return promises.UNKNOWN
        case _:
            scope.problems.value_required(node_id, side)
            return promises.UNKNOWN
    try:
        return types.infer_scalar(scalar)
    except errors.InvalidRequest:
        scope.problems.value_required(node_id, f"{side}.Val")
        return promises.UNKNOWN


def _comparable(left: types_pb2.LiteralType, right: types_pb2.LiteralType) -> bool:
    """Whether the engine can compare values of the two types.

    Flyte requires equal types. The engine can also compare an optional value with its plain type, an enum with a string
    and any value with none (flytekit's ``is_none()``), so these are accepted.
    """
    if promises.is_unknown(left) or promises.is_unknown(right) or types.NONE in (left, right):
        return True
    return types.castable(left, right) or types.castable(right, left)
