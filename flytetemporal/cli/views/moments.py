"""Times and errors of executions, nodes and attempts as cells of a table."""

from datetime import UTC, datetime
from typing import Any

from google.protobuf import timestamp_pb2

from flytetemporal.idl import error_text, times

ERROR_CHARACTERS = 120


def moment(stamp: timestamp_pb2.Timestamp) -> str:
    """Return the time in UTC, to the second; empty if unset."""
    return f"{times.moment(stamp):%Y-%m-%d %H:%M:%S}" if stamp.ByteSize() else ""


def duration(closure: Any) -> str:
    """Return how long something ran, or has been running; empty if it has not started.

    ``closure``: of an execution, a node or an attempt.
    """
    if not closure.HasField("started_at"):
        return ""
    if closure.HasField("duration"):
        delta = closure.duration.ToTimedelta()
    elif closure.HasField("error") or closure.WhichOneof("output_result"):
        delta = times.moment(closure.updated_at) - times.moment(closure.started_at)
    else:
        delta = datetime.now(UTC) - times.moment(closure.started_at)
    return seconds(delta.total_seconds())


def seconds(number: float) -> str:
    """Return a duration for people: ``0.12s``, ``3.4s``, ``5m12s``, ``2h05m``."""
    if number < 0:
        return "-" + seconds(-number)
    if number < 60:
        return f"{number:.2f}s" if number < 1 else f"{number:.1f}s"
    minutes, rest = divmod(round(number), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


def error(closure: Any) -> str:
    """Return the cause of an error on one line, or the reason of an abort; empty if there is none."""
    if closure.HasField("error"):
        return error_text.cause(closure.error.code, closure.error.message)[:ERROR_CHARACTERS]
    aborted = getattr(closure, "abort_metadata", None)
    return error_text.headline(aborted.cause)[:ERROR_CHARACTERS] if aborted is not None else ""
