"""Values of executions as short text for people. Nothing is read from the store: values stored there show their URI."""

import json
from collections.abc import Callable, Iterator

from flyteidl.core import literals_pb2

from flytetemporal.cli.views import moments
from flytetemporal.idl import times

LIMIT_CHARACTERS = 160
_CUT = "…"
# What follows in a longer collection, or in a larger structure, would be beyond the limit of characters anyway.
_ITEMS = LIMIT_CHARACTERS
_DECODED_BYTES = 64 * 1024
_DEPTH = 8


def short(literal: literals_pb2.Literal) -> str:
    """Return the value, cut at ``LIMIT_CHARACTERS``."""
    text = _text(literal, _DEPTH)
    return text if len(text) <= LIMIT_CHARACTERS else text[: LIMIT_CHARACTERS - 1] + _CUT


def lines(values: literals_pb2.LiteralMap) -> Iterator[tuple[str, str]]:
    """Yield name and short text of each value, sorted by name."""
    for name in sorted(values.literals):
        yield name, short(values.literals[name])


def _text(literal: literals_pb2.Literal, depth: int) -> str:
    kind = literal.WhichOneof("value")
    if depth == 0:
        return _CUT
    if kind == "scalar":
        return _scalar(literal.scalar, depth)
    if kind == "collection":
        items = [_text(item, depth - 1) for item in literal.collection.literals[:_ITEMS]]
        return f"[{_joined(items, len(literal.collection.literals))}]"
    if kind == "map":
        named = literal.map.literals
        items = [f"{json.dumps(key)}: {_text(named[key], depth - 1)}" for key in sorted(named)[:_ITEMS]]
        return f"{{{_joined(items, len(named))}}}"
    stored = literal.offloaded_metadata
    return f"{stored.uri} ({stored.size_bytes} bytes)" if stored.uri else "nothing"


def _joined(items: list[str], number: int) -> str:
    return ", ".join([*items, _CUT] if number > len(items) else items)


def _scalar(scalar: literals_pb2.Scalar, depth: int) -> str:
    kind = scalar.WhichOneof("value")
    if kind == "primitive":
        return _primitive(scalar.primitive)
    if kind == "union":
        return _text(scalar.union.value, depth - 1)
    if kind in ("blob", "schema", "structured_dataset"):
        return str(getattr(scalar, kind).uri)
    if kind in ("generic", "binary"):
        return _structure(scalar)
    return f"error of {scalar.error.failed_node_id}: {scalar.error.message}" if kind == "error" else "None"


def _structure(scalar: literals_pb2.Scalar) -> str:
    """Return a dataclass or a dict as JSON; the number of its bytes if it is too large or of an unknown encoding."""
    binary = scalar.binary
    size = scalar.ByteSize()
    try:
        if scalar.HasField("generic") and size <= _DECODED_BYTES:
            from google.protobuf import json_format

            return json.dumps(json_format.MessageToDict(scalar.generic), ensure_ascii=False)
        if binary.tag == "msgpack" and size <= _DECODED_BYTES:
            import msgpack

            decode: Callable[..., object] = msgpack.loads
            return json.dumps(decode(binary.value, strict_map_key=False), ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):
        pass  # The bytes are not what their tag says.
    return f"{size} bytes" + (f" of {binary.tag}" if binary.tag else "")


def _primitive(primitive: literals_pb2.Primitive) -> str:
    kind = primitive.WhichOneof("value")
    if kind == "string_value":
        return json.dumps(primitive.string_value[: LIMIT_CHARACTERS + 1], ensure_ascii=False)
    if kind == "datetime":
        return times.moment(primitive.datetime).isoformat()
    if kind == "duration":
        return moments.seconds(primitive.duration.ToTimedelta().total_seconds())
    if kind == "boolean":
        return "true" if primitive.boolean else "false"
    return str(getattr(primitive, kind)) if kind else "nothing"
