from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from flyteidl.core import literals_pb2, types_pb2
from google.protobuf import struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from flytetemporal import errors
from flytetemporal.idl import attribute_paths
from tests import strategies

Literal = literals_pb2.Literal

pack: Callable[[object], bytes] = msgpack.dumps
unpack: Callable[[bytes], object] = msgpack.loads


def packed(value: object) -> Literal:
    binary = literals_pb2.Binary(value=pack(value), tag="msgpack")
    return Literal(scalar=literals_pb2.Scalar(binary=binary))


def generic(value: dict[str, Any]) -> Literal:
    struct = struct_pb2.Struct()
    struct.update(value)
    return Literal(scalar=literals_pb2.Scalar(generic=struct))


def primitive(**value: Any) -> Literal:
    return Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(**value)))


def listed(*elements: Literal) -> Literal:
    return Literal(collection=literals_pb2.LiteralCollection(literals=elements))


def mapped(**entries: Literal) -> Literal:
    return Literal(map=literals_pb2.LiteralMap(literals=entries))


def walk(literal: Literal, *steps: str | int) -> Literal:
    path = [
        types_pb2.PromiseAttribute(string_value=step)
        if isinstance(step, str)
        else types_pb2.PromiseAttribute(int_value=step)
        for step in steps
    ]
    return attribute_paths.walk(literal, path, "n0")


DATA = {"s": "text", "i": 3, "f": 1.5, "b": True, "none": None, "list": [{"x": 1}, 2], "map": {"y": [5]}}


@pytest.mark.parametrize(
    ("literal", "steps", "expected"),
    [
        (mapped(a=listed(primitive(integer=1))), ("a", 0), primitive(integer=1)),
        (packed(DATA), ("s",), primitive(string_value="text")),
        (packed(DATA), ("i",), primitive(integer=3)),
        (packed(DATA), ("f",), primitive(float_value=1.5)),
        (packed(DATA), ("b",), primitive(boolean=True)),
        (packed(DATA), ("none",), packed(None)),
        (packed(DATA), ("map",), packed({"y": [5]})),
        (packed(DATA), ("map", "y", 0), primitive(integer=5)),
        (packed(DATA), ("list",), listed(packed({"x": 1}), packed(2))),
        (packed(DATA), ("list", 0, "x"), primitive(integer=1)),
        (listed(packed(DATA)), (0, "i"), primitive(integer=3)),
        (listed(packed({"a": 1})), (0,), packed({"a": 1})),
        (generic(DATA), ("s",), primitive(string_value="text")),
        (generic(DATA), ("i",), primitive(float_value=3)),
        (generic(DATA), ("b",), primitive(boolean=True)),
        (generic(DATA), ("none",), Literal()),
        (generic(DATA), ("map",), generic({"y": [5]})),
        (generic(DATA), ("list",), listed(generic({"x": 1}), primitive(float_value=2))),
        (generic(DATA), ("list", 0, "x"), primitive(float_value=1)),
        (generic(DATA), ("s", "left", "over"), primitive(string_value="text")),
        (primitive(integer=1), ("left", "over"), primitive(integer=1)),
    ],
)
def test_a_path_leads_to_its_value(literal: Literal, steps: tuple[str | int, ...], expected: Literal) -> None:
    assert walk(literal, *steps) == expected


@pytest.mark.parametrize(
    ("literal", "steps", "text"),
    [
        (mapped(a=primitive(integer=1)), ("b",), "key [b] does not exist"),
        (listed(primitive(integer=1)), (1,), "index [1] is out of range"),
        (listed(primitive(integer=1)), (-1,), "index [-1] is out of range"),
        (listed(primitive(integer=1)), ("a",), "a list has no key [a]"),
        (packed(DATA), ("zz",), "key [zz] does not exist"),
        (packed(DATA), (0,), "a map has no index [0]"),
        (packed(DATA), ("list", 9), "index [9] is out of range"),
        (packed(DATA), ("list", "x"), "a list has no key [x]"),
        (packed(DATA), ("s", "more"), "a str has no attributes"),
        (packed({1: "int keys only"}), ("1",), "key [1] does not exist"),
        (generic(DATA), ("zz",), "key [zz] does not exist"),
        (generic(DATA), ("list", 9), "index [9] is out of range"),
        (generic(DATA), (0,), "an object has no index [0]"),
        (Literal(scalar=literals_pb2.Scalar(binary=literals_pb2.Binary(tag="pickle"))), ("a",), "tagged [pickle]"),
        (
            Literal(scalar=literals_pb2.Scalar(binary=literals_pb2.Binary(value=b"\xc1", tag="msgpack"))),
            ("a",),
            "cannot be decoded",
        ),
        (
            Literal(scalar=literals_pb2.Scalar(binary=literals_pb2.Binary(value=b"\x81\x91\x01\x02", tag="msgpack"))),
            ("a",),
            "cannot be decoded: unhashable type: 'list'",
        ),
        (
            Literal(scalar=literals_pb2.Scalar(binary=literals_pb2.Binary(value=b"\x91" * 5000, tag="msgpack"))),
            ("a",),
            "cannot be decoded",
        ),
    ],
)
def test_a_path_that_leads_nowhere_says_why(literal: Literal, steps: tuple[str | int, ...], text: str) -> None:
    with pytest.raises(errors.ResolutionFailed) as failure:
        walk(literal, *steps)

    assert failure.value.message.startswith("failed at Node[n0]. PromiseAttributeResolveError: ")
    assert text in failure.value.message


def test_an_integer_beyond_64_bits_is_no_primitive() -> None:
    with pytest.raises(errors.ResolutionFailed, match="InvalidPrimitiveType"):
        walk(packed({"big": 2**64 - 1}), "big")


@given(st.dictionaries(st.text(), strategies.json_values, min_size=1))
def test_any_packed_value_comes_back_whole(data: dict[str, Any]) -> None:
    for key, value in data.items():
        found = walk(packed(data), key)

        assert _unpacked(found) == value


def _unpacked(literal: Literal) -> object:
    if literal.HasField("collection"):
        return [_unpacked(element) for element in literal.collection.literals]
    if literal.scalar.HasField("binary"):
        return unpack(literal.scalar.binary.value)
    return getattr(literal.scalar.primitive, literal.scalar.primitive.WhichOneof("value") or "")
