import gzip

import pytest
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import literals_pb2
from google.protobuf import struct_pb2, timestamp_pb2
from google.protobuf.message import Message

from flytetemporal.contracts import packing
from flytetemporal.contracts.masking import Masker
from flytetemporal.contracts.v1 import continuation_pb2, execution_pb2
from flytetemporal.errors import ValueTooLarge

KEY = b"0123456789abcdef"
SECRET = "a name that is a secret"


def primitive(**value: object) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(**value)))  # type: ignore[arg-type]


def masked(message: Message, *, numbers: bool = True, kept: tuple[str, ...] = ()) -> Message:
    copied = type(message).FromString(message.SerializeToString())
    Masker(KEY, numbers=numbers, kept=kept).mask(copied)
    return copied


TEXT = primitive(string_value=SECRET)
STRUCT = struct_pb2.Struct(fields={"key": struct_pb2.Value(string_value=SECRET)})


@pytest.mark.parametrize(
    "message",
    [
        TEXT,
        literals_pb2.LiteralMap(literals={"a": TEXT}),
        literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=[TEXT, TEXT])),
        literals_pb2.Literal(hash=SECRET),
        literals_pb2.Scalar(generic=STRUCT),
        literals_pb2.Binary(value=SECRET.encode()),
        literals_pb2.Binary(value=packing.encode({"a": [SECRET, SECRET.encode()]}), tag="msgpack"),
        literals_pb2.Binary(value=b"\xc1" + SECRET.encode(), tag="msgpack"),
        core_execution_pb2.ExecutionError(message=SECRET),
        literals_pb2.KeyValuePair(key="VARIABLE", value=SECRET),
        execution_pb2.TaskAttemptResult(failure={"error": {"message": SECRET}}),
        execution_pb2.CaseChoice(malformed=SECRET),
        literals_pb2.Scalar(union=literals_pb2.Union(value=TEXT)),
    ],
)
def test_a_text_is_replaced_by_one_of_the_same_size(message: Message) -> None:
    found = masked(message)

    assert SECRET.encode() in message.SerializeToString()
    assert SECRET.encode() not in found.SerializeToString()
    assert found.ByteSize() == message.ByteSize()


def test_the_state_that_a_run_hands_on_is_masked_inside() -> None:
    outputs = continuation_pb2.EndedNodeOutputs(node_id="n0", literals={"literals": {"a": TEXT}})
    state = continuation_pb2.RunState(levels=[continuation_pb2.LevelState(outputs=[outputs])])
    argument = execution_pb2.ExecutionInput(inline_state=gzip.compress(state.SerializeToString()))

    found = masked(argument)

    assert isinstance(found, execution_pb2.ExecutionInput)
    kept = continuation_pb2.RunState.FromString(gzip.decompress(found.inline_state))
    assert kept.levels[0].outputs[0].node_id == "n0"
    assert SECRET not in str(kept)


@pytest.mark.parametrize(
    "literal",
    [
        *(primitive(integer=number) for number in (0, 1, 127, 128, 5_000_000_000, 2**62, -1, -(2**63))),
        primitive(float_value=0.25),
        primitive(boolean=False),
        primitive(datetime=timestamp_pb2.Timestamp(seconds=1_790_000_000, nanos=123_456_789)),
    ],
)
def test_numbers_are_replaced_unless_branches_need_them(literal: literals_pb2.Literal) -> None:
    assert masked(literal).ByteSize() == literal.ByteSize()
    assert masked(literal, numbers=False) == literal


def test_numbers_are_different_afterwards() -> None:
    for literal in (primitive(integer=5_000_000_000), primitive(boolean=False), primitive(float_value=0.25)):
        assert masked(literal) != literal


def test_equal_texts_stay_equal_and_different_ones_different() -> None:
    masker = Masker(KEY)

    assert masker.text("large") == masker.text("large") != masker.text("small")
    assert Masker(b"another key of it").text("large") != masker.text("large")


def test_a_text_that_conditions_compare_with_stays() -> None:
    assert masked(TEXT, kept=(SECRET,)) == TEXT


def test_keys_ids_codes_and_addresses_stay() -> None:
    error = core_execution_pb2.ExecutionError(code="USER:ValueError", message=SECRET, kind="USER")
    found = masked(literals_pb2.LiteralMap(literals={"name": literals_pb2.Literal(scalar={"generic": STRUCT})}))

    assert isinstance(found, literals_pb2.LiteralMap)
    assert list(found.literals["name"].scalar.generic.fields) == ["key"]
    assert masked(error).code == "USER:ValueError"  # type: ignore[attr-defined]
    blob = literals_pb2.Blob(uri="s3://bucket/file")
    assert masked(blob) == blob


def test_what_inflates_beyond_the_limit_is_refused() -> None:
    bomb = gzip.compress(bytes(10_000))

    assert packing.gunzip(bomb, 10_000) == bytes(10_000)
    with pytest.raises(ValueTooLarge, match="9999 bytes"):
        packing.gunzip(bomb, 9_999)
    for damaged in (bomb[:-4], b"plain", b""):
        with pytest.raises(ValueError, match=r"cut|compressed"):
            packing.gunzip(damaged)
