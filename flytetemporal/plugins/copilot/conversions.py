"""Convert literals to contents of files that a raw container reads, and texts that it has written to literals. Pure.

The forms mirror flytecopilot's data/{download,upload}.go and flyteidl's clients/go/coreutils/literals.go. Those that
flytekit writes and reads when it runs such a task locally (core/container_task.py) are accepted too.
"""

import base64
import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml
from flyteidl.core import literals_pb2, tasks_pb2, types_pb2
from google.protobuf import json_format, struct_pb2

from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import times
from flytetemporal.plugins import command_template

Format = tasks_pb2.DataLoadingConfig
NULL = "null"
_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_INTEGERS = range(-(2**63), 2**63)
# The form of str(timedelta), which flytekit expects of a container that it runs locally.
_PYTHON_DURATION = re.compile(r"(?:(-?\d+) days?, )?(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?", re.ASCII)


def file_content(scalar: literals_pb2.Scalar) -> bytes:
    """Return the content of a scalar's file. Blobs, schemas and datasets have data of their own instead.

    Raises:
        InvalidRequest: scalars of this kind have no file.
    """
    match scalar.WhichOneof("value"):
        case "primitive":
            return _primitive_text(scalar.primitive).encode()
        case "binary":
            return scalar.binary.value
        case "error":
            return scalar.error.message.encode()
        case "generic":
            return json_format.MessageToJson(scalar.generic, indent=None).encode()
        case "none_type":
            return NULL.encode()
        case kind:
            raise InvalidRequest(f"a scalar of kind [{kind}] has no file")


def document_value(scalar: literals_pb2.Scalar) -> object:
    """Return the value in ``inputs.json`` and ``inputs.yaml`` of a scalar that has a file."""
    match scalar.WhichOneof("value"):
        case "primitive":
            return _primitive_value(scalar.primitive)
        case "binary":
            return base64.b64encode(scalar.binary.value).decode()
        case "generic":
            return json_format.MessageToDict(scalar.generic)
        case "none_type":
            return None
        case _:
            return file_content(scalar).decode()


def document(
    values: Mapping[str, object], form: tasks_pb2.DataLoadingConfig.LiteralMapFormat
) -> tuple[str, str] | None:
    """Return name and text of the file with all inputs, or None: format PROTO needs only ``inputs.pb``."""
    match form:
        case Format.JSON:
            return "inputs.json", json.dumps(values, sort_keys=True)
        case Format.YAML:
            return "inputs.yaml", yaml.safe_dump(dict(values), allow_unicode=True)
        case _:
            return None


def has_text(kind: types_pb2.LiteralType) -> bool:
    """Whether a value of the type can be read from the text of a file."""
    return kind.WhichOneof("type") in ("simple", "enum_type")


def literal(kind: types_pb2.LiteralType, content: bytes) -> literals_pb2.Literal:
    """Return the value that a container has written for an output of a type that ``has_text``.

    Raises:
        InvalidRequest: the text is not a value of the type.
    """
    if kind.simple == types_pb2.BINARY and kind.WhichOneof("type") == "simple":
        return literals_pb2.Literal(
            scalar=literals_pb2.Scalar(binary=literals_pb2.Binary(value=content.strip(b" \n\t")))
        )
    try:
        text = content.decode().strip(" \n\t")
    except UnicodeDecodeError as e:
        raise InvalidRequest("the file is not text in UTF-8") from e
    if kind.WhichOneof("type") == "enum_type":
        if text not in kind.enum_type.values:
            raise InvalidRequest(f"[{_start(text)}] is none of [{', '.join(kind.enum_type.values)}]")
        return _primitive(string_value=text)
    parse = _PARSERS.get(kind.simple)
    if parse is None:
        raise InvalidRequest(f"outputs of type [{types_pb2.SimpleType.Name(kind.simple)}] cannot be read from a file")
    return parse(text)


def _primitive_text(primitive: literals_pb2.Primitive) -> str:
    if primitive.WhichOneof("value") == "duration":
        return times.go_text(primitive.duration.ToTimedelta())
    if primitive.WhichOneof("value") is None:
        return NULL
    return command_template.literal_text(literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=primitive)))


def _primitive_value(primitive: literals_pb2.Primitive) -> object:
    match primitive.WhichOneof("value"):
        case None:
            return None
        case "integer":
            return primitive.integer
        case "boolean":
            return primitive.boolean
        case "float_value" if math.isfinite(primitive.float_value):
            return primitive.float_value
        case _:
            return _primitive_text(primitive)


def _integer(text: str) -> literals_pb2.Literal:
    if not _INTEGER.fullmatch(text) or int(text) not in _INTEGERS:
        raise InvalidRequest(f"[{_start(text)}] is not an integer of 64 bits")
    return _primitive(integer=int(text))


def _float(text: str) -> literals_pb2.Literal:
    try:
        return _primitive(float_value=float(text.replace("_", "?")))
    except ValueError as e:
        raise InvalidRequest(f"[{_start(text)}] is not a number") from e


def _boolean(text: str) -> literals_pb2.Literal:
    if text not in (*_TRUE, *_FALSE):
        raise InvalidRequest(f"[{_start(text)}] is neither true nor false")
    return _primitive(boolean=text in _TRUE)


def _datetime(text: str) -> literals_pb2.Literal:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as e:
        raise InvalidRequest(f"[{_start(text)}] is not a time such as 2024-01-31T13:00:00Z") from e
    return _primitive(datetime=times.timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC)))


def _duration(text: str) -> literals_pb2.Literal:
    match = _PYTHON_DURATION.fullmatch(text)
    try:
        if match is None:
            return _primitive(duration=times.duration(times.from_go_text(text)))
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[:4])
        micros = int((match[5] or "0").ljust(6, "0"))
        delta = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, microseconds=micros)
    except (ValueError, OverflowError) as e:
        raise InvalidRequest(f"[{_start(text)}] is not a duration such as 300ms or 2h45m") from e
    return _primitive(duration=times.duration(delta))


def _struct(text: str) -> literals_pb2.Literal:
    generic = struct_pb2.Struct()
    try:
        json_format.Parse(text, generic)
    except json_format.ParseError as e:
        raise InvalidRequest(f"[{_start(text)}] is not a JSON object") from e
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(generic=generic))


def _string(text: str) -> literals_pb2.Literal:
    return _primitive(string_value=text)


def _error(text: str) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(error=types_pb2.Error(message=text)))


def _none(_: str) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(none_type=literals_pb2.Void()))


def _primitive(**value: Any) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(**value)))


def _start(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}..."


_PARSERS: Mapping[int, Callable[[str], literals_pb2.Literal]] = {
    types_pb2.NONE: _none,
    types_pb2.INTEGER: _integer,
    types_pb2.FLOAT: _float,
    types_pb2.STRING: _string,
    types_pb2.BOOLEAN: _boolean,
    types_pb2.DATETIME: _datetime,
    types_pb2.DURATION: _duration,
    types_pb2.STRUCT: _struct,
    types_pb2.ERROR: _error,
}
