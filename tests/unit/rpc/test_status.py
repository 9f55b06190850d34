import base64
from collections.abc import Iterator
from urllib.parse import quote

import grpc
import pytest
from flyteidl.admin import event_pb2
from google.rpc import status_pb2
from grpc_status import rpc_status

from flytetemporal import errors
from flytetemporal.rpc import status


def metadata_bytes(answer: status_pb2.Status) -> int:
    """What a client receives of a status, as grpc sends it."""
    sent = rpc_status.to_status(answer)
    return len(quote(sent.details)) + sum(len(base64.b64encode(value)) for _, value in sent.trailing_metadata)


def tree(kind: type[errors.FlyteError]) -> Iterator[type[errors.FlyteError]]:
    for child in kind.__subclasses__():
        yield child
        yield from tree(child)


@pytest.mark.parametrize("kind", list(tree(errors.FlyteError)), ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_of_its_own(kind: type[errors.FlyteError]) -> None:
    code = status.code(kind("text"))

    assert code is not grpc.StatusCode.UNKNOWN
    assert (code is grpc.StatusCode.INTERNAL) == issubclass(kind, errors.Internal)
    assert code.value[0] in status.HTTP_STATUS


def test_the_text_of_an_unexpected_error_is_hidden() -> None:
    answer = status.status(ValueError("password=secret"))

    assert answer.code == grpc.StatusCode.INTERNAL.value[0]
    assert "secret" not in answer.message


def test_details_travel_with_the_status() -> None:
    reason = event_pb2.EventFailureReason(already_in_terminal_state={"current_phase": "SUCCEEDED"})

    answer = status.status(errors.AlreadyTerminal("over", details=[reason]))

    unpacked = event_pb2.EventFailureReason()
    assert answer.details[0].Unpack(unpacked)
    assert unpacked == reason


def test_a_text_too_long_for_metadata_is_cut_and_loses_its_details() -> None:
    reason = event_pb2.EventFailureReason(already_in_terminal_state={"current_phase": "SUCCEEDED"})

    answer = status.status(errors.InvalidRequest("ä" * 40_000, details=[reason]))

    assert metadata_bytes(answer) < 8 * 1024
    assert answer.message.startswith("äää")
    assert not answer.details


@pytest.mark.parametrize("count", [1, 10, 100, 10_000])
def test_many_lines_are_counted_instead(count: int) -> None:
    text = "\n".join([f"Collected Errors: {count}", *(f"\tError {n}: Code: x, Node Id: n{n}" for n in range(count))])

    answer = status.status(errors.CompileFailed(text))

    assert metadata_bytes(answer) < 8 * 1024
    lines = answer.message.splitlines()
    assert lines[0] == f"Collected Errors: {count}"
    if count > 10:
        assert lines[-1] == f"... and {count + 1 - (len(lines) - 1)} more lines"
    else:
        assert answer.message == text


@pytest.mark.parametrize("kind", status.CODES, ids=lambda kind: kind.__name__)
def test_a_client_gets_the_error_back_that_the_server_raised(kind: type[errors.FlyteError]) -> None:
    answer = status.status(kind("text"))

    assert type(status.error(answer.code, answer.message)) is kind
