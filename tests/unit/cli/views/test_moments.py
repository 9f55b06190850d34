from datetime import UTC, datetime, timedelta

import pytest
from flyteidl.admin import execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from google.protobuf import timestamp_pb2

from flytetemporal.cli.views import moments
from flytetemporal.idl import times

STARTED = times.timestamp(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.00s"), (0.126, "0.13s"), (3.44, "3.4s"), (59.9, "59.9s"), (312, "5m12s"), (7500, "2h05m"), (-2, "-2.0s")],
)
def test_a_duration_is_as_precise_as_it_is_short(seconds: float, text: str) -> None:
    assert moments.seconds(seconds) == text


def test_what_has_not_started_has_no_times() -> None:
    assert moments.moment(timestamp_pb2.Timestamp()) == ""
    assert moments.duration(execution_pb2.ExecutionClosure()) == ""


def test_times_are_shown_to_the_second() -> None:
    assert moments.moment(STARTED) == "2026-01-02 03:04:05"


def test_what_failed_without_a_duration_lasted_until_its_last_event() -> None:
    closure = execution_pb2.ExecutionClosure(
        started_at=STARTED,
        updated_at=times.timestamp(times.moment(STARTED) + timedelta(seconds=3)),
        error=core_execution_pb2.ExecutionError(message="Traceback\n  line\nValueError: no"),
    )

    assert moments.duration(closure) == "3.0s"
    assert moments.error(closure) == "ValueError: no"


def test_the_cause_of_an_abort_is_its_error() -> None:
    closure = execution_pb2.ExecutionClosure(abort_metadata=execution_pb2.AbortMetadata(cause="enough"))

    assert moments.error(closure) == "enough"
