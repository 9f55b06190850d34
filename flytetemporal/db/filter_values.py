"""Parsers of filter values: from text to the type of the column that the filter compares."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, DateTime, Integer, Interval
from sqlalchemy.types import TypeEngine

from flytetemporal import errors

_NUMBER = r"(?:\d+\.?\d*|\.\d+)"
_SECONDS = re.compile(rf"[+-]?{_NUMBER}", re.ASCII)
_DURATION = re.compile(rf"([+-]?)((?:{_NUMBER}(?:ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_PART = re.compile(rf"({_NUMBER})(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_UNIT_SECONDS = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "μs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}
# Go's durations, which Flyte compares with, are nanoseconds in 64 bits.
_LONGEST_SECONDS = Decimal(2**63) / 10**9
_LONGEST_TEXT = 64


def parse(column_type: TypeEngine[Any], name: str, text: str) -> Any:
    """Return ``text`` as a value of the column's type.

    Raises:
        InvalidRequest: the text is not a value of this type.
    """
    for kind, parser in _PARSERS:
        if isinstance(column_type, kind):
            return parser(name, text)
    return text


def duration(text: str) -> timedelta:
    """Return a duration given as seconds (``1.5``) or with units (``1h2m``, ``90s``).

    Raises:
        InvalidRequest: the text is neither.
    """
    seconds = _seconds(text) if len(text) <= _LONGEST_TEXT else None
    if seconds is None or abs(seconds) >= _LONGEST_SECONDS:
        raise errors.InvalidRequest(f"Failed to parse duration [{text}]")
    return timedelta(microseconds=int(seconds * 1_000_000))


def _seconds(text: str) -> Decimal | None:
    if _SECONDS.fullmatch(text):
        return Decimal(text)
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    total = sum((Decimal(number) * _UNIT_SECONDS[unit] for number, unit in _PART.findall(match[2])), Decimal(0))
    return -total if match[1] == "-" else total


def _duration(_: str, text: str) -> timedelta:
    return duration(text)


def _moment(name: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        # In UTC, the first and the last day of the calendar can be outside of it.
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise errors.InvalidRequest(f"invalid value for {name}: [{text}] is not an RFC 3339 time") from error


def _integer(bits: int) -> Callable[[str, str], int]:
    limit = 2 ** (bits - 1)

    def parser(name: str, text: str) -> int:
        if not _INTEGER.fullmatch(text) or not -limit <= int(text) < limit:
            raise errors.InvalidRequest(f"invalid value for {name}: [{text}] is not a {bits}-bit integer")
        return int(text)

    return parser


# The first match counts. BigInteger is a subclass of Integer, so it comes first.
_PARSERS: Sequence[tuple[type[TypeEngine[Any]], Callable[[str, str], Any]]] = (
    (DateTime, _moment),
    (Interval, _duration),
    (BigInteger, _integer(64)),
    (Integer, _integer(32)),
)
