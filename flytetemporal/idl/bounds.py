"""Bounds of messages from outside: what passes here can be stored, compiled, written as JSON and read back.

Protobuf accepts values that later steps cannot handle: messages nested almost 100 levels deep, which no longer parse
once they are wrapped in another message; NaN in a ``Struct`` and times outside the years 1 to 9999, which JSON cannot
express; undefined enum numbers.
"""

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from flytetemporal.errors import InvalidRequest

M = TypeVar("M", bound=Message)
# Protobuf parsers give up at 100 levels. What is stored is wrapped in closures, events and lists: leave room for these.
# 64 levels are 32 lists in each other, since a list of literals takes two.
MAX_DEPTH = 64
# Timestamps of the years 1 to 9999 and durations of 10,000 years: what their JSON forms can express.
MIN_TIMESTAMP_SECONDS, MAX_TIMESTAMP_SECONDS = -62_135_596_800, 253_402_300_799
MAX_DURATION_SECONDS = 315_576_000_000
NANOS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Place:
    """A message that is still to be checked, and how it was reached."""

    message: Message
    depth: int
    parent: "_Place | None"
    name: str

    def path(self) -> str:
        """Return the dotted path from the request to this message."""
        names: list[str] = []
        place: _Place | None = self
        while place is not None and place.parent is not None:
            names.append(place.name)
            place = place.parent
        if len(names) > 9:
            names[2:-6] = ["..."]
        return ".".join(reversed(names))


def check(message: Message) -> None:
    """Check a whole message; costs about a microsecond per field that is set.

    Raises:
        InvalidRequest: names the first field that is out of bounds and the bound.
    """
    pending = [_Place(message, 1, None, "")]
    while pending:  # Iterative: the depth of the message is what must not become ours.
        place = pending.pop()
        if place.depth > MAX_DEPTH:
            raise InvalidRequest(f"{place.path()}: messages are nested more than {MAX_DEPTH} levels deep")
        pending.extend(_checked(place))


def is_too_deep(message: Message) -> bool:
    """Whether messages are nested more than ``MAX_DEPTH`` levels deep, at whatever place."""
    pending: list[tuple[Message, int]] = [(message, 1)]
    while pending:
        inner, depth = pending.pop()
        if depth > MAX_DEPTH:
            return True
        for field, value in inner.ListFields():
            if field.message_type is not None:
                pending.extend((child, depth + _levels(field)) for child in _submessages(field, value))
    return False


def _levels(field: FieldDescriptor) -> int:
    # An entry of a map is a message on the wire.
    kind: Any = field.message_type
    return 2 if field.is_repeated and kind.GetOptions().map_entry else 1


def repaired(message: M) -> M:
    """Return a copy whose values JSON can express: times and durations are clamped, numbers of Structs become text.

    For messages that were stored before their values were checked.
    """
    copy = type(message)()
    copy.CopyFrom(message)
    pending: list[Any] = [copy]
    while pending:
        inner = pending.pop()
        repair = _REPAIRS.get(inner.DESCRIPTOR.full_name)
        if repair is not None:
            repair(inner)
        for field, value in inner.ListFields():
            if field.message_type is not None:
                pending.extend(_submessages(field, value))
    return copy


def _submessages(field: FieldDescriptor, value: Any) -> list[Any]:
    if not field.is_repeated:
        return [value]
    kind: Any = field.message_type
    if not kind.GetOptions().map_entry:
        return list(value)
    return list(value.values()) if kind.fields_by_name["value"].message_type is not None else []


def _repair_timestamp(message: Any) -> None:
    if _timestamp_problem(message):
        message.seconds = min(max(message.seconds, MIN_TIMESTAMP_SECONDS), MAX_TIMESTAMP_SECONDS)
        message.nanos = 0


def _repair_duration(message: Any) -> None:
    if _duration_problem(message):
        message.seconds = min(max(message.seconds, -MAX_DURATION_SECONDS), MAX_DURATION_SECONDS)
        message.nanos = 0


def _repair_number(message: Any) -> None:
    if _number_problem(message):
        message.string_value = str(message.number_value)


def _checked(place: _Place) -> Iterator[_Place]:
    """Check the scalar fields of one message, and yield its submessages."""
    value_check = _VALUE_CHECKS.get(place.message.DESCRIPTOR.full_name)
    if value_check is not None:
        problem = value_check(place.message)
        if problem:
            raise InvalidRequest(f"{place.path()}: {problem}")
    for field, value in place.message.ListFields():
        kind = field.message_type
        if kind is None:
            if field.enum_type is not None:
                _check_enum(place, field, value)
        elif _is_bounded(kind):
            continue
        elif not field.is_repeated:
            yield _Place(value, place.depth + 1, place, field.name)
        elif kind.GetOptions().map_entry:
            yield from _entries(place, field, value)
        else:
            for element in value:
                yield _Place(element, place.depth + 1, place, field.name)


def _entries(place: _Place, field: FieldDescriptor, entries: Any) -> Iterator[_Place]:
    kind: Any = field.message_type
    if kind.fields_by_name["value"].message_type is None:
        return
    for key in entries:
        # An entry of a map is a message on the wire, hence two levels.
        yield _Place(entries[key], place.depth + 2, place, f"{field.name}[{str(key)[:40]}]")


@functools.cache
def _is_bounded(kind: Descriptor) -> bool:
    """Whether no value of a type can be out of bounds: it holds neither messages nor enums nor checked values."""
    if kind.full_name in _VALUE_CHECKS:
        return False
    return all(field.message_type is None and field.enum_type is None for field in kind.fields)


def _check_enum(place: _Place, field: FieldDescriptor, value: Any) -> None:
    kind: Any = field.enum_type
    for number in value if field.is_repeated else (value,):
        if number not in kind.values_by_number:
            path = ".".join(part for part in (place.path(), field.name) if part)
            raise InvalidRequest(f"{path}: {number} is not a value of {kind.full_name}")


def _timestamp_problem(message: Any) -> str:
    if MIN_TIMESTAMP_SECONDS <= message.seconds <= MAX_TIMESTAMP_SECONDS and 0 <= message.nanos < NANOS:
        return ""
    return f"{message.seconds} s and {message.nanos} ns are outside the years 1 to 9999"


def _duration_problem(message: Any) -> str:
    seconds, nanos = message.seconds, message.nanos
    if abs(seconds) > MAX_DURATION_SECONDS or abs(nanos) >= NANOS:
        return f"{seconds} s and {nanos} ns are more than 10,000 years"
    if (seconds > 0 > nanos) or (seconds < 0 < nanos):
        return f"the seconds and the nanoseconds of a duration have the same sign, not {seconds} and {nanos}"
    return ""


def _number_problem(message: Any) -> str:
    if message.WhichOneof("kind") == "number_value" and not math.isfinite(message.number_value):
        return f"{message.number_value} cannot be part of a Struct: JSON has no such number"
    return ""


_VALUE_CHECKS: dict[str, Callable[[Message], str]] = {
    "google.protobuf.Timestamp": _timestamp_problem,
    "google.protobuf.Duration": _duration_problem,
    "google.protobuf.Value": _number_problem,
}
_REPAIRS: dict[str, Callable[[Message], None]] = {
    "google.protobuf.Timestamp": _repair_timestamp,
    "google.protobuf.Duration": _repair_duration,
    "google.protobuf.Value": _repair_number,
}
