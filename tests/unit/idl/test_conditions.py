from typing import Any

import pytest
from flyteidl.core import condition_pb2, literals_pb2, types_pb2
from google.protobuf import duration_pb2, timestamp_pb2
from hypothesis import given
from hypothesis import strategies as st

from flytetemporal import errors
from flytetemporal.idl import conditions

Operand = condition_pb2.Operand
NONE = literals_pb2.Scalar(none_type=literals_pb2.Void())


FIELDS = {
    bool: "boolean",
    int: "integer",
    float: "float_value",
    str: "string_value",
    timestamp_pb2.Timestamp: "datetime",
    duration_pb2.Duration: "duration",
}


def constant(value: Any) -> Operand:
    if isinstance(value, Operand):
        return value
    if value is None:
        return Operand(scalar=NONE)
    return Operand(primitive=literals_pb2.Primitive(**{FIELDS[type(value)]: value}))


def compare(left: object, operator: str, right: object) -> condition_pb2.BooleanExpression:
    comparison = condition_pb2.ComparisonExpression(
        operator=operator, left_value=constant(left), right_value=constant(right)
    )
    return condition_pb2.BooleanExpression(comparison=comparison)


def both(
    left: condition_pb2.BooleanExpression, operator: str, right: condition_pb2.BooleanExpression
) -> condition_pb2.BooleanExpression:
    conjunction = condition_pb2.ConjunctionExpression(operator=operator, left_expression=left, right_expression=right)
    return condition_pb2.BooleanExpression(conjunction=conjunction)


def optional(scalar: literals_pb2.Scalar) -> literals_pb2.Literal:
    union = literals_pb2.Union(
        value=literals_pb2.Literal(scalar=scalar), type=types_pb2.LiteralType(simple=types_pb2.INTEGER)
    )
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(union=union))


INPUTS = {
    ".a": literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=5))),
    ".list": literals_pb2.Literal(collection=literals_pb2.LiteralCollection()),
    ".empty": optional(NONE),
    ".some": optional(literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=5))),
}
A = Operand(var=".a")


@pytest.mark.parametrize(
    ("left", "operator", "right", "expected"),
    [
        (1, "EQ", 1, True),
        (1, "NEQ", 1, False),
        (1, "LT", 2, True),
        (2, "GTE", 2, True),
        (1.5, "GT", 1.0, True),
        ("a", "LT", "b", True),
        ("z", "LT", "ä", True),
        (True, "EQ", True, True),
        (True, "NEQ", False, True),
        (timestamp_pb2.Timestamp(seconds=1, nanos=5), "EQ", timestamp_pb2.Timestamp(seconds=1, nanos=9), True),
        (duration_pb2.Duration(seconds=2), "GT", duration_pb2.Duration(seconds=1, nanos=9), True),
        (A, "EQ", 5, True),
        (Operand(var=".some"), "EQ", 5, True),
        (Operand(var=".some"), "EQ", None, False),
        (Operand(var=".empty"), "EQ", None, True),
        (Operand(var=".empty"), "NEQ", 5, True),
    ],
)
def test_comparison(left: object, operator: str, right: object, expected: bool) -> None:
    assert conditions.evaluate(compare(left, operator, right), INPUTS) is expected


@pytest.mark.parametrize(
    ("left", "operator", "right", "text"),
    [
        (Operand(var="zz"), "EQ", 1, "Failed to find Value for Variable [zz]"),
        (Operand(), "EQ", 1, "Failed to find Value for Variable []"),
        (1, "EQ", 1.0, "Comparison between different primitives types"),
        (True, "LT", False, "Boolean values cannot be compared with [LT]"),
        (None, "LT", 1, "None cannot be compared with [LT]"),
        (Operand(var=".list"), "EQ", 1, "Variable [.list] is not a primitive but [collection]"),
        (
            Operand(primitive=literals_pb2.Primitive()),
            "EQ",
            Operand(primitive=literals_pb2.Primitive()),
            "without a value",
        ),
    ],
)
def test_what_cannot_be_compared_is_malformed(left: object, operator: str, right: object, text: str) -> None:
    with pytest.raises(errors.MalformedCondition) as failure:
        conditions.evaluate(compare(left, operator, right), INPUTS)

    assert text in failure.value.message


def test_an_expression_without_operands_is_malformed() -> None:
    with pytest.raises(errors.MalformedCondition):
        conditions.evaluate(condition_pb2.BooleanExpression(), INPUTS)


def test_both_sides_are_evaluated_even_where_the_left_decides() -> None:
    broken = compare(Operand(var="zz"), "EQ", 1)

    with pytest.raises(errors.MalformedCondition):
        conditions.evaluate(both(compare(1, "EQ", 1), "OR", broken), INPUTS)


@given(st.booleans(), st.booleans())
def test_conjunctions(left: bool, right: bool) -> None:
    sides: list[Any] = [compare(1, "EQ", 1 if side else 2) for side in (left, right)]

    assert conditions.evaluate(both(sides[0], "AND", sides[1]), {}) is (left and right)
    assert conditions.evaluate(both(sides[0], "OR", sides[1]), {}) is (left or right)
