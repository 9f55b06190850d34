import math

import pytest
from flyteidl.admin import execution_pb2, task_pb2
from flyteidl.core import literals_pb2, types_pb2
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import bounds
from tests import strategies
from tests.fixtures import registrations


def nested_list(levels: int) -> literals_pb2.Literal:
    literal = literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=1)))
    for _ in range(levels):
        literal = literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=[literal]))
    return literal


def nested_type(levels: int) -> types_pb2.LiteralType:
    kind = types_pb2.LiteralType(simple=types_pb2.INTEGER)
    for _ in range(levels):
        kind = types_pb2.LiteralType(collection_type=kind)
    return kind


def test_an_ordinary_request_passes() -> None:
    bounds.check(registrations.workflow())
    bounds.check(registrations.task())


@pytest.mark.parametrize("levels", [28, 40, 45])
def test_lists_nested_too_deep_are_refused(levels: int) -> None:
    message = literals_pb2.LiteralMap(literals={"a": nested_list(levels)})

    if levels < 30:
        bounds.check(message)
    else:
        with pytest.raises(InvalidRequest, match=r"literals\[a\].*nested more than 64 levels"):
            bounds.check(message)


@pytest.mark.parametrize("levels", [1, 28, 29, 30, 31, 32, 33, 45])
def test_what_is_too_deep_is_what_the_check_refuses(levels: int) -> None:
    message = literals_pb2.LiteralMap(literals={"a": nested_list(levels)})
    try:
        bounds.check(message)
    except InvalidRequest:
        assert bounds.is_too_deep(message)
    else:
        assert not bounds.is_too_deep(message)


def test_a_type_nested_too_deep_is_refused_with_a_short_path() -> None:
    request = registrations.task(input_type=nested_type(80))

    with pytest.raises(InvalidRequest) as refused:
        bounds.check(request)

    assert len(refused.value.message) < 300
    assert "variables[a]" in refused.value.message


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_are_refused_in_a_struct(number: float) -> None:
    request = task_pb2.TaskCreateRequest()
    request.spec.template.custom.fields["a"].list_value.values.add(number_value=number)

    with pytest.raises(InvalidRequest, match=r"custom.*JSON has no such number"):
        bounds.check(request)


def test_a_float_literal_may_be_nan() -> None:
    bounds.check(literals_pb2.Primitive(float_value=math.nan))


@pytest.mark.parametrize(
    ("seconds", "nanos"), [(2**62, 0), (-(2**62), 0), (253_402_300_800, 0), (0, -1), (0, 1_000_000_000)]
)
def test_times_that_no_calendar_has_are_refused(seconds: int, nanos: int) -> None:
    primitive = literals_pb2.Primitive()
    primitive.datetime.seconds, primitive.datetime.nanos = seconds, nanos

    with pytest.raises(InvalidRequest, match="datetime"):
        bounds.check(primitive)


@pytest.mark.parametrize(("seconds", "nanos"), [(2**62, 0), (315_576_000_001, 0), (1, -1), (-1, 1), (0, 2_000_000_000)])
def test_durations_that_json_cannot_express_are_refused(seconds: int, nanos: int) -> None:
    request = task_pb2.TaskCreateRequest()
    request.spec.template.metadata.timeout.seconds, request.spec.template.metadata.timeout.nanos = seconds, nanos

    with pytest.raises(InvalidRequest, match=r"metadata\.timeout"):
        bounds.check(request)


def test_an_unknown_enum_number_is_refused() -> None:
    request = execution_pb2.ExecutionCreateRequest()
    request.spec.launch_plan.resource_type = 99  # type: ignore[assignment]

    with pytest.raises(InvalidRequest, match=r"launch_plan\.resource_type: 99 is not a value of"):
        bounds.check(request)


@given(st.one_of(strategies.simple_types, strategies.blob_types, strategies.enum_types, strategies.schema_types))
def test_what_passes_can_be_written_as_json_and_read_back(kind: types_pb2.LiteralType) -> None:
    bounds.check(kind)

    assert _through_json(kind) == kind


def _through_json(message: Message) -> Message:
    return json_format.Parse(json_format.MessageToJson(message), type(message)())
