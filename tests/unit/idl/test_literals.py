import pytest
from flyteidl.core import literals_pb2
from hypothesis import given

from flytetemporal import errors
from flytetemporal.idl import literals
from tests import strategies
from tests.fixtures import templates

ONE = literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=1)))
TWO = literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=2)))
LIST = literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=[ONE, TWO]))


def outputs(node_id: str) -> literals_pb2.LiteralMap:
    known = {"n0": literals_pb2.LiteralMap(literals={"o0": ONE, "list": LIST})}
    return known.get(node_id, literals_pb2.LiteralMap())


def resolve(data: literals_pb2.BindingData, **aliases: str) -> literals_pb2.Literal:
    bindings = [literals_pb2.Binding(var="x", binding=data)]
    return literals.resolve(bindings, outputs, {"n0": aliases}).literals["x"]


def as_binding(literal: literals_pb2.Literal) -> literals_pb2.BindingData:
    match literal.WhichOneof("value"):
        case "collection":
            elements = [as_binding(element) for element in literal.collection.literals]
            return literals_pb2.BindingData(collection=literals_pb2.BindingDataCollection(bindings=elements))
        case "map":
            entries = {key: as_binding(element) for key, element in literal.map.literals.items()}
            return literals_pb2.BindingData(map=literals_pb2.BindingDataMap(bindings=entries))
        case _:
            return literals_pb2.BindingData(scalar=literal.scalar)


@given(strategies.literal_maps)
def test_a_constant_resolves_to_itself_at_any_depth(values: literals_pb2.LiteralMap) -> None:
    bindings = [literals_pb2.Binding(var=name, binding=as_binding(value)) for name, value in values.literals.items()]

    assert literals.resolve(bindings, outputs) == values


@given(strategies.literal_maps)
def test_a_promise_resolves_to_the_output_it_names(values: literals_pb2.LiteralMap) -> None:
    bindings = [literals_pb2.Binding(var=name, binding=templates.promise("n0", name)) for name in values.literals]

    assert literals.resolve(bindings, lambda _: values) == values


def test_promises_are_found_at_any_depth() -> None:
    inner = literals_pb2.BindingData(
        collection=literals_pb2.BindingDataCollection(bindings=[templates.promise("n0", "a")])
    )
    data = literals_pb2.BindingData(
        map=literals_pb2.BindingDataMap(bindings={"z": inner, "b": templates.promise("n1", "b")})
    )

    assert [reference.node_id for reference in literals.promises(data)] == ["n1", "n0"]


def test_an_index_selects_an_element() -> None:
    assert resolve(templates.promise("n0", "[1].list")) == TWO


def test_an_alias_names_the_variable_behind_it() -> None:
    assert resolve(templates.promise("n0", "renamed"), renamed="o0") == ONE


def test_a_binding_without_a_value_is_a_literal_without_a_value() -> None:
    assert resolve(literals_pb2.BindingData()) == literals_pb2.Literal()


@pytest.mark.parametrize(
    ("node_id", "variable", "text"),
    [
        ("n0", "zz", "failed at Node[n0]. OutputsNotFoundError: Failed to find [n0].[zz]"),
        ("n1", "o0", "failed at Node[n1]. OutputsNotFoundError: Failed to find [n1].[o0]"),
        ("n0", "[7].list", "OutputsNotFoundError: Failed to find [n0].[[7].list]"),
        ("n0", "[0].o0", "BadSpecificationError: [n0].[[0].o0] does not name a collection"),
        ("", "o0", "BadSpecificationError"),
    ],
)
def test_a_promise_of_what_is_not_there_names_the_binding_and_the_cause(node_id: str, variable: str, text: str) -> None:
    with pytest.raises(errors.ResolutionFailed) as failure:
        resolve(templates.promise(node_id, variable))

    assert failure.value.message.startswith("BindingResolutionError: Error binding Var [wf].[x]")
    assert text in failure.value.message


def test_a_map_is_small_up_to_the_limit() -> None:
    values = outputs("n0")

    assert literals.is_small(values, values.ByteSize())
    assert not literals.is_small(values, values.ByteSize() - 1)


def test_an_offloaded_binding_is_handed_on() -> None:
    offloaded = literals_pb2.LiteralOffloadedMetadata(uri="s3://b/x", inferred_type=templates.INT)

    assert resolve(literals_pb2.BindingData(offloaded_metadata=offloaded)).offloaded_metadata == offloaded
