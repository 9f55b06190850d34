import pytest
from flyteidl.core import interface_pb2, literals_pb2
from google.protobuf import timestamp_pb2

from flytetemporal import errors
from flytetemporal.idl import interfaces
from tests.fixtures import templates

Literal = literals_pb2.Literal


def primitive(value: literals_pb2.Primitive) -> Literal:
    return Literal(scalar=literals_pb2.Scalar(primitive=value))


ONE = primitive(literals_pb2.Primitive(integer=1))
TWO = primitive(literals_pb2.Primitive(integer=2))
TEXT = primitive(literals_pb2.Primitive(string_value="s"))
VARIABLE = interface_pb2.Variable(type=templates.INT)
EXPECTED = interface_pb2.ParameterMap(
    parameters={
        "a": interface_pb2.Parameter(var=VARIABLE, required=True),
        "b": interface_pb2.Parameter(var=VARIABLE, default=TWO),
    }
)


def literal_map(**literals: Literal) -> literals_pb2.LiteralMap:
    return literals_pb2.LiteralMap(literals=literals)


def test_defaults_and_fixed_inputs_complete_what_was_given() -> None:
    inputs = interfaces.launch_inputs(EXPECTED, literal_map(c=TEXT), literal_map(a=ONE))

    assert inputs == literal_map(a=ONE, b=TWO, c=TEXT)


def test_a_given_value_stands_before_the_default() -> None:
    assert interfaces.launch_inputs(EXPECTED, literal_map(), literal_map(a=ONE, b=ONE)) == literal_map(a=ONE, b=ONE)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "expected_inputs a missing"),
        ({"a": TEXT}, "invalid a input wrong type. Expected simple:INTEGER, but got simple:STRING"),
        ({"a": ONE, "zz": ONE}, "invalid input zz"),
        ({"a": ONE, "c": TEXT}, "invalid input c"),
        ({"a": Literal()}, "missing valid literal in inputs a"),
        ({"": ONE}, "missing key in inputs"),
        (
            {"a": Literal(scalar=literals_pb2.Scalar())},
            "Failed to validate literal type for [a] with err: unknown literal",
        ),
    ],
)
def test_wrong_inputs_are_refused(given: dict[str, Literal], text: str) -> None:
    with pytest.raises(errors.InvalidRequest) as failure:
        interfaces.launch_inputs(EXPECTED, literal_map(c=TEXT), literal_map(**given))

    assert text in failure.value.message


def test_a_datetime_beyond_the_calendar_is_refused_at_any_depth() -> None:
    late = primitive(literals_pb2.Primitive(datetime=timestamp_pb2.Timestamp(seconds=10**12)))
    nested = Literal(collection=literals_pb2.LiteralCollection(literals=[late]))
    deeper = Literal(map=literals_pb2.LiteralMap(literals={"x": nested}))

    with pytest.raises(errors.InvalidRequest, match="invalid datetime in inputs a"):
        interfaces.check_literals(literal_map(a=deeper), "inputs")
