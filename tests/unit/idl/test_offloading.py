from collections.abc import Callable

import pytest
from flyteidl.core import literals_pb2, tasks_pb2, types_pb2

from flytetemporal import errors
from flytetemporal.idl import attribute_paths, literals, offloading

Literal = literals_pb2.Literal
STRING = types_pb2.LiteralType(simple=types_pb2.STRING)
STRUCT = types_pb2.LiteralType(simple=types_pb2.STRUCT)
URI = "s3://store/o0_offloaded_metadata.pb"


def text(value: str) -> Literal:
    return Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(string_value=value)))


def listed(*elements: Literal) -> Literal:
    return Literal(collection=literals_pb2.LiteralCollection(literals=elements))


def mapped(**entries: Literal) -> Literal:
    return Literal(map=literals_pb2.LiteralMap(literals=entries))


def union(value: Literal) -> Literal:
    return Literal(scalar=literals_pb2.Scalar(union=literals_pb2.Union(value=value, type=STRING)))


def itself(value: Literal) -> Literal:
    return value


def deep(value: Literal) -> Literal:
    return listed(text("y"), mapped(k=listed(value)))


def far(uri: str = URI, kind: types_pb2.LiteralType = STRING) -> Literal:
    return offloading.reference(text("x"), uri, kind)


def path(*steps: str | int) -> list[types_pb2.PromiseAttribute]:
    return [
        types_pb2.PromiseAttribute(string_value=step)
        if isinstance(step, str)
        else types_pb2.PromiseAttribute(int_value=step)
        for step in steps
    ]


def test_a_reference_tells_size_type_hash_and_metadata() -> None:
    value = text("x" * 100)
    value.metadata["unit"] = "m"
    value.hash = "known"

    reference = offloading.reference(value, URI, STRING)

    assert reference.offloaded_metadata == literals_pb2.LiteralOffloadedMetadata(
        uri=URI, size_bytes=value.ByteSize(), inferred_type=STRING
    )
    assert (reference.hash, dict(reference.metadata)) == ("known", {"unit": "m"})


def test_a_value_without_a_hash_gets_one_of_its_content() -> None:
    hashes = [offloading.reference(text(value), URI, STRING).hash for value in ("a", "a", "b")]

    assert hashes[0] == hashes[1] != hashes[2]
    assert "=" not in hashes[0]


@pytest.mark.parametrize("holder", [itself, listed, lambda x: mapped(k=x), union, deep])
def test_references_are_found_and_replaced_at_any_depth(holder: Callable[[Literal], Literal]) -> None:
    literal, whole = holder(far()), holder(text("x"))

    assert [found.uri for found in offloading.references([literal])] == [URI]
    offloading.inline(literal, {URI: text("x")})
    assert not list(offloading.references([literal]))
    assert literal.WhichOneof("value") == whole.WhichOneof("value")
    assert text("x").scalar.SerializeToString() in literal.SerializeToString()


def test_the_hash_of_a_reference_stays_with_its_value() -> None:
    literal = far()
    known = literal.hash

    offloading.inline(literal, {URI: text("x")})

    assert literal.scalar == text("x").scalar
    assert literal.hash == known


def test_references_inside_an_offloaded_value_are_replaced_too() -> None:
    literal = far(kind=types_pb2.LiteralType(collection_type=STRING))

    offloading.inline(literal, {URI: listed(far("s3://store/inner")), "s3://store/inner": text("x")})

    assert literal.collection.literals[0].scalar == text("x").scalar


@pytest.mark.parametrize(
    ("kind", "version", "reads"),
    [
        ("FLYTE_SDK", "1.13.14", True), ("FLYTE_SDK", "1.16.0b3", True), ("FLYTE_SDK", "2.0.0", True),
        ("FLYTE_SDK", "1.13.13", False), ("FLYTE_SDK", "1.9.99", False), ("FLYTE_SDK", "0.0.0+develop", False),
        ("FLYTE_SDK", "", False), ("FLYTE_SDK", "1.16", False), ("OTHER", "9.9.9", False),
        ("FLYTE_SDK", f"1.{'9' * 5000}.0", False),
    ],
)  # fmt: skip
def test_flytekit_reads_references_from_1_13_14_on(kind: str, version: str, reads: bool) -> None:
    runtime = tasks_pb2.RuntimeMetadata(type=kind, version=version)
    template = tasks_pb2.TaskTemplate(metadata=tasks_pb2.TaskMetadata(runtime=runtime))

    assert offloading.reads_references(template) == reads


def test_a_raw_container_reads_no_references_whatever_registered_it() -> None:
    runtime = tasks_pb2.RuntimeMetadata(type="FLYTE_SDK", version="1.16.0")
    template = tasks_pb2.TaskTemplate(type="raw-container", metadata=tasks_pb2.TaskMetadata(runtime=runtime))

    assert not offloading.reads_references(template)


def test_a_path_into_an_offloaded_value_asks_for_it_and_then_goes_on() -> None:
    outputs = literals_pb2.LiteralMap(literals={"o0": far(kind=types_pb2.LiteralType(map_value_type=STRING))})
    promise = types_pb2.OutputReference(node_id="n0", var="o0", attr_path=path("k", 1))
    bindings = [literals_pb2.Binding(var="a", binding=literals_pb2.BindingData(promise=promise))]

    with pytest.raises(errors.ValueOffloaded) as missing:
        literals.resolve(bindings, lambda _: outputs)

    assert missing.value.uri == URI
    loaded = {URI: mapped(k=listed(text("a"), text("b")))}
    assert literals.resolve(bindings, lambda _: outputs, {}, loaded).literals["a"] == text("b")


def test_an_index_before_the_name_opens_an_offloaded_list() -> None:
    outputs = literals_pb2.LiteralMap(literals={"o0": far()})
    data = literals_pb2.BindingData(promise=types_pb2.OutputReference(node_id="n0", var="[1].o0"))

    found = literals.resolve_binding(data, lambda _: outputs, {}, {URI: listed(text("a"), text("b"))})

    assert found == text("b")


def test_a_reference_at_the_end_of_a_path_is_passed_on() -> None:
    assert attribute_paths.walk(mapped(k=far()), path("k"), "n0") == far()


def test_a_structure_at_the_end_of_a_path_is_opened_because_it_is_converted() -> None:
    packed = Literal(scalar=literals_pb2.Scalar(binary=literals_pb2.Binary(value=b"\x07", tag="msgpack")))

    with pytest.raises(errors.ValueOffloaded):
        attribute_paths.walk(mapped(k=far(kind=STRUCT)), path("k"), "n0")
    found = attribute_paths.walk(mapped(k=far(kind=STRUCT)), path("k"), "n0", {URI: packed})
    assert found.scalar.primitive.integer == 7
