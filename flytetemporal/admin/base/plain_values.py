"""Values in plain JSON, as literals of a type. Pure."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from flyteidl.core import interface_pb2, literals_pb2, types_pb2
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import bounds, times, types

Literal = literals_pb2.Literal
LiteralType = types_pb2.LiteralType
_LIMIT = 2**63  # Of integers.


def literal_map(text: str, variables: interface_pb2.VariableMap, where: str) -> literals_pb2.LiteralMap:
    """Return the literals of a JSON object; names that are not among the variables are left to the caller.

    Raises:
        InvalidRequest: the text is no JSON object, or a value does not fit its type. ``where`` starts the text.
    """
    try:
        values = parsed(text)
    except ValueError as e:
        raise InvalidRequest(f"{where} are not JSON: {e}") from e
    if not isinstance(values, dict):
        raise InvalidRequest(f'{where} are not a JSON object; write them as {{"name": value}}')
    found = literals_pb2.LiteralMap()
    for name, value in values.items():
        if name not in variables.variables:
            found.literals[name].SetInParent()
            continue
        wanted = variables.variables[name].type
        converted = literal(value, wanted)
        if converted is None:
            raise InvalidRequest(f"{where}: {name} is no {types.text(wanted)}: {json.dumps(value)[:200]}")
        found.literals[name].CopyFrom(converted)
    bounds.check(found)  # What a request holds as text was not checked at the door.
    return found


def parsed(text: str | bytes) -> Any:
    """Return the value of a JSON text. Raises ``ValueError`` if it is none, or has what no text in UTF-8 can have."""
    try:
        value = json.loads(text)
        # JSON can escape half of a pair of surrogates.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as e:
        raise ValueError(str(e).splitlines()[0]) from e
    return value


def literal(value: Any, wanted: LiteralType) -> Literal | None:
    """Return a JSON value as a literal; None if it is not of the type, or the type has no plain form.

    Raises:
        InvalidRequest: it is nested too deeply.
    """
    try:
        found = _literal(value, wanted)
        if found is None or not bounds.is_too_deep(found):
            return found
    except OverflowError:  # A number is too large for a float, or a time is before the year 1.
        return None
    except DecodeError:  # Protobuf copies by writing and reading again, and gives up where it could not read.
        pass
    raise InvalidRequest(f"a value is nested too deeply: literals have at most {bounds.MAX_DEPTH} levels")


def _literal(value: Any, wanted: LiteralType) -> Literal | None:
    kind = wanted.WhichOneof("type")
    convert = _KINDS.get(kind) if kind else None
    return convert(value, wanted) if convert else None


def _simple(value: Any, wanted: LiteralType) -> Literal | None:
    scalar = literals_pb2.Scalar()
    match wanted.simple:
        case types_pb2.NONE if value is None:
            scalar.none_type.SetInParent()
        case types_pb2.STRUCT if isinstance(value, dict):
            try:
                json_format.ParseDict(value, scalar.generic)
            except (json_format.ParseError, RecursionError):
                return None
        case _:
            primitive = _primitive(value, wanted.simple)
            if primitive is None:
                return None
            scalar.primitive.CopyFrom(primitive)
    return Literal(scalar=scalar)


def _primitive(value: Any, simple: types_pb2.SimpleType) -> literals_pb2.Primitive | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match simple:
        case types_pb2.INTEGER if is_number and -_LIMIT <= value < _LIMIT and float(value).is_integer():
            return literals_pb2.Primitive(integer=int(value))
        case types_pb2.FLOAT if is_number:
            return literals_pb2.Primitive(float_value=float(value))
        case types_pb2.BOOLEAN if isinstance(value, bool):
            return literals_pb2.Primitive(boolean=value)
        case types_pb2.STRING if isinstance(value, str):
            return literals_pb2.Primitive(string_value=value)
        case types_pb2.DATETIME | types_pb2.DURATION if isinstance(value, str):
            return _time(value, simple)
        case _:
            return None


def _time(text: str, simple: types_pb2.SimpleType) -> literals_pb2.Primitive | None:
    try:
        if simple == types_pb2.DURATION:
            return literals_pb2.Primitive(duration=times.duration(times.from_go_text(text)))
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return literals_pb2.Primitive(datetime=times.timestamp(aware))


def _collection(value: Any, wanted: LiteralType) -> Literal | None:
    if not isinstance(value, list):
        return None
    literal = Literal(collection=literals_pb2.LiteralCollection())
    for item in value:
        element = _literal(item, wanted.collection_type)
        if element is None:
            return None
        literal.collection.literals.append(element)
    return literal


def _map(value: Any, wanted: LiteralType) -> Literal | None:
    if not isinstance(value, dict):
        return None
    literal = Literal(map=literals_pb2.LiteralMap())
    for key, item in value.items():
        element = _literal(item, wanted.map_value_type)
        if element is None:
            return None
        literal.map.literals[key].CopyFrom(element)
    return literal


def _union(value: Any, wanted: LiteralType) -> Literal | None:
    for variant in wanted.union_type.variants:
        found = _literal(value, variant)
        if found is not None:
            return Literal(scalar=literals_pb2.Scalar(union=literals_pb2.Union(value=found, type=variant)))
    return None


def _enum(value: Any, wanted: LiteralType) -> Literal | None:
    if value not in list(wanted.enum_type.values):
        return None
    return Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(string_value=value)))


def _blob(value: Any, wanted: LiteralType) -> Literal | None:
    if not isinstance(value, str):
        return None
    metadata = literals_pb2.BlobMetadata(type=wanted.blob)
    return Literal(scalar=literals_pb2.Scalar(blob=literals_pb2.Blob(uri=value, metadata=metadata)))


def _dataset(value: Any, wanted: LiteralType) -> Literal | None:
    if not isinstance(value, str):
        return None
    metadata = literals_pb2.StructuredDatasetMetadata(structured_dataset_type=wanted.structured_dataset_type)
    dataset = literals_pb2.StructuredDataset(uri=value, metadata=metadata)
    return Literal(scalar=literals_pb2.Scalar(structured_dataset=dataset))


def _schema(value: Any, wanted: LiteralType) -> Literal | None:
    if not isinstance(value, str):
        return None
    return Literal(scalar=literals_pb2.Scalar(schema=literals_pb2.Schema(uri=value, type=wanted.schema)))


_KINDS: Mapping[str, Callable[[Any, LiteralType], Literal | None]] = {
    "simple": _simple,
    "collection_type": _collection,
    "map_value_type": _map,
    "union_type": _union,
    "enum_type": _enum,
    "blob": _blob,
    "structured_dataset_type": _dataset,
    "schema": _schema,
}
