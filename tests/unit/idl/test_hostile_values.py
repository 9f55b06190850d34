"""Pure code of runs raises only the errors that fail a node, whatever values it works on."""

from contextlib import suppress
from typing import Any

from flyteidl.core import condition_pb2, literals_pb2, types_pb2
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flytetemporal.errors import MalformedCondition, ResolutionFailed, ValueOffloaded
from flytetemporal.idl import conditions, literals
from tests.fuzz.messages import messages

Literal = literals_pb2.Literal
some = settings(
    max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None
)


def any_message(kind: type[Message]) -> st.SearchStrategy[Any]:
    descriptor: Any = kind.DESCRIPTOR
    return messages(descriptor)


@st.composite
def values(draw: st.DrawFn) -> Literal:
    """Return any literal, often a msgpack value of any bytes."""
    literal = Literal()
    if draw(st.booleans()):
        literal.scalar.binary.CopyFrom(literals_pb2.Binary(value=draw(st.binary(max_size=20)), tag="msgpack"))
    else:
        literal.CopyFrom(draw(any_message(Literal)))
    return literal


@st.composite
def promises(draw: st.DrawFn) -> literals_pb2.BindingData:
    """Return a binding to an output or a part of it, maybe in a list."""
    variable = draw(st.sampled_from(["o0", "[0].o0", f"[{'9' * 5000}].o0", "missing"]))
    steps = draw(st.lists(any_message(types_pb2.PromiseAttribute), max_size=3))
    data = literals_pb2.BindingData(promise={"node_id": "n0", "var": variable, "attr_path": steps})
    for _ in range(draw(st.sampled_from([0, 1, 30, 45]))):
        outer = literals_pb2.BindingData()
        outer.collection.bindings.append(data)
        data = outer
    return data


@some
@given(values(), st.one_of(promises(), any_message(literals_pb2.BindingData)))
def test_any_binding_resolves_or_says_why_not(value: Literal, data: literals_pb2.BindingData) -> None:
    bindings = [literals_pb2.Binding(var="a", binding=data)]

    with suppress(ResolutionFailed, ValueOffloaded):
        resolved = literals.resolve(bindings, lambda _: literals_pb2.LiteralMap(literals={"o0": value}))
        literals.nested_too_deep(bindings, resolved)


@some
@given(any_message(condition_pb2.ComparisonExpression), values(), values(), st.booleans())
def test_any_condition_holds_or_not_or_is_malformed(
    comparison: condition_pb2.ComparisonExpression, left: Literal, right: Literal, variables: bool
) -> None:
    if variables:
        comparison.left_value.var, comparison.right_value.var = "left", "right"
    expression = condition_pb2.BooleanExpression(comparison=comparison)

    with suppress(MalformedCondition):
        conditions.evaluate(expression, {"left": left, "right": right})
