import base64
import hashlib
from typing import Any

import pytest
from flyteidl.core import interface_pb2, literals_pb2, types_pb2
from google.protobuf import struct_pb2
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from flytetemporal import errors
from flytetemporal.idl import digest
from tests import strategies
from tests.fixtures import templates

LiteralType = types_pb2.LiteralType
FLOATS = LiteralType(collection_type=LiteralType(simple=types_pb2.FLOAT))
STRING = LiteralType(simple=types_pb2.STRING)


def literal_map(**literals: literals_pb2.Literal) -> literals_pb2.LiteralMap:
    return literals_pb2.LiteralMap(literals=literals)


def primitive(**value: Any) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(**value)))


ONE, TWO = primitive(integer=1), primitive(integer=2)
LIST = literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=[ONE, TWO]))
VOID = literals_pb2.Literal(scalar=literals_pb2.Scalar(none_type=literals_pb2.Void()))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (literal_map(), "GKw-c0PwFokMUQ6T-TUmEWnZ4_VlQ2Qpgw-vCTT0-OQ"),
        (interface_pb2.VariableMap(), "GKw-c0PwFokMUQ6T-TUmEWnZ4_VlQ2Qpgw-vCTT0-OQ"),
        (literal_map(**{"1": ONE, "2": TWO}), "GQid5LjHbakcW68DS3P2jp80QLbiF0olFHF2hTh5bg8"),
        (templates.variables(x=templates.INT), "BgPQX4PdZBPxAXem_kTD60PRDjmHmEZe1BHGnMwlNM0"),
        (templates.variables(o0=STRING), "zCZxwZgsffHeyr8BGuh6VSxRckuxt0wOJtW1xIu46Y4"),
        (templates.variables(o0=FLOATS), "xeE5SgkKc4I5Lj75Lyh_lDccKuLPeeRNn9ZKzwgwdao"),
        (literal_map(x=primitive(integer=3)), "-AVfAEAm0NEd4FA8EqwJBYAE8mrSI02h36cFEK8vp7U"),
        (literal_map(x=primitive(string_value="hello")), "g-GeT8hkauE0KBF1LCp8H0HP2XE9cFwiQ_I1W3XRgrM"),
        (literal_map(x=primitive(float_value=2.5)), "GVZq3xvxPv0TQfYuDTANvtPtzyy3b4Wyrc3Yxh4-hYs"),
        (literal_map(x=primitive(boolean=True)), "p26rkHlFsDOy6IaWn0f4_MMatDvgu6x6FzQEL9JBmn4"),
        (literal_map(x=LIST), "YylWC4pJ3rwUGkDoO5earWGEWLaUEmr8vei5t69Hi9A"),
        (literal_map(x=VOID), "vaQM1DFpmCBatqdWv8fbkq4iSsIxZftitqdEoCGwkxA"),
        (literal_map(df=literals_pb2.Literal(hash="abc")), "eUVDeAH5Sh2qaFKfOewkB-ErQfgbN58ONscEmkECgAw"),
    ],
)
def test_proto_hash_is_flytes(message: Message, expected: str) -> None:
    assert digest.proto_hash_base64(message) == expected


def test_proto_hash_of_a_json_object_is_flytes() -> None:
    struct = struct_pb2.Struct()
    struct.update({"integer": "18", "floatValue": 1.3, "stringValue": "lets test this", "boolean": True})

    assert base64.b64encode(digest.proto_hash(struct)) == b"GhPMTKvJfUPHK8U3vEmoi/wdVBx7IQSPqyjGXAZzquI="


def test_proto_hash_of_two_integers_starts_as_in_cache_keys() -> None:
    two = templates.variables(**{"1": templates.INT, "2": templates.INT})

    assert digest.proto_hash_base64(two)[:8] == "UxVtPm0k"


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0.0, "+0:"), (-0.0, "+0:"), (1.0, "+0:1"), (2.5, "+2:0101"), (-3.0, "-2:011"), (0.5, "+-1:1")],
)
def test_floats_are_written_in_binary(number: float, expected: str) -> None:
    assert digest.normalised_float(number) == expected


def test_what_has_no_json_form_cannot_be_hashed() -> None:
    struct = struct_pb2.Struct()
    struct.fields["x"].number_value = float("nan")

    with pytest.raises(errors.InvalidRequest):
        digest.proto_hash(struct)


def test_a_digest_names_its_scheme() -> None:
    assert digest.digest(literal_map()) == f"v1:{hashlib.sha256(b'').hexdigest()}"


@given(strategies.literal_maps, st.randoms(use_true_random=False))
def test_a_digest_does_not_depend_on_how_a_message_was_built(values: literals_pb2.LiteralMap, random: Any) -> None:
    names = list(values.literals)
    random.shuffle(names)
    shuffled = literals_pb2.LiteralMap()
    for name in names:
        shuffled.literals[name].ParseFromString(values.literals[name].SerializeToString())

    assert digest.digest(shuffled) == digest.digest(values)
    assert digest.proto_hash(shuffled) == digest.proto_hash(values)


@given(strategies.types, strategies.types)
def test_different_messages_have_different_digests(one: LiteralType, other: LiteralType) -> None:
    assert (digest.digest(one) == digest.digest(other)) is (one == other)
