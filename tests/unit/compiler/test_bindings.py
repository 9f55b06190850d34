import pytest
from flyteidl.core import literals_pb2, workflow_pb2

from tests.fixtures import templates as t

X = t.const(1)


def on(ref: str, data: literals_pb2.BindingData) -> list[workflow_pb2.Node]:
    """Return nodes of every type, and ``n0`` of type ``ref`` with ``data`` bound."""
    earlier = [
        t.node("list", [t.bind("x", t.listed())], ref="list"),
        t.node("record", [t.bind("x", t.promise("", "record"))], ref="record"),
    ]
    return [*earlier, t.node("n0", [t.bind("x", data)], ref=ref)]


@pytest.mark.parametrize(
    ("ref", "data", "expected"),
    [
        ("list", t.mapped(a=X), ["MismatchingBindings n0"]),
        ("map", t.listed(X), ["MismatchingBindings n0"]),
        ("str", t.listed(X), ["MismatchingBindings n0"]),
        ("str", t.BindingData(), ["MismatchingBindings n0"]),
        ("list", t.listed(X, t.const("s")), ["MismatchingTypes n0"]),
        ("map", t.mapped(a=t.const("s")), ["MismatchingTypes n0"]),
        ("list", t.listed(t.promise("nx", "o0")), ["NodeReferenceNotFound nx", "ParameterNotBound n0"]),
        ("str", t.promise("list", "bad name"), ["SyntaxError n0"]),
        ("str", t.promise("record", "[0].o0"), ["MismatchingTypes n0", "MismatchingTypes record"]),
        ("str", t.promise("record", "o0", "zz"), ["FieldNotFound n0"]),
        ("enum", t.const("blue"), ["IllegalEnumValue n0"]),
        ("lists", t.listed(), ["AmbiguousBindingUnionValue n0"]),
        ("lists", t.mapped(a=X), ["IncompatibleBindingUnionValue n0"]),
        ("str", t.BindingData(scalar=literals_pb2.Scalar()), ["UnrecognizedValue n0"]),
        ("optional", t.const("s"), ["MismatchingTypes n0"]),
    ],
)
def test_a_binding_that_does_not_fit_is_a_problem(
    ref: str, data: literals_pb2.BindingData, expected: list[str]
) -> None:
    assert t.problems(t.workflow(nodes=on(ref, data), inputs={"a": t.INT, "record": t.RECORD})) == expected


@pytest.mark.parametrize(
    ("ref", "data"),
    [
        ("list", t.listed()),
        ("map", t.mapped()),
        ("list", t.listed(X, t.promise("list", "[1].o0"), t.promise("list", "o0", 1))),
        ("list", t.promise("record", "o0", "xs")),
        ("list", t.listed(t.promise("record", "o0", "x"), t.promise("record", "o0", "xs", 0))),
        ("enum", t.const("red")),
        ("optional", t.const(None)),
        ("optional", X),
        ("lists", t.listed(t.const("s"))),
        ("map", t.mapped(a=t.promise("", "a"))),
    ],
)
def test_a_binding_that_fits_is_accepted(ref: str, data: literals_pb2.BindingData) -> None:
    assert t.compiles(t.workflow(nodes=on(ref, data), inputs={"a": t.INT, "record": t.RECORD}))


def test_an_optional_input_may_stay_unbound() -> None:
    assert t.compiles(t.workflow(nodes=[t.node("n0", [], ref="optional")]))


def test_a_binding_without_data_is_a_problem() -> None:
    assert t.problems(t.workflow(nodes=[t.node(inputs=[literals_pb2.Binding(var="a")])])) == ["ValueRequired n0"]
