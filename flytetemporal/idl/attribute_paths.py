"""Walk an attribute path into a literal: maps, collections, msgpack values and protobuf structs.

The rules mirror flytepropeller's pkg/controller/nodes/attr_path_resolver.go, with one exception: a key where a list
needs an index is an error. Flyte takes it as index 0, because the unset integer of the step is 0.
"""

from collections.abc import Callable, Sequence

import msgpack
from flyteidl.core import literals_pb2, types_pb2
from google.protobuf import struct_pb2

from flytetemporal import errors
from flytetemporal.idl import offloading

MSGPACK = "msgpack"

# msgpack ships no type hints; these declarations stand in for them.
_decode: Callable[..., object] = msgpack.loads
_encode: Callable[..., bytes] = msgpack.dumps

_INT64_MAX = (1 << 63) - 1
_INT64_MIN = -(1 << 63)

Path = Sequence[types_pb2.PromiseAttribute]


def walk(
    literal: literals_pb2.Literal, path: Path, node_id: str, loaded: offloading.Loaded = offloading.NOTHING_LOADED
) -> literals_pb2.Literal:
    """Return the value at ``path`` inside ``literal``, an output of the node ``node_id``.

    Remaining steps on a primitive, a blob or another value without parts are ignored. An offloaded value at the end of
    the path stays a reference, unless the walk has to convert it (msgpack and structs become plain literals).

    Raises:
        ValueOffloaded: the path leads through an offloaded value that is not among ``loaded``.
        ResolutionFailed: a key or index does not exist, or a value on the path cannot be decoded.
    """
    for position, step in enumerate(path):
        literal = offloading.dereferenced(literal, loaded)
        kind = literal.WhichOneof("value")
        if kind == "map":
            literal = _entry(literal.map, step, node_id)
        elif kind == "collection":
            literal = _element(literal.collection, step, node_id)
        else:
            return _inside(literal, path[position:], node_id)
    if offloading.is_offloaded(literal) and not offloading.may_be_structure(literal):
        return literal
    return _inside(offloading.dereferenced(literal, loaded), (), node_id)


def failure(code: str, node_id: str, text: str) -> errors.ResolutionFailed:
    """Return the error for an output of ``node_id`` that cannot be resolved, in Flyte's form."""
    return errors.ResolutionFailed(f"failed at Node[{node_id}]. {code}: {text}")


def _failure(node_id: str, text: str) -> errors.ResolutionFailed:
    return failure("PromiseAttributeResolveError", node_id, text)


def _entry(values: literals_pb2.LiteralMap, step: types_pb2.PromiseAttribute, node_id: str) -> literals_pb2.Literal:
    key = step.string_value
    if key not in values.literals:
        raise _failure(node_id, f"key [{key}] does not exist in the map")
    return values.literals[key]


def _element(
    values: literals_pb2.LiteralCollection, step: types_pb2.PromiseAttribute, node_id: str
) -> literals_pb2.Literal:
    return values.literals[_index(step, len(values.literals), node_id)]


def _index(step: types_pb2.PromiseAttribute, length: int, node_id: str) -> int:
    if step.WhichOneof("value") != "int_value":
        raise _failure(node_id, f"a list has no key [{step.string_value}]; give an index")
    if not 0 <= step.int_value < length:
        raise _failure(node_id, f"index [{step.int_value}] is out of range of a list of {length}")
    return step.int_value


def _inside(literal: literals_pb2.Literal, path: Path, node_id: str) -> literals_pb2.Literal:
    kind = literal.scalar.WhichOneof("value") if literal.HasField("scalar") else None
    if kind == "binary":
        return _inside_binary(literal.scalar.binary, path, node_id)
    if kind == "generic":
        return _inside_struct(literal.scalar.generic, path, node_id)
    return literal


def _inside_binary(binary: literals_pb2.Binary, path: Path, node_id: str) -> literals_pb2.Literal:
    if binary.tag != MSGPACK:
        raise _failure(node_id, f"attributes of a binary value tagged [{binary.tag}] cannot be read, only {MSGPACK}")
    try:
        value = _decode(binary.value, raw=False, strict_map_key=False)
    # TypeError: a key of a map that cannot be one in Python, such as a list.
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise _failure(node_id, f"the {MSGPACK} value cannot be decoded: {error}") from error
    for step in path:
        value = _unpacked_child(value, step, node_id)
    return _unpacked_literal(value, node_id)


def _unpacked_child(value: object, step: types_pb2.PromiseAttribute, node_id: str) -> object:
    if isinstance(value, list):
        return value[_index(step, len(value), node_id)]
    if not isinstance(value, dict):
        raise _failure(node_id, f"a {type(value).__name__} has no attributes")
    if step.WhichOneof("value") != "string_value":
        raise _failure(node_id, f"a map has no index [{step.int_value}]; give a key")
    if step.string_value not in value:
        raise _failure(node_id, f"key [{step.string_value}] does not exist in the map")
    child: object = value[step.string_value]
    return child


def _unpacked_literal(value: object, node_id: str) -> literals_pb2.Literal:
    if isinstance(value, list):
        literals = [_packed(element, node_id) for element in value]
        return literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=literals))
    if isinstance(value, bool):
        return _primitive(literals_pb2.Primitive(boolean=value))
    if isinstance(value, int):
        if not _INT64_MIN <= value <= _INT64_MAX:
            raise failure("InvalidPrimitiveType", node_id, f"{value} does not fit a 64-bit integer")
        return _primitive(literals_pb2.Primitive(integer=value))
    if isinstance(value, float):
        return _primitive(literals_pb2.Primitive(float_value=value))
    if isinstance(value, str):
        return _primitive(literals_pb2.Primitive(string_value=value))
    return _packed(value, node_id)


def _packed(value: object, node_id: str) -> literals_pb2.Literal:
    try:
        binary = literals_pb2.Binary(value=_encode(value), tag=MSGPACK)
    except (ValueError, TypeError, OverflowError) as error:
        raise _failure(node_id, f"a part of the {MSGPACK} value cannot be encoded: {error}") from error
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(binary=binary))


def _primitive(primitive: literals_pb2.Primitive) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=primitive))


def _inside_struct(struct: struct_pb2.Struct, path: Path, node_id: str) -> literals_pb2.Literal:
    value = struct_pb2.Value(struct_value=struct)
    for step in path:
        kind = value.WhichOneof("kind")
        if kind == "struct_value":
            value = _field(value.struct_value, step, node_id)
        elif kind == "list_value":
            elements = value.list_value.values
            value = elements[_index(step, len(elements), node_id)]
        else:
            break
    return _value_literal(value)


def _field(struct: struct_pb2.Struct, step: types_pb2.PromiseAttribute, node_id: str) -> struct_pb2.Value:
    if step.WhichOneof("value") != "string_value":
        raise _failure(node_id, f"an object has no index [{step.int_value}]; give a key")
    if step.string_value not in struct.fields:
        raise _failure(node_id, f"key [{step.string_value}] does not exist in the object")
    return struct.fields[step.string_value]


def _value_literal(value: struct_pb2.Value) -> literals_pb2.Literal:
    match value.WhichOneof("kind"):
        case "struct_value":
            return literals_pb2.Literal(scalar=literals_pb2.Scalar(generic=value.struct_value))
        case "list_value":
            literals = [_value_literal(element) for element in value.list_value.values]
            return literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=literals))
        case "number_value":
            return _primitive(literals_pb2.Primitive(float_value=value.number_value))
        case "string_value":
            return _primitive(literals_pb2.Primitive(string_value=value.string_value))
        case "bool_value":
            return _primitive(literals_pb2.Primitive(boolean=value.bool_value))
        case _:
            return literals_pb2.Literal()
