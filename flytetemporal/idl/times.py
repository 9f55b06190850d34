"""Protobuf timestamps and durations to aware datetimes and timedeltas, and back."""

import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from google.protobuf import duration_pb2, timestamp_pb2

# 10,000 years: the longest that protobuf allows.
_LONGEST_SECONDS = 315_576_000_000
# Go accepts both the micro sign and the Greek letter mu.
_MICROS = {
    "h": Fraction(3_600_000_000),
    "m": Fraction(60_000_000),
    "s": Fraction(1_000_000),
    "ms": Fraction(1000),
    "us": Fraction(1),
    "\u00b5s": Fraction(1),
    "\u03bcs": Fraction(1),
    "ns": Fraction(1, 1000),
}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([a-z\u00b5\u03bc]+)", re.ASCII)


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


def limit(timeout: duration_pb2.Duration) -> timedelta:
    """Return a timeout as a timedelta; zero, which is no limit, if it is longer than 10,000 years."""
    return timeout.ToTimedelta() if abs(timeout.seconds) <= _LONGEST_SECONDS else timedelta()


def later(start: datetime, delta: timedelta) -> datetime:
    """Return ``start + delta``, at most the last moment of the year 9999."""
    try:
        return start + delta
    except OverflowError:
        return datetime.max.replace(tzinfo=start.tzinfo)


def keep_earlier(stored: timestamp_pb2.Timestamp, candidate: timestamp_pb2.Timestamp) -> None:
    """Set ``stored`` to ``candidate`` if that is earlier, or if ``stored`` is unset."""
    if not candidate.ByteSize():
        return
    if not stored.ByteSize() or (candidate.seconds, candidate.nanos) < (stored.seconds, stored.nanos):
        stored.CopyFrom(candidate)


def go_text(delta: timedelta) -> str:
    """Return a duration in Go's form, which Flyte's messages use: ``1h0m0s``, ``15s``, ``1.5s``, ``300ms``."""
    micros = delta // timedelta(microseconds=1)  # Exact: a float would round long durations.
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


def from_go_text(text: str) -> timedelta:
    """Parse a duration in Go's form, rounded to microseconds: ``2h30m``, ``90s``, ``1.5s``.

    Raises:
        ValueError: the text has another form, or is longer than a timedelta can be.
    """
    sign, body = (-1 if text.startswith("-") else 1), text[1:] if text[:1] in ("-", "+") else text
    parts = _PART.findall(body)
    well_formed = parts and "".join(number + unit for number, unit in parts) == body
    if body != "0" and not (well_formed and all(unit in _MICROS for _, unit in parts)):
        raise ValueError(f"{text!r} is not a duration such as 90s or 2h30m")
    try:
        return timedelta(microseconds=sign * round(sum(Fraction(number) * _MICROS[unit] for number, unit in parts)))
    except OverflowError as e:
        raise ValueError(f"{text!r} is too long") from e
