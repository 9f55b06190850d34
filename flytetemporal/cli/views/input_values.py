"""Inputs as a file of plain values: JSON or YAML, to literals of the types that a launch plan or a task expects."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from flyteidl.core import literals_pb2, types_pb2
from google.protobuf import json_format, struct_pb2

from flytetemporal.cli.errors import CommandError
from flytetemporal.idl import times

LiteralType = types_pb2.LiteralType
Literal = literals_pb2.Literal


class _Unfitting(Exception):
    """A value is not of its type; the text says what was expected."""


def read(path: Path) -> dict[str, Any]:
    """Return the values of a file by name; ``-`` is the standard input.

    Raises:
        CommandError: the file cannot be read, or has no map of names and values.
    """
    import yaml

    try:
        with click.open_file(str(path)) as file:
            found = yaml.safe_load(file)  # JSON is YAML.
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as e:
        raise CommandError(f"cannot read the inputs of {path}: {str(e).splitlines()[0]}") from e
    if not isinstance(found, dict):
        raise CommandError(f"{path} has no inputs; write a line NAME: VALUE for each")
    return {str(name): value for name, value in found.items()}


def literals(values: Mapping[str, Any], expected: Mapping[str, LiteralType]) -> literals_pb2.LiteralMap:
    """Return the literals of values. Values can also be literals in the form of the HTTP API, in a map ``literals``.

    Raises:
        CommandError: an input is not expected, or a value is not of its type.
    """
    if list(values) == ["literals"] and "literals" not in expected:
        try:
            return json_format.ParseDict(dict(values), literals_pb2.LiteralMap())
        except json_format.ParseError as e:
            raise CommandError(f"the literals cannot be read: {e}") from e
    found = literals_pb2.LiteralMap()
    for name, value in values.items():
        if name not in expected:
            raise CommandError(f"there is no input {name}; the inputs are {', '.join(sorted(expected)) or 'none'}")
        try:
            found.literals[name].CopyFrom(_literal(value, expected[name]))
        except _Unfitting as e:
            raise CommandError(f"input {name} is {_shown(value)}, which is no {e}") from e
    return found


def _literal(value: object, wanted: LiteralType) -> Literal:
    match wanted.WhichOneof("type"), value:
        case "simple", _:
            return _simple(value, wanted.simple)
        case "enum_type", str() if value in wanted.enum_type.values:
            return _primitive(string_value=value)
        case "enum_type", _:
            raise _Unfitting(f"member of the enum {', '.join(wanted.enum_type.values)}")
        case "collection_type", list():
            elements = [_literal(element, wanted.collection_type) for element in value]
            return Literal(collection=literals_pb2.LiteralCollection(literals=elements))
        case "map_value_type", dict():
            items = {str(key): _literal(element, wanted.map_value_type) for key, element in value.items()}
            return Literal(map=literals_pb2.LiteralMap(literals=items))
        case "blob", str():
            blob = literals_pb2.Blob(uri=value, metadata=literals_pb2.BlobMetadata(type=wanted.blob))
            return Literal(scalar=literals_pb2.Scalar(blob=blob))
        case "union_type", _:
            return _union(value, wanted.union_type)
        case kind, _:
            raise _Unfitting(_NAMES.get(kind or "", f"{kind} that can be written as a plain value; write its literal"))


def _union(value: object, wanted: types_pb2.UnionType) -> Literal:
    for variant in wanted.variants:
        try:
            union = literals_pb2.Union(value=_literal(value, variant), type=variant)
        except _Unfitting:
            continue
        return Literal(scalar=literals_pb2.Scalar(union=union))
    raise _Unfitting("value of any of its types")


def _simple(value: object, wanted: int) -> Literal:
    convert = _SIMPLE.get(wanted)
    name = types_pb2.SimpleType.Name(wanted).lower()
    found = convert(value) if convert is not None else None
    if found is None:
        raise _Unfitting(name)
    return found


def _integer(value: object) -> Literal | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    return _primitive(integer=value) if fits else None


def _float(value: object) -> Literal | None:
    return _primitive(float_value=float(value)) if type(value) in (int, float) else None  # type: ignore[arg-type]


def _datetime(value: object) -> Literal | None:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return _primitive(datetime=times.timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC)))


def _duration(value: object) -> Literal | None:
    try:
        found = timedelta(seconds=value) if type(value) in (int, float) else times.from_go_text(str(value))  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        return None
    return _primitive(duration=times.duration(found))


def _struct(value: object) -> Literal | None:
    if not isinstance(value, dict):
        return None
    struct = struct_pb2.Struct()
    struct.update(json.loads(json.dumps(value, default=str)))
    return Literal(scalar=literals_pb2.Scalar(generic=struct))


def _none(value: object) -> Literal | None:
    return Literal(scalar=literals_pb2.Scalar(none_type=literals_pb2.Void())) if value is None else None


def _primitive(**value: Any) -> Literal:
    return Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(**value)))


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


_SIMPLE: Mapping[int, Callable[[object], Literal | None]] = {
    types_pb2.NONE: _none,
    types_pb2.INTEGER: _integer,
    types_pb2.FLOAT: _float,
    types_pb2.STRING: lambda value: _primitive(string_value=value) if isinstance(value, str) else None,
    types_pb2.BOOLEAN: lambda value: _primitive(boolean=value) if isinstance(value, bool) else None,
    types_pb2.DATETIME: _datetime,
    types_pb2.DURATION: _duration,
    types_pb2.STRUCT: _struct,
}
_NAMES = {"collection_type": "list", "map_value_type": "map", "blob": "URI of a file or folder"}
