"""Literal types: whether one is castable to another, the type of a literal, the text of a type.

The rules mirror flytepropeller's pkg/compiler/validators/{typing,utils}.go, quirks included: workflows that Flyte
accepts must be accepted here, and users know its errors.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from flyteidl.core import literals_pb2, types_pb2
from google.protobuf import json_format

from flytetemporal import errors
from flytetemporal.idl import attribute_paths, json_schemas, prototext

LiteralType = types_pb2.LiteralType

# Pairs of types that were compared already, by their serialized forms.
_Known: TypeAlias = dict[tuple[bytes, bytes], bool]
_NESTING = ("collection_type", "map_value_type", "union_type")

NONE = LiteralType(simple=types_pb2.NONE)
_PARQUET = "parquet"

# Schema columns have their own enum of types.
_Column = types_pb2.SchemaType.SchemaColumn
_COLUMN_TO_SIMPLE: Mapping[int, int] = {
    _Column.INTEGER: types_pb2.INTEGER,
    _Column.FLOAT: types_pb2.FLOAT,
    _Column.STRING: types_pb2.STRING,
    _Column.BOOLEAN: types_pb2.BOOLEAN,
    _Column.DATETIME: types_pb2.DATETIME,
    _Column.DURATION: types_pb2.DURATION,
}

_PRIMITIVES: Mapping[str, LiteralType] = {
    "integer": LiteralType(simple=types_pb2.INTEGER),
    "float_value": LiteralType(simple=types_pb2.FLOAT),
    "string_value": LiteralType(simple=types_pb2.STRING),
    "boolean": LiteralType(simple=types_pb2.BOOLEAN),
    "datetime": LiteralType(simple=types_pb2.DATETIME),
    "duration": LiteralType(simple=types_pb2.DURATION),
}


def text(literal_type: LiteralType) -> str:
    """Return the type in the form of Flyte's messages, like ``collection_type:{simple:STRING}``.

    JSON schemas and annotations are left out: they can be pages long.
    """
    return prototext.one_line(literal_type, without=("metadata", "annotation")) or "unknown"


def castable(upstream: LiteralType, downstream: LiteralType) -> bool:
    """Whether a value of type ``upstream`` can be bound to a parameter of type ``downstream``.

    The same pairs of types meet again and again in nested unions: each is compared once, or the cost would double with
    every level.
    """
    return _castable(upstream, downstream, {})


def _castable(upstream: LiteralType, downstream: LiteralType, known: _Known) -> bool:
    kind = downstream.WhichOneof("type")
    if kind not in _NESTING and not upstream.union_type.variants:
        return _compare(upstream, downstream, known)
    pair = (upstream.SerializeToString(deterministic=True), downstream.SerializeToString(deterministic=True))
    if pair not in known:
        known[pair] = _compare(upstream, downstream, known)
    return known[pair]


def _compare(upstream: LiteralType, downstream: LiteralType, known: _Known) -> bool:
    variants = upstream.union_type.variants
    if len(variants) == 1 and _castable(variants[0], downstream, known):
        return True
    kind = downstream.WhichOneof("type")
    check = _CHECKS.get(kind) if kind else None
    return check(upstream, downstream, known) if check else _trivially_castable(upstream, downstream)


def is_optional(literal_type: LiteralType) -> bool:
    """Whether a parameter of this type can stay unbound.

    A quirk of Flyte: it reads the simple type of each variant of a union, and for a variant that is not simple that is
    the default, NONE. So a union with a list or a dataset among its variants can stay unbound too.
    """
    return any(variant.simple == types_pb2.NONE for variant in literal_type.union_type.variants)


def infer(literal: literals_pb2.Literal) -> LiteralType:
    """Return the type of a literal; treat it as read-only.

    Raises:
        InvalidRequest: the kind of the literal is unknown.
    """
    match literal.WhichOneof("value"):
        case "scalar":
            return infer_scalar(literal.scalar)
        case "collection":
            return LiteralType(collection_type=_infer_elements(literal.collection.literals))
        case "map":
            return LiteralType(map_value_type=_infer_elements(literal.map.literals.values()))
        case "offloaded_metadata":
            return literal.offloaded_metadata.inferred_type
        case _:
            raise _unknown_literal()


def infer_if_known(literal: literals_pb2.Literal) -> LiteralType | None:
    """Return the type of a literal, or None if its kind is unknown."""
    try:
        return infer(literal)
    except errors.InvalidRequest:
        return None


def infer_scalar(scalar: literals_pb2.Scalar) -> LiteralType:
    """Return the type of a scalar; treat it as read-only.

    Raises:
        InvalidRequest: the kind of the scalar is unknown.
    """
    kind = scalar.WhichOneof("value")
    if kind == "primitive":
        primitive = scalar.primitive.WhichOneof("value")
        if primitive is None:
            raise _unknown_literal()
        return _PRIMITIVES[primitive]
    infer_kind = _SCALARS.get(kind) if kind else None
    if infer_kind is None:
        raise _unknown_literal()
    return infer_kind(scalar)


def _trivially_castable(upstream: LiteralType, downstream: LiteralType) -> bool:
    if _is_enum_for_string(upstream, downstream) or _is_enum_for_string(downstream, upstream):
        return True
    if upstream.structure.tag and upstream.structure.tag != downstream.structure.tag:
        return False
    if _is_struct(upstream) and _is_struct(downstream):
        return _structs_castable(upstream, downstream)
    return _bare(upstream) == _bare(downstream)


def _is_enum_for_string(one: LiteralType, other: LiteralType) -> bool:
    return one.WhichOneof("type") == "enum_type" and _is_simple(other, types_pb2.STRING)


def _is_simple(literal_type: LiteralType, simple: int) -> bool:
    return literal_type.WhichOneof("type") == "simple" and literal_type.simple == simple


def _is_struct(literal_type: LiteralType) -> bool:
    return _is_simple(literal_type, types_pb2.STRUCT)


def _structs_castable(upstream: LiteralType, downstream: LiteralType) -> bool:
    if not upstream.HasField("metadata") or not downstream.HasField("metadata"):
        return True
    if upstream.metadata == downstream.metadata:
        return True
    return json_schemas.accepts(
        json_format.MessageToDict(downstream.metadata), json_format.MessageToDict(upstream.metadata)
    )


def _bare(literal_type: LiteralType) -> LiteralType:
    """Return the type without the fields that do not count for equality."""
    if not any(literal_type.HasField(name) for name in ("structure", "metadata", "annotation")):
        return literal_type
    bare = LiteralType()
    bare.CopyFrom(literal_type)
    for name in ("structure", "metadata", "annotation"):
        bare.ClearField(name)
    return bare


def _castable_to_simple(upstream: LiteralType, downstream: LiteralType, known: _Known) -> bool:
    if downstream.simple == types_pb2.NONE:
        return _is_simple(upstream, types_pb2.NONE)
    return _trivially_castable(upstream, downstream)


def _castable_to_collection(upstream: LiteralType, downstream: LiteralType, known: _Known) -> bool:
    if upstream.WhichOneof("type") != "collection_type":
        return False
    element = upstream.collection_type
    return _is_simple(element, types_pb2.NONE) or _castable(element, downstream.collection_type, known)


def _castable_to_map(upstream: LiteralType, downstream: LiteralType, known: _Known) -> bool:
    if upstream.WhichOneof("type") != "map_value_type":
        return False
    value = upstream.map_value_type
    return _is_simple(value, types_pb2.NONE) or _castable(value, downstream.map_value_type, known)


def _castable_to_blob(upstream: LiteralType, downstream: LiteralType, known: _Known) -> bool:
    if upstream.WhichOneof("type") != "blob":
        return False
    formats = {upstream.blob.format, downstream.blob.format}
    return "" in formats or len(formats) == 1


def _castable_to_schema(upstream: LiteralType, downstream: LiteralType, known: _Known) -> bool:
    match upstream.WhichOneof("type"):
        case "schema":
            pass
        case "structured_dataset_type" if _is_parquet(upstream.structured_dataset_type.format):
            pass
        case _:
            return False
    return _columns_castable(_columns(upstream), _columns(downstream), known)


def _castable_to_structured_dataset(upstream: LiteralType, downstream: LiteralType, known: _Known) -> bool:
    wanted = downstream.structured_dataset_type.format
    match upstream.WhichOneof("type"):
        case "simple":
            return upstream.simple == types_pb2.NONE
        case "schema" if _is_parquet(wanted):
            pass
        case "structured_dataset_type" if _formats_agree(upstream.structured_dataset_type.format, wanted):
            pass
        case _:
            return False
    return _columns_castable(_columns(upstream), _columns(downstream), known)


def _is_parquet(dataset_format: str) -> bool:
    return dataset_format.lower() in ("", _PARQUET)


def _formats_agree(one: str, other: str) -> bool:
    return not one or not other or one.lower() == other.lower()


def _columns(literal_type: LiteralType) -> dict[str, LiteralType]:
    if literal_type.WhichOneof("type") == "schema":
        return {column.name: _column_type(column) for column in literal_type.schema.columns}
    return {column.name: column.literal_type for column in literal_type.structured_dataset_type.columns}


def _column_type(column: types_pb2.SchemaType.SchemaColumn) -> LiteralType:
    simple = _COLUMN_TO_SIMPLE.get(column.type, types_pb2.NONE)
    return LiteralType(simple=types_pb2.SimpleType.Name(simple))


def _columns_castable(
    upstream: Mapping[str, LiteralType], downstream: Mapping[str, LiteralType], known: _Known
) -> bool:
    if not upstream or not downstream:
        return True
    return all(name in upstream and _castable(upstream[name], wanted, known) for name, wanted in downstream.items())


def _castable_to_union(upstream: LiteralType, downstream: LiteralType, known: _Known) -> bool:
    wanted = downstream.union_type.variants
    if upstream.WhichOneof("type") == "union_type":
        return all(
            any(_castable(offered, variant, known) for variant in wanted) for offered in upstream.union_type.variants
        )
    # If two variants accept the value, its variant is ambiguous.
    return sum(_castable(upstream, variant, known) for variant in wanted) == 1


_CHECKS: Mapping[str, Callable[[LiteralType, LiteralType, _Known], bool]] = {
    "simple": _castable_to_simple,
    "collection_type": _castable_to_collection,
    "map_value_type": _castable_to_map,
    "blob": _castable_to_blob,
    "schema": _castable_to_schema,
    "structured_dataset_type": _castable_to_structured_dataset,
    "union_type": _castable_to_union,
}


def _infer_binary(scalar: literals_pb2.Scalar) -> LiteralType:
    is_msgpack = scalar.binary.tag == attribute_paths.MSGPACK
    return LiteralType(simple=types_pb2.STRUCT if is_msgpack else types_pb2.BINARY)


def _infer_blob(scalar: literals_pb2.Scalar) -> LiteralType:
    if not scalar.blob.HasField("metadata"):
        raise _unknown_literal()
    return LiteralType(blob=scalar.blob.metadata.type)


def _infer_union(scalar: literals_pb2.Scalar) -> LiteralType:
    return LiteralType(union_type=types_pb2.UnionType(variants=[scalar.union.type]))


_SCALARS: Mapping[str, Callable[[literals_pb2.Scalar], LiteralType]] = {
    "none_type": lambda _: NONE,
    "error": lambda _: LiteralType(simple=types_pb2.ERROR),
    "generic": lambda _: LiteralType(simple=types_pb2.STRUCT),
    "binary": _infer_binary,
    "blob": _infer_blob,
    "schema": lambda scalar: LiteralType(schema=scalar.schema.type),
    "structured_dataset": lambda scalar: LiteralType(
        structured_dataset_type=scalar.structured_dataset.metadata.structured_dataset_type
    ),
    "union": _infer_union,
}


def _infer_elements(elements: Iterable[literals_pb2.Literal]) -> LiteralType:
    """Return the common type of all elements, or the union of their types.

    Types are sorted by their text, so that the result does not depend on the order of map entries.
    """
    found: dict[bytes, LiteralType] = {}
    empty: LiteralType | None = None
    for element in elements:
        literal_type = infer(element)
        if _is_empty(element):
            empty = literal_type
        else:
            found.setdefault(literal_type.SerializeToString(deterministic=True), literal_type)
    distinct = sorted(found.values(), key=text)
    if not distinct:
        return empty if empty is not None else NONE
    return distinct[0] if len(distinct) == 1 else _merged(distinct)


def _is_empty(literal: literals_pb2.Literal) -> bool:
    kind = literal.WhichOneof("value")
    if kind == "collection":
        return not literal.collection.literals
    return kind == "map" and not literal.map.literals


def _merged(distinct: list[LiteralType]) -> LiteralType:
    """Return the union of several types; lists of different types become one list of a union, and likewise maps."""
    kinds = {literal_type.WhichOneof("type") for literal_type in distinct}
    if kinds == {"collection_type"}:
        return LiteralType(collection_type=_union([literal_type.collection_type for literal_type in distinct]))
    if kinds == {"map_value_type"}:
        return LiteralType(map_value_type=_union([literal_type.map_value_type for literal_type in distinct]))
    return _union(distinct)


def _union(members: list[LiteralType]) -> LiteralType:
    variants: dict[bytes, LiteralType] = {}
    for member in members:
        for variant in list(member.union_type.variants) or [member]:
            variants.setdefault(variant.SerializeToString(deterministic=True), variant)
    ordered = sorted(variants.values(), key=text)
    return LiteralType(union_type=types_pb2.UnionType(variants=ordered))


def _unknown_literal() -> errors.InvalidRequest:
    return errors.InvalidRequest("unknown literal type; update the image or the client that wrote it")
