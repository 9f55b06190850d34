"""Evaluate the conditions of branch nodes.

The rules mirror flytepropeller's pkg/controller/nodes/branch/{evaluator,comparator}.go. Two things that Flyte refuses
work here: an optional value is compared by the value inside its union, and any value can be compared to none with EQ
and NEQ (flytekit's ``is_none()``).
"""

import operator
from collections.abc import Callable, Mapping

from flyteidl.core import condition_pb2, literals_pb2

from flytetemporal import errors

_Comparison = condition_pb2.ComparisonExpression
_Conjunction = condition_pb2.ConjunctionExpression
_Comparable = int | bytes | float

_OPERATORS: dict[int, Callable[[_Comparable, _Comparable], bool]] = {
    _Comparison.EQ: operator.eq,
    _Comparison.NEQ: operator.ne,
    _Comparison.GT: operator.gt,
    _Comparison.GTE: operator.ge,
    _Comparison.LT: operator.lt,
    _Comparison.LTE: operator.le,
}
_EQUALITY = (_Comparison.EQ, _Comparison.NEQ)


def evaluate(expression: condition_pb2.BooleanExpression, inputs: Mapping[str, literals_pb2.Literal]) -> bool:
    """Whether ``expression`` holds for the inputs of its branch node.

    Both sides of a conjunction are always evaluated, so a malformed side is an error even if the other side decides.

    Raises:
        MalformedCondition: a variable is missing, or the operands cannot be compared.
    """
    match expression.WhichOneof("expr"):
        case "comparison":
            return _compare(expression.comparison, inputs)
        case "conjunction":
            left = evaluate(expression.conjunction.left_expression, inputs)
            right = evaluate(expression.conjunction.right_expression, inputs)
            if expression.conjunction.operator == _Conjunction.AND:
                return left and right
            return left or right
        case _:
            raise errors.MalformedCondition("No expression found in the condition")


def _compare(expression: condition_pb2.ComparisonExpression, inputs: Mapping[str, literals_pb2.Literal]) -> bool:
    compare = _OPERATORS.get(expression.operator)
    if compare is None:
        raise errors.MalformedCondition(f"Unknown comparison operator [{expression.operator}]")
    left = _operand(expression.left_value, inputs)
    right = _operand(expression.right_value, inputs)
    if left is None or right is None:
        return _compare_to_none(expression, left, right)
    left_kind, right_kind = left.WhichOneof("value"), right.WhichOneof("value")
    if left_kind != right_kind:
        raise errors.MalformedCondition(
            f"Comparison between different primitives types. lVal[{left_kind}]:rVal[{right_kind}]"
        )
    if left_kind == "boolean" and expression.operator not in _EQUALITY:
        raise errors.MalformedCondition(_unsupported(expression, "Boolean values"))
    return compare(_comparable(left), _comparable(right))


def _compare_to_none(
    expression: condition_pb2.ComparisonExpression,
    left: literals_pb2.Primitive | None,
    right: literals_pb2.Primitive | None,
) -> bool:
    if expression.operator not in _EQUALITY:
        raise errors.MalformedCondition(_unsupported(expression, "None"))
    equal = left is None and right is None
    return equal if expression.operator == _Comparison.EQ else not equal


def _unsupported(expression: condition_pb2.ComparisonExpression, what: str) -> str:
    return (
        f"{what} cannot be compared with [{_Comparison.Operator.Name(expression.operator)}], only with [EQ] and [NEQ]"
    )


def _operand(
    operand: condition_pb2.Operand, inputs: Mapping[str, literals_pb2.Literal]
) -> literals_pb2.Primitive | None:
    match operand.WhichOneof("val"):
        case "primitive":
            return operand.primitive
        case "scalar":
            return _primitive(literals_pb2.Literal(scalar=operand.scalar), "constant")
        case _:
            if operand.var not in inputs:
                raise errors.MalformedCondition(f"Failed to find Value for Variable [{operand.var}]")
            return _primitive(inputs[operand.var], operand.var)


def _primitive(literal: literals_pb2.Literal, name: str) -> literals_pb2.Primitive | None:
    """Return the primitive inside a literal, or ``None`` for Flyte's none type."""
    scalar = literal.scalar
    while scalar.WhichOneof("value") == "union":
        scalar = scalar.union.value.scalar
    match scalar.WhichOneof("value"):
        case "primitive":
            return scalar.primitive
        case "none_type":
            return None
        case kind:
            found = kind or literal.WhichOneof("value") or "nothing"
            raise errors.MalformedCondition(
                f"Variable [{name}] is not a primitive but [{found}]; it cannot be compared"
            )


def _comparable(primitive: literals_pb2.Primitive) -> _Comparable:
    match primitive.WhichOneof("value"):
        case "integer":
            return primitive.integer
        case "float_value":
            return primitive.float_value
        case "string_value":
            # Go compares strings by their UTF-8 bytes.
            return primitive.string_value.encode()
        case "boolean":
            return primitive.boolean
        # Like Flyte, times and durations are compared by whole seconds.
        case "datetime":
            return primitive.datetime.seconds
        case "duration":
            return primitive.duration.seconds
        case _:
            raise errors.MalformedCondition("A primitive without a value cannot be compared")
