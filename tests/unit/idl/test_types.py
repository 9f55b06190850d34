from typing import Any

import pytest
from flyteidl.core import literals_pb2, types_pb2
from google.protobuf import struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from flytetemporal import errors
from flytetemporal.idl import types
from tests import strategies
from tests.fixtures.effort import calls

LiteralType = types_pb2.LiteralType
Column = types_pb2.SchemaType.SchemaColumn
DatasetColumn = types_pb2.StructuredDatasetType.DatasetColumn

NONE = LiteralType(simple=types_pb2.NONE)
INT = LiteralType(simple=types_pb2.INTEGER)
FLOAT = LiteralType(simple=types_pb2.FLOAT)
STR = LiteralType(simple=types_pb2.STRING)
DATETIME = LiteralType(simple=types_pb2.DATETIME)
BINARY = LiteralType(simple=types_pb2.BINARY)
STRUCT = LiteralType(simple=types_pb2.STRUCT)


def collection(element: LiteralType) -> LiteralType:
    return LiteralType(collection_type=element)


def mapping(value: LiteralType) -> LiteralType:
    return LiteralType(map_value_type=value)


def union(*variants: LiteralType) -> LiteralType:
    return LiteralType(union_type=types_pb2.UnionType(variants=variants))


def enum(*values: str) -> LiteralType:
    return LiteralType(enum_type=types_pb2.EnumType(values=values))


def blob(blob_format: str, dimensionality: str = "SINGLE") -> LiteralType:
    return LiteralType(blob=types_pb2.BlobType(format=blob_format, dimensionality=dimensionality))


def schema(**columns: str) -> LiteralType:
    return LiteralType(
        schema=types_pb2.SchemaType(columns=[Column(name=name, type=kind) for name, kind in columns.items()])
    )


def dataset(dataset_format: str, **columns: LiteralType) -> LiteralType:
    found = [DatasetColumn(name=name, literal_type=kind) for name, kind in columns.items()]
    return LiteralType(structured_dataset_type=types_pb2.StructuredDatasetType(format=dataset_format, columns=found))


def tagged(literal_type: LiteralType, tag: str) -> LiteralType:
    copy = LiteralType()
    copy.CopyFrom(literal_type)
    copy.structure.tag = tag
    return copy


def dataclass(json_schema: dict[str, Any]) -> LiteralType:
    metadata = struct_pb2.Struct()
    metadata.update(json_schema)
    return LiteralType(simple=types_pb2.STRUCT, metadata=metadata)


def properties(**kinds: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": kind} for name, kind in kinds.items()}}


SMALL = properties(a="integer")
BIG = properties(a="integer", b="string")

CASTABLE = [
    (NONE, NONE),
    (NONE, union(INT, NONE)),
    (NONE, dataset("parquet")),
    (INT, union(INT, NONE)),
    (INT, union(STR, tagged(INT, "int"))),
    (union(INT, NONE), union(NONE, STR, INT)),
    (union(INT), INT),
    (union(INT), union(INT, STR)),
    (collection(NONE), collection(INT)),
    (mapping(NONE), mapping(collection(STR))),
    (collection(mapping(INT)), collection(mapping(INT))),
    (enum("a", "b"), enum("a", "b")),
    (enum("a", "b"), STR),
    (STR, enum("a", "b")),
    (blob("csv"), blob("csv", "MULTIPART")),
    (blob(""), blob("csv")),
    (blob("csv"), blob("")),
    (schema(a="INTEGER", b="STRING"), schema(a="INTEGER")),
    (schema(), schema(a="INTEGER")),
    (schema(a="INTEGER"), schema()),
    (dataset("Parquet", a=INT), schema(a="INTEGER")),
    (dataset("", a=DATETIME), schema(a="DATETIME")),
    (schema(a="INTEGER"), dataset("parquet", a=INT)),
    (schema(a="INTEGER"), dataset("", a=INT)),
    (dataset("CSV", a=INT, b=STR), dataset("csv", a=INT)),
    (dataset(""), dataset("csv", a=INT)),
    (STRUCT, dataclass(SMALL)),
    (dataclass(BIG), dataclass(BIG)),
    (dataclass(BIG), dataclass(SMALL)),
    (STRUCT, tagged(STRUCT, "X")),
]

NOT_CASTABLE = [
    (INT, FLOAT),
    (FLOAT, INT),
    (INT, NONE),
    (NONE, INT),
    (NONE, collection(INT)),
    (NONE, blob("")),
    (NONE, schema()),
    (union(INT, NONE), INT),
    (union(INT, NONE), union(INT, STR)),
    (enum("a"), union(STR, enum("a"))),
    (STR, union(STR, enum("a"))),
    (tagged(enum("a"), "color"), union(tagged(STR, "str"), tagged(enum("a"), "color"))),
    (enum("a", "b"), enum("b", "a")),
    (collection(INT), INT),
    (INT, collection(INT)),
    (collection(INT), collection(STR)),
    (mapping(INT), collection(INT)),
    (blob("csv"), blob("json")),
    (INT, blob("")),
    (schema(a="INTEGER"), schema(a="STRING")),
    (schema(a="INTEGER"), schema(b="INTEGER")),
    (dataset("csv", a=INT), schema(a="INTEGER")),
    (schema(a="INTEGER"), dataset("csv")),
    (dataset("csv"), dataset("parquet")),
    (dataset("csv", a=INT), dataset("csv", a=STR)),
    (INT, schema()),
    (INT, dataset("")),
    (STRUCT, BINARY),
    (BINARY, STRUCT),
    (tagged(STRUCT, "X"), tagged(STRUCT, "Y")),
    (dataclass(SMALL), dataclass(BIG)),
    (dataclass(properties(a="string")), dataclass(SMALL)),
]


def titled(pair: tuple[LiteralType, LiteralType]) -> str:
    return " -> ".join(map(types.text, pair))


@pytest.mark.parametrize("pair", CASTABLE, ids=titled)
def test_castable(pair: tuple[LiteralType, LiteralType]) -> None:
    assert types.castable(*pair)


@pytest.mark.parametrize("pair", NOT_CASTABLE, ids=titled)
def test_not_castable(pair: tuple[LiteralType, LiteralType]) -> None:
    assert not types.castable(*pair)


@given(strategies.types)
def test_every_type_fits_itself(literal_type: LiteralType) -> None:
    assert types.castable(literal_type, literal_type)


@given(strategies.types, strategies.types)
def test_a_container_fits_as_its_element_does(upstream: LiteralType, downstream: LiteralType) -> None:
    fits = types.castable(upstream, downstream) or upstream == NONE

    assert types.castable(collection(upstream), collection(downstream)) is fits
    assert types.castable(mapping(upstream), mapping(downstream)) is fits


@given(strategies.types)
def test_annotations_and_schemas_change_nothing_for_a_type_itself(literal_type: LiteralType) -> None:
    annotated = LiteralType()
    annotated.CopyFrom(literal_type)
    annotated.annotation.annotations.update({"note": "any"})

    assert types.castable(annotated, literal_type)
    assert types.castable(literal_type, annotated)


@given(strategies.literals)
def test_the_inferred_type_of_a_literal_fits_itself_unless_it_is_ambiguous(literal: literals_pb2.Literal) -> None:
    inferred = types.infer(literal)

    assert types.castable(inferred, inferred) or "union_type" in types.text(inferred)


def scalar(**value: Any) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(**value))


def listed(*elements: literals_pb2.Literal) -> literals_pb2.Literal:
    return literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=elements))


ONE = scalar(primitive=literals_pb2.Primitive(integer=1))
TEXT = scalar(primitive=literals_pb2.Primitive(string_value="a"))


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        (ONE, "simple:INTEGER"),
        (scalar(none_type=literals_pb2.Void()), "simple:NONE"),
        (scalar(error=types_pb2.Error()), "simple:ERROR"),
        (scalar(generic=struct_pb2.Struct()), "simple:STRUCT"),
        (scalar(binary=literals_pb2.Binary(tag="msgpack")), "simple:STRUCT"),
        (scalar(binary=literals_pb2.Binary(tag="other")), "simple:BINARY"),
        (
            scalar(blob=literals_pb2.Blob(metadata=literals_pb2.BlobMetadata(type=blob("csv").blob))),
            'blob:{format:"csv"}',
        ),
        (scalar(schema=literals_pb2.Schema(type=schema(a="INTEGER").schema)), 'schema:{columns:{name:"a"}}'),
        (scalar(union=literals_pb2.Union(type=INT)), "union_type:{variants:{simple:INTEGER}}"),
        (listed(ONE, ONE), "collection_type:{simple:INTEGER}"),
        (listed(), "collection_type:{simple:NONE}"),
        (listed(ONE, TEXT), "collection_type:{union_type:{variants:{simple:INTEGER} variants:{simple:STRING}}}"),
        (listed(listed(), listed(ONE)), "collection_type:{collection_type:{simple:INTEGER}}"),
        (
            listed(listed(ONE), listed(TEXT)),
            "collection_type:{collection_type:{union_type:{variants:{simple:INTEGER} variants:{simple:STRING}}}}",
        ),
        (
            literals_pb2.Literal(map=literals_pb2.LiteralMap(literals={"a": ONE})),
            "map_value_type:{simple:INTEGER}",
        ),
        (
            literals_pb2.Literal(offloaded_metadata=literals_pb2.LiteralOffloadedMetadata(inferred_type=STR)),
            "simple:STRING",
        ),
    ],
)
def test_the_type_of_a_literal(literal: literals_pb2.Literal, expected: str) -> None:
    assert types.text(types.infer(literal)) == expected


@pytest.mark.parametrize(
    "literal",
    [
        literals_pb2.Literal(),
        scalar(),
        scalar(primitive=literals_pb2.Primitive()),
        scalar(blob=literals_pb2.Blob()),
        listed(literals_pb2.Literal()),
    ],
)
def test_a_literal_of_no_known_kind_is_refused(literal: literals_pb2.Literal) -> None:
    with pytest.raises(errors.InvalidRequest, match="unknown literal type"):
        types.infer(literal)


@given(st.sampled_from([NONE, *map(collection, (INT, STR)), blob(""), enum("a")]))
def test_a_union_with_none_or_a_variant_that_is_not_simple_may_stay_unbound(variant: LiteralType) -> None:
    assert types.is_optional(union(INT, variant))
    assert not types.is_optional(union(INT, STR))
    assert not types.is_optional(variant)


def test_texts_leave_out_json_schemas() -> None:
    assert types.text(tagged(dataclass(BIG), "X")) == 'simple:STRUCT structure:{tag:"X"}'


def nested_union(levels: int, leaf: LiteralType) -> LiteralType:
    kind = leaf
    for _ in range(levels):
        kind = LiteralType(union_type=types_pb2.UnionType(variants=[kind]))
    return kind


@pytest.mark.parametrize("leaf", [types_pb2.INTEGER, types_pb2.STRING])
def test_nested_unions_are_compared_once_a_level(leaf: int) -> None:
    downstream = nested_union(30, LiteralType(simple=types_pb2.INTEGER))
    upstream = nested_union(30, LiteralType(simple=leaf))  # type: ignore[arg-type]

    assert types.castable(upstream, downstream) is (leaf == types_pb2.INTEGER)
    assert calls(lambda: types.castable(upstream, downstream)) < 50_000
