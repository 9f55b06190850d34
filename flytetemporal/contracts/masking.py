"""Replace the values of messages by fillers, so that what is exported of an execution does not contain its data.

A filler has the size of what it replaces, and equal texts have equal fillers, because the engine decides by sizes and
compares texts. What the fillers cannot keep is which of two texts is greater. Names, ids, URIs, keys of maps, error
codes, durations and whatever the workflow's own definition contains are not values; they stay.
"""

import gzip
import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from google.protobuf.message import Message

from flytetemporal.contracts import packing
from flytetemporal.contracts.v1 import continuation_pb2


class Masker:
    """Replaces values in messages of any type.

    Args:
        key: Makes fillers of equal texts equal; who has it can test guesses of a text.
        numbers: Replace numbers, booleans and dates, too.
        kept: Texts that stay, such as those that conditions compare with.
    """

    def __init__(self, key: bytes, *, numbers: bool = True, kept: Iterable[str] = ()) -> None:
        self._key = key
        self.numbers = numbers
        self._kept = frozenset(kept)

    def text(self, text: str) -> str:
        """Return a filler of as many bytes."""
        if text in self._kept:
            return text
        return self.data(text.encode(errors="replace")).decode()

    def data(self, data: bytes) -> bytes:
        """Return a filler of as many bytes."""
        filler = hmac.digest(self._key, data, "sha256").hex().encode()
        return (filler * (len(data) // len(filler) + 1))[: len(data)]

    def mask(self, message: Message) -> None:
        """Replace the values in a message and in all messages inside it."""
        for found in inside(message):
            replace = _REPLACE.get(found.DESCRIPTOR.full_name)
            if replace is not None:
                replace(self, found)


def inside(message: Message) -> Iterator[Any]:
    """Yield a message, then every message inside it; what was yielded may be changed before the next is asked for."""
    pending: list[Any] = [message]
    while pending:  # Iterative: how deep a message nests must not become the depth of our calls.
        found = pending.pop()
        yield found
        for field, value in found.ListFields():
            if field.message_type is None:
                continue
            if not field.is_repeated:
                pending.append(value)
            elif not field.message_type.GetOptions().map_entry:
                pending.extend(value)
            elif field.message_type.fields_by_name["value"].message_type is not None:
                pending.extend(value.values())


def _primitive(masker: Masker, primitive: Any) -> None:
    kind = primitive.WhichOneof("value")
    if kind == "string_value":
        primitive.string_value = masker.text(primitive.string_value)
    elif not masker.numbers:
        return
    elif kind == "integer":
        primitive.integer = _of_size(primitive.integer)
    elif kind == "float_value":
        primitive.float_value = 1.0
    elif kind == "boolean":
        primitive.boolean = True
    elif kind == "datetime":
        primitive.datetime.seconds = _of_size(primitive.datetime.seconds)
        primitive.datetime.nanos = _of_size(primitive.datetime.nanos)


def _json_value(masker: Masker, value: Any) -> None:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        value.string_value = masker.text(value.string_value)
    elif kind == "number_value" and masker.numbers:
        value.number_value = 1.0
    elif kind == "bool_value" and masker.numbers:
        value.bool_value = True


def _binary(masker: Masker, binary: Any) -> None:
    binary.value = _packed(masker, binary.value) if binary.tag == packing.MSGPACK else masker.data(binary.value)


def _packed(masker: Masker, data: bytes) -> bytes:
    """Return msgpack with fillers inside, so that attribute paths still lead somewhere."""
    try:
        return packing.encode(_plain(masker, packing.decode(data)))
    except (ValueError, TypeError, RecursionError):
        return masker.data(data)


def _plain(masker: Masker, value: object) -> object:
    if isinstance(value, str):
        return masker.text(value)
    if isinstance(value, bytes):
        return masker.data(value)
    if isinstance(value, dict):
        return {key: _plain(masker, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(masker, item) for item in value]
    if isinstance(value, int | float) and masker.numbers:
        return type(value)(1)
    return value


def _error(masker: Masker, error: Any) -> None:
    error.message = masker.text(error.message)


def _pair(masker: Masker, pair: Any) -> None:
    pair.value = masker.text(pair.value)


def _literal(masker: Masker, literal: Any) -> None:
    literal.hash = masker.text(literal.hash)


def _task_event(masker: Masker, event: Any) -> None:
    event.reason = masker.text(event.reason)
    for reason in event.reasons:
        reason.reason = masker.text(reason.reason)


def _choice(masker: Masker, choice: Any) -> None:
    if choice.WhichOneof("outcome") == "malformed":
        choice.malformed = masker.text(choice.malformed)


def _start(masker: Masker, argument: Any) -> None:
    if argument.WhichOneof("state") == "inline_state":
        state = continuation_pb2.RunState.FromString(packing.gunzip(argument.inline_state))
        masker.mask(state)
        argument.inline_state = gzip.compress(state.SerializeToString(deterministic=True), mtime=0)


def _of_size(number: int) -> int:
    """Return a number that protobuf writes in as many bytes."""
    return -1 if number < 0 else 1 << 7 * max(0, (number.bit_length() - 1) // 7)


_REPLACE: Mapping[str, Callable[[Masker, Any], None]] = {
    "flyteidl.core.Primitive": _primitive,
    "flyteidl.core.Binary": _binary,
    "flyteidl.core.Literal": _literal,
    "flyteidl.core.ExecutionError": _error,
    "flyteidl.core.Error": _error,
    "flyteidl.core.KeyValuePair": _pair,
    "flyteidl.event.TaskExecutionEvent": _task_event,
    "google.protobuf.Value": _json_value,
    "flytetemporal.v1.CaseChoice": _choice,
    "flytetemporal.v1.ElementError": _error,
    "flytetemporal.v1.ExecutionInput": _start,
}
