from collections.abc import Iterator

import grpc
import pytest
from flyteidl.admin import event_pb2

from flytetemporal import errors
from flytetemporal.rpc import status


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

    assert len(answer.message.encode()) <= status.MESSAGE_LIMIT_BYTES
    assert not answer.details


@pytest.mark.parametrize("kind", status.CODES, ids=lambda kind: kind.__name__)
def test_a_client_gets_the_error_back_that_the_server_raised(kind: type[errors.FlyteError]) -> None:
    answer = status.status(kind("text"))

    assert type(status.error(answer.code, answer.message)) is kind
