"""Plain values become literals of the expected types, and what does not fit is named."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flyteidl.core import literals_pb2, types_pb2
from google.protobuf import json_format

from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.views import input_values

LiteralType = types_pb2.LiteralType
INT, STR = LiteralType(simple=types_pb2.INTEGER), LiteralType(simple=types_pb2.STRING)
NONE = LiteralType(simple=types_pb2.NONE)
OPTIONAL = LiteralType(union_type=types_pb2.UnionType(variants=[INT, NONE]))
COLOUR = LiteralType(enum_type=types_pb2.EnumType(values=["red", "blue"]))
FILE = LiteralType(blob=types_pb2.BlobType())


def literal(value: object, wanted: LiteralType) -> literals_pb2.Literal:
    return input_values.literals({"a": value}, {"a": wanted}).literals["a"]


def simple(kind: types_pb2.SimpleType) -> LiteralType:
    return LiteralType(simple=kind)


def test_simple_values_have_the_expected_type() -> None:
    assert literal(5, INT).scalar.primitive.integer == 5
    assert literal(5, simple(types_pb2.FLOAT)).scalar.primitive.float_value == 5.0
    assert literal("five", STR).scalar.primitive.string_value == "five"
    assert literal(False, simple(types_pb2.BOOLEAN)).scalar.primitive.WhichOneof("value") == "boolean"
    assert literal("red", COLOUR).scalar.primitive.string_value == "red"
    assert literal("s3://b/f", FILE).scalar.blob.uri == "s3://b/f"
    struct = literal({"x": [1, "y"]}, simple(types_pb2.STRUCT)).scalar.generic
    assert json_format.MessageToDict(struct) == {"x": [1, "y"]}


def test_times_are_read_as_yaml_and_json_write_them() -> None:
    day = datetime(2026, 1, 2, tzinfo=UTC)
    when = simple(types_pb2.DATETIME)

    assert literal(day, when) == literal("2026-01-02T00:00:00", when) == literal("2026-01-02T01:00:00+01:00", when)
    wanted = simple(types_pb2.DURATION)
    assert literal(90, wanted) == literal("1m30s", wanted)
    assert literal(90, wanted).scalar.primitive.duration.ToTimedelta() == timedelta(seconds=90)


def test_lists_maps_and_unions_are_built_from_their_parts() -> None:
    rows = literal([[1], []], LiteralType(collection_type=LiteralType(collection_type=INT)))
    assert rows.collection.literals[0].collection.literals[0].scalar.primitive.integer == 1
    assert literal({"x": 1}, LiteralType(map_value_type=INT)).map.literals["x"].scalar.primitive.integer == 1
    assert literal(5, OPTIONAL).scalar.union.type == INT
    assert literal(None, OPTIONAL).scalar.union.value.scalar.HasField("none_type")


@pytest.mark.parametrize(
    ("value", "wanted", "text"),
    [
        ("five", INT, 'input a is "five", which is no integer'),
        (True, INT, "input a is true, which is no integer"),
        (2**63, INT, "which is no integer"),
        (5, STR, "input a is 5, which is no string"),
        ("green", COLOUR, "which is no member of the enum red, blue"),
        ([1, "x"], LiteralType(collection_type=INT), "which is no integer"),
        (1, LiteralType(collection_type=INT), "input a is 1, which is no list"),
        ("x", OPTIONAL, "which is no value of any of its types"),
        ("soon", simple(types_pb2.DATETIME), "which is no datetime"),
        ("soon", simple(types_pb2.DURATION), "which is no duration"),
        (5, FILE, "which is no URI of a file or folder"),
        ("x", LiteralType(schema=types_pb2.SchemaType()), "write its literal"),
    ],
)
def test_a_value_of_another_type_is_refused(value: object, wanted: LiteralType, text: str) -> None:
    with pytest.raises(CommandError, match=text):
        literal(value, wanted)


def test_an_unknown_input_is_refused_with_the_known_ones() -> None:
    with pytest.raises(CommandError, match="there is no input b; the inputs are a"):
        input_values.literals({"b": 1}, {"a": INT})


def test_literals_are_taken_as_the_http_api_shows_them() -> None:
    given = {"literals": {"a": {"scalar": {"primitive": {"integer": "5"}}}}}

    assert input_values.literals(given, {"a": INT}) == input_values.literals({"a": 5}, {"a": INT})
    with pytest.raises(CommandError, match="the literals cannot be read"):
        input_values.literals({"literals": {"a": {"scale": 1}}}, {"a": INT})


def test_files_are_json_or_yaml(tmp_path: Path) -> None:
    (tmp_path / "inputs.json").write_text('{"a": 1, "b": ["x"]}')
    (tmp_path / "inputs.yaml").write_text("a: 1\nb: [x]\n")
    (tmp_path / "list.yaml").write_text("- a\n")

    assert input_values.read(tmp_path / "inputs.json") == input_values.read(tmp_path / "inputs.yaml")
    with pytest.raises(CommandError, match="has no inputs"):
        input_values.read(tmp_path / "list.yaml")
    with pytest.raises(CommandError, match="cannot read the inputs of"):
        input_values.read(tmp_path / "missing.yaml")
