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


def keep_earlier(stored: timestamp_pb2.Timestamp, candidate: timestamp_pb2.Timestamp) -> None:
    """Change ``stored`` to ``candidate`` when that is earlier, or when ``stored`` holds no time."""
    if not candidate.ByteSize():
        return
    if not stored.ByteSize() or (candidate.seconds, candidate.nanos) < (stored.seconds, stored.nanos):
        stored.CopyFrom(candidate)


def go_text(delta: timedelta) -> str:
    """Return a duration as Flyte's messages show it: ``1h0m0s``, ``15s``, ``1.5s``, ``300ms``."""
    micros = round(delta.total_seconds() * 1_000_000)
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    if micros == 0:
        return "0s"
    if micros < 1_000_000:
        unit, text = ("ms", f"{micros / 1000:.3f}") if micros >= 1000 else ("µs", f"{micros:.3f}")
        return f"{sign}{text.rstrip('0').rstrip('.')}{unit}"
    minutes, rest = divmod(micros, 60_000_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest / 1_000_000:.6f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else f"{sign}{seconds}"
