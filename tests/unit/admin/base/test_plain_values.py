from datetime import UTC, datetime
from typing import Any

import pytest
from flyteidl.core import interface_pb2, literals_pb2, types_pb2
from google.protobuf import json_format

from flytetemporal.admin.base import plain_values
from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import types

LiteralType = types_pb2.LiteralType


def simple(name: str) -> types_pb2.LiteralType:
    return LiteralType(simple=name)


INTEGERS = LiteralType(collection_type=simple("INTEGER"))
ENUM = LiteralType(enum_type=types_pb2.EnumType(values=["RED", "BLUE"]))
OPTIONAL = LiteralType(union_type=types_pb2.UnionType(variants=[simple("INTEGER"), simple("NONE")]))
FILE = LiteralType(blob=types_pb2.BlobType(format="csv"))
DATASET = LiteralType(structured_dataset_type=types_pb2.StructuredDatasetType(format="parquet"))
SCHEMA = LiteralType(schema=types_pb2.SchemaType())


def literal(text: str, wanted: types_pb2.LiteralType) -> literals_pb2.Literal:
    variables = interface_pb2.VariableMap(variables={"o0": interface_pb2.Variable(type=wanted)})
    return plain_values.literal_map(f'{{"o0": {text}}}', variables, "the outputs").literals["o0"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("3", simple("INTEGER")), ("3.0", simple("INTEGER")), ("3", simple("FLOAT")), ("true", simple("BOOLEAN")),
        ('"x"', simple("STRING")), ('"1h30m"', simple("DURATION")), ('"2026-01-02T12:00:00Z"', simple("DATETIME")),
        ('"2026-01-02T12:00:00"', simple("DATETIME")), ("null", simple("NONE")), ('{"a": [1]}', simple("STRUCT")),
        ("[1, 2]", INTEGERS), ("[]", INTEGERS), ('{"a": 1}', LiteralType(map_value_type=simple("INTEGER"))),
        ('"RED"', ENUM), ("null", OPTIONAL), ("1", OPTIONAL), ('"s3://b/k.csv"', FILE), ('"s3://b/k"', DATASET),
        ('"s3://b/k"', SCHEMA),
    ],
)  # fmt: skip
def test_a_plain_value_has_the_type_that_is_wanted(text: str, wanted: types_pb2.LiteralType) -> None:
    assert types.castable(types.infer(literal(text, wanted)), wanted)


def test_a_time_without_a_zone_is_utc() -> None:
    found = literal('"2026-01-02T12:00:00"', simple("DATETIME")).scalar.primitive.datetime

    assert found.ToDatetime(UTC) == datetime(2026, 1, 2, 12, tzinfo=UTC)


def test_a_union_takes_the_first_variant_that_fits() -> None:
    found = literal("1", OPTIONAL).scalar.union

    assert (found.type, found.value.scalar.primitive.integer) == (simple("INTEGER"), 1)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('"3"', simple("INTEGER")), ("true", simple("INTEGER")), ("3.5", simple("INTEGER")),
        ("9223372036854775808", simple("INTEGER")), ("Infinity", simple("INTEGER")), ("NaN", simple("INTEGER")),
        ("1", simple("BOOLEAN")), ("1", simple("STRING")), ('"soon"', simple("DATETIME")),
        ('"long"', simple("DURATION")), ("0", simple("NONE")), ("[]", simple("STRUCT")), ("1", INTEGERS),
        ('["x"]', INTEGERS), ("[1]", LiteralType(map_value_type=simple("INTEGER"))), ('"GREEN"', ENUM),
        ('{"a": "x"}', LiteralType(map_value_type=simple("INTEGER"))), ('"x"', OPTIONAL), ("1", FILE),
        ("1", DATASET), ("1", SCHEMA), ('"x"', simple("BINARY")), ("1", LiteralType()),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused_by_name(text: str, wanted: types_pb2.LiteralType) -> None:
    with pytest.raises(InvalidRequest, match="the outputs: o0 is no "):
        literal(text, wanted)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000])
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="the outputs are not JSON"):
        plain_values.literal_map(text, interface_pb2.VariableMap(), "the outputs")


@pytest.mark.parametrize("text", ["[]", "1", "null"])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="not a JSON object"):
        plain_values.literal_map(text, interface_pb2.VariableMap(), "the outputs")


def test_a_structure_keeps_its_values() -> None:
    value: Any = {"a": 1.0, "b": [True, None, "x"]}

    assert (
        json_format.MessageToDict(literal('{"a": 1, "b": [true, null, "x"]}', simple("STRUCT")).scalar.generic) == value
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1" * 400, simple("FLOAT")),
        (f'{{"a": {"1" * 400}}}', simple("STRUCT")),
        ('{"a": NaN}', simple("STRUCT")),
        ('{"a": 1e999}', simple("STRUCT")),
        (f'{{"a": {"[" * 70}{"]" * 70}}}', simple("STRUCT")),
        ('"0001-01-01T00:00:00+23:00"', simple("DATETIME")),
        (r'"\ud800"', simple("STRING")),
        (r'{"\ud800": 1}', LiteralType(map_value_type=simple("INTEGER"))),
    ],
    ids=["large", "large inside", "NaN", "infinite", "deep", "before the year 1", "half a character", "half a key"],
)
def test_what_no_message_can_hold_is_refused(text: str, wanted: types_pb2.LiteralType) -> None:
    with pytest.raises(InvalidRequest):
        literal(text, wanted)
