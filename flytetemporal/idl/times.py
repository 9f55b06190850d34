"""Protobuf timestamps and durations to aware datetimes and timedeltas, and back."""

from datetime import UTC, datetime, timedelta

from google.protobuf import duration_pb2, timestamp_pb2


def timestamp(moment: datetime) -> timestamp_pb2.Timestamp:
    """Return the protobuf form of an aware datetime."""
    stamp = timestamp_pb2.Timestamp()
    stamp.FromDatetime(moment.astimezone(UTC).replace(tzinfo=None))
    return stamp


def moment(stamp: timestamp_pb2.Timestamp) -> datetime:
    """Return an aware UTC datetime."""
    return stamp.ToDatetime(tzinfo=UTC)


def duration(delta: timedelta) -> duration_pb2.Duration:
    """Return the protobuf form of a timedelta."""
    message = duration_pb2.Duration()
    message.FromTimedelta(delta)
    return message
