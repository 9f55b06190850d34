from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from flyteidl.core import literals_pb2
from hypothesis import given
from hypothesis import strategies as st

from flytetemporal.errors import InvalidRequest
from flytetemporal.plugins import command_template

PLACES = command_template.Places(
    data_dir="s3://b/p/n0/data",
    inputs="s3://b/p/n0/data/inputs.pb",
    output_dir="s3://b/p/n0/data/1",
    raw_output_dir="s3://b/raw/ab/e1-n0-1",
    previous_checkpoint_dir="s3://b/raw/cd/e1-n0-0/_flytecheckpoints",
    generated_name="e1-n0-1",
    namespace="p-d",
)
NOTHING = literals_pb2.LiteralMap()
_encode: Callable[..., bytes] = msgpack.dumps


def primitive(**value: Any) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(**value)))


def packed(value: object) -> literals_pb2.Literal:
    binary = literals_pb2.Binary(value=_encode(value), tag="msgpack")
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(binary=binary))


@pytest.mark.parametrize(
    ("argument", "rendered"),
    [
        ("{{.input}}", "s3://b/p/n0/data/inputs.pb"),
        ("{{ .inputPrefix }}", "s3://b/p/n0/data"),
        ("{{$outputPrefix}}", "s3://b/p/n0/data/1"),
        ("{{.RAWOUTPUTDATAPREFIX}}", "s3://b/raw/ab/e1-n0-1"),
        ("{{.checkpointOutputPrefix}}", "s3://b/raw/ab/e1-n0-1/_flytecheckpoints"),
        ("{{.prevCheckpointPrefix}}", "s3://b/raw/cd/e1-n0-0/_flytecheckpoints"),
        ("{{.perRetryUniqueKey}}", "e1_n0_1"),
        ("{{.taskTemplatePath}}", "s3://b/p/n0/data/task.pb"),
        ("--ns={{.namespace}};{{.namespace}}", "--ns=p-d;p-d"),
        ("{{.unknown}} {{ .dest_dir }} {plain}", "{{.unknown}} {{ .dest_dir }} {plain}"),
    ],
)
def test_each_variable_stands_for_its_place(argument: str, rendered: str) -> None:
    assert command_template.render([argument], PLACES, NOTHING) == (rendered,)


def test_no_previous_checkpoint_is_two_quotes() -> None:
    first = command_template.Places("d", "d/inputs.pb", "o", "r", "", "e1-n0-0", "ns")

    assert command_template.render(["{{.prevCheckpointPrefix}}"], first, NOTHING) == ('""',)


def test_inputs_are_left_alone_while_there_are_none() -> None:
    assert command_template.render(["{{.inputs.x}}"], PLACES, NOTHING) == ("{{.inputs.x}}",)


def test_a_missing_input_is_named() -> None:
    inputs = literals_pb2.LiteralMap(literals={"x": primitive(integer=1)})

    with pytest.raises(InvalidRequest, match=r"\[y\]"):
        command_template.render(["{{.inputs.x}}-{{ .Inputs.y }}"], PLACES, inputs)


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        (primitive(integer=-3), "-3"),
        (primitive(float_value=1.0), "1"),
        (primitive(float_value=0.1), "0.1"),
        (primitive(float_value=1e21), "1000000000000000000000"),
        (primitive(float_value=1.5e-7), "0.00000015"),
        (primitive(float_value=float("inf")), "+Inf"),
        (primitive(boolean=True), "true"),
        (primitive(string_value="a b"), "a b"),
        (primitive(datetime={"seconds": 0}), "1970-01-01T00:00:00Z"),
        (primitive(duration={"seconds": 3, "nanos": 4}), "seconds:3 nanos:4"),
        (packed({"b": [1, 2.5, None], "a": True}), "map[a:true b:[1 2.5 <nil>]]"),
        (packed(1e21), "1e+21"),
        (packed(0.00001), "1e-05"),
    ],
)
def test_literals_are_written_as_flyte_writes_them(literal: literals_pb2.Literal, text: str) -> None:
    assert command_template.literal_text(literal) == text


def test_collections_nest() -> None:
    inner = literals_pb2.LiteralCollection(literals=[primitive(integer=1), primitive(string_value="b")])
    outer = literals_pb2.LiteralCollection(literals=[literals_pb2.Literal(collection=inner), primitive(integer=2)])

    assert command_template.literal_text(literals_pb2.Literal(collection=outer)) == "[[1,b],2]"


@pytest.mark.parametrize(
    "literal",
    [
        literals_pb2.Literal(),
        literals_pb2.Literal(map=NOTHING),
        literals_pb2.Literal(scalar=literals_pb2.Scalar(none_type={})),
        literals_pb2.Literal(scalar=literals_pb2.Scalar(binary={"tag": "other"})),
    ],
)
def test_what_has_no_text_is_refused(literal: literals_pb2.Literal) -> None:
    with pytest.raises(InvalidRequest):
        command_template.literal_text(literal)


def test_the_template_file_is_wanted_only_by_its_name() -> None:
    assert command_template.wants_task_template(["x", "--t={{ .TaskTemplatePath }}"])
    assert not command_template.wants_task_template(["{{.input}}"])


@given(st.text(max_size=40))
def test_unique_keys_are_identifiers(name: str) -> None:
    key = command_template.unique_key("a" + name)

    assert key.isascii()
    assert key.isidentifier()


@given(st.lists(st.text(max_size=20)))
def test_rendering_never_changes_the_number_of_arguments(arguments: list[str]) -> None:
    assert len(command_template.render(arguments, PLACES, NOTHING)) == len(arguments)
