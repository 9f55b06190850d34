"""Hypothesis strategies for FlyteIDL messages: literals, types, and workflows whose nodes form a DAG."""

from dataclasses import dataclass

from flyteidl.core import identifier_pb2, interface_pb2, literals_pb2, tasks_pb2, types_pb2, workflow_pb2
from google.protobuf import duration_pb2, struct_pb2, timestamp_pb2
from hypothesis import strategies as st

from tests.fixtures.templates import INT, promise, variables

LiteralType = types_pb2.LiteralType

names = st.text("abcdefghijklmnopqrstuvwxyz_0123456789", min_size=1, max_size=8)
integers = st.integers(min_value=-(2**63), max_value=2**63 - 1)
seconds = st.integers(min_value=-(2**31), max_value=2**31)
texts = st.text(max_size=20)
finite = st.floats(allow_nan=False, allow_infinity=False)

primitives = st.one_of(
    st.builds(literals_pb2.Primitive, integer=integers),
    st.builds(literals_pb2.Primitive, float_value=st.floats(allow_nan=False)),
    st.builds(literals_pb2.Primitive, string_value=texts),
    st.builds(literals_pb2.Primitive, boolean=st.booleans()),
    st.builds(literals_pb2.Primitive, datetime=st.builds(timestamp_pb2.Timestamp, seconds=seconds)),
    st.builds(literals_pb2.Primitive, duration=st.builds(duration_pb2.Duration, seconds=seconds)),
)

json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), finite, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=10,
)


def _struct(fields: dict[str, float | str]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(fields)
    return struct


simple_types = st.sampled_from(list(types_pb2.SimpleType.keys())).map(lambda name: LiteralType(simple=name))
blob_types = st.builds(
    LiteralType,
    blob=st.builds(types_pb2.BlobType, format=names, dimensionality=st.sampled_from(["SINGLE", "MULTIPART"])),
)
enum_types = st.builds(
    LiteralType, enum_type=st.builds(types_pb2.EnumType, values=st.lists(names, min_size=1, max_size=3, unique=True))
)
schema_types = st.builds(
    LiteralType,
    schema=st.builds(
        types_pb2.SchemaType,
        columns=st.lists(
            st.builds(
                types_pb2.SchemaType.SchemaColumn,
                name=names,
                type=st.sampled_from(types_pb2.SchemaType.SchemaColumn.SchemaColumnType.keys()),
            ),
            max_size=3,
            unique_by=lambda column: column.name,
        ),
    ),
)
dataset_types = st.builds(
    LiteralType,
    structured_dataset_type=st.builds(
        types_pb2.StructuredDatasetType,
        format=st.sampled_from(["", "parquet", "csv"]),
        columns=st.lists(
            st.builds(types_pb2.StructuredDatasetType.DatasetColumn, name=names, literal_type=simple_types),
            max_size=3,
            unique_by=lambda column: column.name,
        ),
    ),
)
plain_types = st.one_of(simple_types, blob_types, enum_types, schema_types, dataset_types)


def _nested(inner: st.SearchStrategy[LiteralType]) -> st.SearchStrategy[LiteralType]:
    return st.one_of(
        st.builds(LiteralType, collection_type=inner),
        st.builds(LiteralType, map_value_type=inner),
    )


types = st.recursive(plain_types, _nested, max_leaves=4)
"""Types without unions: a union with overlapping variants is not castable to itself, in Flyte and here."""

scalars = st.one_of(
    st.builds(literals_pb2.Scalar, primitive=primitives),
    st.just(literals_pb2.Scalar(none_type=literals_pb2.Void())),
    st.builds(literals_pb2.Scalar, generic=st.dictionaries(names, finite | texts).map(_struct)),
    st.builds(
        literals_pb2.Scalar, binary=st.builds(literals_pb2.Binary, value=st.binary(max_size=10), tag=st.just("bytes"))
    ),
    st.builds(
        literals_pb2.Scalar,
        blob=st.builds(
            literals_pb2.Blob,
            uri=names,
            metadata=st.builds(literals_pb2.BlobMetadata, type=st.builds(types_pb2.BlobType, format=names)),
        ),
    ),
)


def _containers(inner: st.SearchStrategy[literals_pb2.Literal]) -> st.SearchStrategy[literals_pb2.Literal]:
    collections = st.builds(literals_pb2.LiteralCollection, literals=st.lists(inner, max_size=4))
    maps = st.builds(literals_pb2.LiteralMap, literals=st.dictionaries(names, inner, max_size=4))
    return st.one_of(st.builds(literals_pb2.Literal, collection=collections), st.builds(literals_pb2.Literal, map=maps))


literals = st.recursive(st.builds(literals_pb2.Literal, scalar=scalars), _containers, max_leaves=8)
literal_maps = st.builds(literals_pb2.LiteralMap, literals=st.dictionaries(names, literals, max_size=4))


def identifier(resource_type: int, name: str) -> identifier_pb2.Identifier:
    """Return the identifier of an entity of one project, domain and version."""
    return identifier_pb2.Identifier(
        resource_type=identifier_pb2.ResourceType.Name(resource_type),
        project="flytesnacks",
        domain="development",
        name=name,
        version="v1",
    )


SUM_TASK = tasks_pb2.TaskTemplate(
    id=identifier(identifier_pb2.TASK, "sum"),
    type="python-task",
    metadata=tasks_pb2.TaskMetadata(),
    interface=interface_pb2.TypedInterface(
        inputs=variables(values=LiteralType(collection_type=INT)), outputs=variables(o0=INT)
    ),
    container=tasks_pb2.Container(image="local:1", args=["true"]),
)
"""A task that takes any number of integers; the nodes of ``dags`` run it."""


@dataclass(frozen=True, slots=True)
class Dag:
    """A workflow and the edges between its own nodes as (provider, consumer)."""

    template: workflow_pb2.WorkflowTemplate
    edges: frozenset[tuple[str, str]]


@st.composite
def dags(draw: st.DrawFn, max_nodes: int = 12) -> Dag:
    """Draw a workflow whose edges are data or order, its nodes listed in any order."""
    count = draw(st.integers(min_value=1, max_value=max_nodes))
    built, edges = [], set[tuple[str, str]]()
    for index in range(count):
        earlier = st.integers(min_value=0, max_value=max(index - 1, 0))
        data = draw(st.sets(earlier, max_size=3 if index else 0))
        order = draw(st.sets(earlier, max_size=2 if index else 0))
        edges |= {(f"n{provider}", f"n{index}") for provider in data | order}
        built.append(_sum_node(index, sorted(data), sorted(order)))
    last = literals_pb2.Binding(var="o0", binding=promise(f"n{count - 1}", "o0"))
    template = workflow_pb2.WorkflowTemplate(
        id=identifier(identifier_pb2.WORKFLOW, "dag"),
        metadata=workflow_pb2.WorkflowMetadata(),
        interface=interface_pb2.TypedInterface(inputs=variables(a=INT), outputs=variables(o0=INT)),
        nodes=draw(st.permutations(built)),
        outputs=[last],
    )
    return Dag(template, frozenset(edges))


def _sum_node(index: int, data: list[int], order: list[int]) -> workflow_pb2.Node:
    elements = [promise(f"n{provider}", "o0") for provider in data]
    collection = literals_pb2.BindingDataCollection(bindings=elements or [promise("", "a")])
    return workflow_pb2.Node(
        id=f"n{index}",
        metadata=workflow_pb2.NodeMetadata(name="sum"),
        inputs=[literals_pb2.Binding(var="values", binding=literals_pb2.BindingData(collection=collection))],
        upstream_node_ids=[f"n{provider}" for provider in order],
        task_node=workflow_pb2.TaskNode(reference_id=SUM_TASK.id),
    )
