"""Map HTTP requests to request messages by their google.api.http rules: paths and query parameters.

Error texts are those of grpc-gateway, which Flyte uses.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from google.api import http_pb2
from google.protobuf import json_format
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from flytetemporal.errors import InvalidRequest
from flytetemporal.rpc.methods import Method

_VARIABLE = re.compile(r"\{([\w.]+)\}")
_UNSIGNED = {FieldDescriptor.CPPTYPE_UINT32: 32, FieldDescriptor.CPPTYPE_UINT64: 64}
_SIGNED = {FieldDescriptor.CPPTYPE_INT32: 32, FieldDescriptor.CPPTYPE_INT64: 64}
# No number of 64 bits has more digits than 20; leading zeros are left some room.
_MAX_DIGITS = 100
_FLOATING = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)


@dataclass(frozen=True, slots=True)
class Route:
    """An HTTP binding of a method. ``body`` is ``*``, the name of a field, or empty."""

    verb: str
    template: str
    pattern: re.Pattern[str]
    variables: tuple[str, ...]
    body: str
    method: Method

    def match(self, raw_path: str) -> dict[str, str] | None:
        """Return the percent-decoded variables by dotted field path; None if the path does not match."""
        found = self.pattern.fullmatch(raw_path)
        if found is None:
            return None
        return {name: unquote(value) for name, value in zip(self.variables, found.groups(), strict=True)}


def routes(methods: Iterable[Method]) -> list[Route]:
    """Return the routes of all methods; paths with fewer variables come first, so that literal paths win."""
    found = [_route(method, rule) for method in methods for rule in method.rules]
    return sorted(found, key=lambda route: (len(route.variables), route.template))


def _route(method: Method, rule: http_pb2.HttpRule) -> Route:
    verb = rule.WhichOneof("pattern") or "get"
    template: str = getattr(rule, verb)
    pattern = "".join("([^/]+)" if i % 2 else re.escape(part) for i, part in enumerate(_VARIABLE.split(template)))
    return Route(verb.upper(), template, re.compile(pattern), tuple(_VARIABLE.findall(template)), rule.body, method)


def set_query(message: Message, parameters: Sequence[tuple[str, str]], taken: Iterable[str]) -> None:
    """Set fields from query parameters; names are dotted, in snake or camel case.

    Like in Flyte's gateway, unknown names are ignored, and so are ``taken`` paths, which the URL path sets.
    """
    names = set(taken)
    for name, value in parameters:
        path = _known_path(message, name)
        if path is not None and ".".join(path) not in names:
            _set(message, path, name, value)


def set_path(message: Message, name: str, value: str) -> None:
    """Set the field of a path variable."""
    _set(message, name.split("."), name, value)


def _known_path(message: Message, name: str) -> list[str] | None:
    descriptor: Any = message.DESCRIPTOR
    path: list[str] = []
    for part in name.split("."):
        if descriptor is None:
            return None
        field = descriptor.fields_by_name.get(part) or descriptor.fields_by_camelcase_name.get(part)
        if field is None:
            return None
        path.append(field.name)
        descriptor = field.message_type
    return path


def _set(message: Message, path: Sequence[str], name: str, value: str) -> None:
    target: Any = message
    for part in path[:-1]:
        target = getattr(target, part)
    field = target.DESCRIPTOR.fields_by_name[path[-1]]
    if field.message_type is not None:
        _set_message(target, field, name, value)
    elif field.is_repeated:
        getattr(target, field.name).append(_scalar(field, name, value))
    else:
        setattr(target, field.name, _scalar(field, name, value))


def _set_message(target: Any, field: FieldDescriptor, name: str, value: str) -> None:
    """Set a duration, timestamp or wrapper from its text; other messages have no text form."""
    try:
        json_format.ParseDict({field.name: value}, target)
    except json_format.ParseError as e:
        raise InvalidRequest(f'parsing field "{name}": {e}') from e


def _scalar(field: FieldDescriptor, name: str, value: str) -> Any:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return value.encode() if field.type == FieldDescriptor.TYPE_BYTES else value
    if field.enum_type is not None:
        return _enum(field.enum_type, name, value)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return _bool(name, value)
    if kind in _FLOATING:
        return _float(name, value)
    return _integer(kind, name, value)


def _integer(kind: int, name: str, value: str) -> int:
    function = "ParseUint" if kind in _UNSIGNED else "ParseInt"
    if not re.fullmatch(r"\d+" if kind in _UNSIGNED else r"[+-]?\d+", value):
        raise InvalidRequest(
            f'parsing field "{name}": strconv.{function}: parsing "{value[:_MAX_DIGITS]}": invalid syntax'
        )
    # Python refuses to convert numbers of thousands of digits.
    number = int(value) if len(value) <= _MAX_DIGITS else None
    bits = _UNSIGNED.get(kind) or _SIGNED[kind]
    lowest, highest = (0, 2**bits - 1) if kind in _UNSIGNED else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if number is None or not lowest <= number <= highest:
        raise InvalidRequest(
            f'parsing field "{name}": strconv.{function}: parsing "{value[:_MAX_DIGITS]}": value out of range'
        )
    return number


def _float(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError as e:
        raise InvalidRequest(
            f'parsing field "{name}": strconv.ParseFloat: parsing "{value[:_MAX_DIGITS]}": invalid syntax'
        ) from e


def _bool(name: str, value: str) -> bool:
    if value.lower() in ("true", "t", "1"):
        return True
    if value.lower() in ("false", "f", "0"):
        return False
    raise InvalidRequest(f'parsing field "{name}": strconv.ParseBool: parsing "{value[:_MAX_DIGITS]}": invalid syntax')


def _enum(kind: EnumDescriptor, name: str, value: str) -> int:
    if value in kind.values_by_name:
        number: int = kind.values_by_name[value].number
        return number
    if re.fullmatch(rf"-?\d{{1,{_MAX_DIGITS}}}", value) and int(value) in kind.values_by_number:
        return int(value)
    raise InvalidRequest(f'parsing field "{name}": {value[:_MAX_DIGITS]} is not valid')
