import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from flyteidl.core import literals_pb2, types_pb2
from google.protobuf import struct_pb2

from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import times
from flytetemporal.plugins.copilot import conversions
from flytetemporal.plugins.copilot.conversions import Format

MOMENT = times.timestamp(datetime(2024, 1, 2, 3, 4, 5, 600000, tzinfo=UTC))
GENERIC = struct_pb2.Struct()
GENERIC.update({"a": [1, "x"]})


def primitive(**value: Any) -> literals_pb2.Scalar:
    return literals_pb2.Scalar(primitive=literals_pb2.Primitive(**value))


SCALARS: list[tuple[literals_pb2.Scalar, bytes, object]] = [
    (primitive(integer=-5), b"-5", -5),
    (primitive(float_value=1e21), b"1000000000000000000000", 1e21),
    (primitive(float_value=0.5), b"0.5", 0.5),
    (primitive(float_value=float("inf")), b"+Inf", "+Inf"),
    (primitive(boolean=True), b"true", True),
    (primitive(string_value="so\n"), b"so\n", "so\n"),
    (primitive(datetime=MOMENT), b"2024-01-02T03:04:05.600Z", "2024-01-02T03:04:05.600Z"),
    (primitive(duration=times.duration(timedelta(hours=1, seconds=1.5))), b"1h0m1.5s", "1h0m1.5s"),
    (primitive(), b"null", None),
    (literals_pb2.Scalar(none_type=literals_pb2.Void()), b"null", None),
    (literals_pb2.Scalar(binary=literals_pb2.Binary(value=b"\xff")), b"\xff", "/w=="),
    (literals_pb2.Scalar(generic=GENERIC), b'{"a": [1.0, "x"]}', {"a": [1.0, "x"]}),
    (literals_pb2.Scalar(error=types_pb2.Error(message="oh")), b"oh", "oh"),
]


@pytest.mark.parametrize(("scalar", "content", "value"), SCALARS)
def test_a_scalar_has_a_file_and_a_place_in_the_document(
    scalar: literals_pb2.Scalar, content: bytes, value: object
) -> None:
    assert conversions.file_content(scalar) == content
    assert conversions.document_value(scalar) == value


def test_data_in_the_store_has_no_content_of_its_own() -> None:
    with pytest.raises(InvalidRequest, match="blob"):
        conversions.file_content(literals_pb2.Scalar(blob=literals_pb2.Blob(uri="s3://b/k")))


def test_the_document_has_the_format_that_was_asked_for() -> None:
    values = {"b": [1, None], "a": "ä"}

    as_json, as_yaml = (conversions.document(values, form) for form in (Format.JSON, Format.YAML))

    assert as_json is not None
    assert as_json[0] == "inputs.json"
    assert json.loads(as_json[1]) == values
    assert as_yaml is not None
    assert as_yaml[0] == "inputs.yaml"
    assert yaml.safe_load(as_yaml[1]) == values
    assert conversions.document(values, Format.PROTO) is None


def simple(kind: types_pb2.SimpleType) -> types_pb2.LiteralType:
    return types_pb2.LiteralType(simple=kind)


@pytest.mark.parametrize(
    ("kind", "text", "scalar"),
    [
        (types_pb2.INTEGER, "\t42\n", primitive(integer=42)),
        (types_pb2.INTEGER, "-9223372036854775808", primitive(integer=-(2**63))),
        (types_pb2.FLOAT, "1e3", primitive(float_value=1000.0)),
        (types_pb2.STRING, " two words\n", primitive(string_value="two words")),
        (types_pb2.BOOLEAN, "T", primitive(boolean=True)),
        (types_pb2.BOOLEAN, "False", primitive(boolean=False)),
        (types_pb2.DATETIME, "2024-01-02T04:04:05.6+01:00", primitive(datetime=MOMENT)),
        (types_pb2.DATETIME, "2024-01-02 03:04:05.600000", primitive(datetime=MOMENT)),
        (types_pb2.DURATION, "1h30m", primitive(duration=times.duration(timedelta(hours=1.5)))),
        (types_pb2.DURATION, "2 days, 3:00:01.5", primitive(duration=times.duration(timedelta(2, 10801, 500000)))),
        (types_pb2.DURATION, "-1 day, 0:00:00", primitive(duration=times.duration(timedelta(-1)))),
        (types_pb2.STRUCT, '{"a": [1, "x"]}', literals_pb2.Scalar(generic=GENERIC)),
        (types_pb2.BINARY, "raw\n", literals_pb2.Scalar(binary=literals_pb2.Binary(value=b"raw"))),
        (types_pb2.NONE, "anything", literals_pb2.Scalar(none_type=literals_pb2.Void())),
        (types_pb2.ERROR, "oh", literals_pb2.Scalar(error=types_pb2.Error(message="oh"))),
    ],
)
def test_a_text_is_read_by_the_declared_type(
    kind: types_pb2.SimpleType, text: str, scalar: literals_pb2.Scalar
) -> None:
    assert conversions.literal(simple(kind), text.encode()) == literals_pb2.Literal(scalar=scalar)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (types_pb2.INTEGER, "4.0"),
        (types_pb2.INTEGER, "9223372036854775808"),
        (types_pb2.INTEGER, "1_000"),
        (types_pb2.FLOAT, "1_0"),
        (types_pb2.FLOAT, "x" * 500),
        (types_pb2.BOOLEAN, "yes"),
        (types_pb2.DATETIME, "tomorrow"),
        (types_pb2.DURATION, "90"),
        (types_pb2.DURATION, "99999999999 days, 0:00:00"),
        (types_pb2.STRUCT, "[1]"),
    ],
)
def test_a_text_of_another_type_is_refused_by_its_beginning(kind: types_pb2.SimpleType, text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        conversions.literal(simple(kind), text.encode())

    assert f"[{text[:80]}" in caught.value.message
    assert len(caught.value.message) < 200


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="UTF-8"):
        conversions.literal(simple(types_pb2.STRING), b"\xff")


def test_an_enum_takes_its_own_values_only() -> None:
    kind = types_pb2.LiteralType(enum_type=types_pb2.EnumType(values=["red", "blue"]))

    assert conversions.literal(kind, b"red\n") == literals_pb2.Literal(scalar=primitive(string_value="red"))
    with pytest.raises(InvalidRequest, match="red, blue"):
        conversions.literal(kind, b"green")
