from datetime import UTC, datetime, timedelta

import pytest
from flyteidl.core import literals_pb2
from google.protobuf import struct_pb2

from flytetemporal.cli.views import literal_text
from flytetemporal.idl import times

Literal, Scalar, Primitive = literals_pb2.Literal, literals_pb2.Scalar, literals_pb2.Primitive


def scalar(**value: object) -> literals_pb2.Literal:
    return Literal(scalar=Scalar(**value))  # type: ignore[arg-type]


def primitive(**value: object) -> literals_pb2.Literal:
    return scalar(primitive=Primitive(**value))  # type: ignore[arg-type]


ONE = primitive(integer=1)


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        (primitive(integer=-3), "-3"),
        (primitive(float_value=0.5), "0.5"),
        (primitive(boolean=True), "true"),
        (primitive(string_value='say "hi"'), '"say \\"hi\\""'),
        (primitive(datetime=times.timestamp(datetime(2026, 1, 2, tzinfo=UTC))), "2026-01-02T00:00:00+00:00"),
        (primitive(duration=times.duration(timedelta(minutes=5, seconds=12))), "5m12s"),
        (scalar(none_type=literals_pb2.Void()), "None"),
        (scalar(blob=literals_pb2.Blob(uri="s3://b/file")), "s3://b/file"),
        (scalar(structured_dataset=literals_pb2.StructuredDataset(uri="s3://b/frame")), "s3://b/frame"),
        (scalar(union=literals_pb2.Union(value=ONE)), "1"),
        (scalar(generic=struct_pb2.Struct(fields={"a": struct_pb2.Value(bool_value=True)})), '{"a": true}'),
        (scalar(binary=literals_pb2.Binary(value=b"\x81\xa1a\x01", tag="msgpack")), '{"a": 1}'),
        (Literal(collection=literals_pb2.LiteralCollection(literals=[ONE, ONE])), "[1, 1]"),
        (Literal(map=literals_pb2.LiteralMap(literals={"b": ONE, "a": ONE})), '{"a": 1, "b": 1}'),
        (
            Literal(offloaded_metadata=literals_pb2.LiteralOffloadedMetadata(uri="s3://b/large", size_bytes=9)),
            "s3://b/large (9 bytes)",
        ),
        (Literal(), "nothing"),
    ],
)
def test_a_value_is_shown_as_a_programmer_would_write_it(literal: literals_pb2.Literal, text: str) -> None:
    assert literal_text.short(literal) == text


@pytest.mark.parametrize("encoded", [b"\xc1", b"\x81", b"\xdf\xff\xff\xff\xff", b"\x91" * 5000])
def test_bytes_that_are_not_what_their_tag_says_are_counted(encoded: bytes) -> None:
    assert "bytes of msgpack" in literal_text.short(scalar(binary=literals_pb2.Binary(value=encoded, tag="msgpack")))


def test_long_values_are_cut() -> None:
    many = Literal(collection=literals_pb2.LiteralCollection(literals=[ONE] * 10_000))

    for literal in (many, primitive(string_value="x" * 10_000)):
        text = literal_text.short(literal)
        assert len(text) == literal_text.LIMIT_CHARACTERS
        assert text.endswith("…")


def test_deep_values_are_cut() -> None:
    literal = ONE
    for _ in range(20):
        literal = Literal(collection=literals_pb2.LiteralCollection(literals=[literal]))

    assert literal_text.short(literal) == "[[[[[[[[…]]]]]]]]"
