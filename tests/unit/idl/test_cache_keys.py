import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import msgpack
import pytest
from flyteidl.core import identifier_pb2, interface_pb2, literals_pb2, tasks_pb2, types_pb2
from flyteidl.core.literals_pb2 import Literal, LiteralMap
from flyteidl.core.types_pb2 import LiteralType

from flytetemporal import errors
from flytetemporal.idl import cache_keys, offloading
from tests.fixtures import templates

INT, STR = templates.INT, templates.STR


def integer(value: int, **fields: Any) -> Literal:
    primitive = literals_pb2.Primitive(integer=value)
    return Literal(scalar=literals_pb2.Scalar(primitive=primitive), **fields)


def inputs(**literals: Literal) -> LiteralMap:
    return LiteralMap(literals=literals)


def cached(name: str = "t", *, version: str = "1", ignored: Sequence[str] = (), **variables: Any) -> Any:
    template = templates.task_template(name, {"a": INT, **variables}, {"o0": INT})
    template.metadata.discoverable = True
    template.metadata.discovery_version = version
    template.metadata.cache_ignore_input_vars.extend(ignored)
    return template


def packed(value: object) -> Literal:
    dumps: Callable[[object], bytes] = msgpack.dumps
    return Literal(scalar=literals_pb2.Scalar(binary=literals_pb2.Binary(value=dumps(value), tag="msgpack")))


def collection(*elements: Literal) -> Literal:
    return Literal(collection=literals_pb2.LiteralCollection(literals=elements))


def mapping(**elements: Literal) -> Literal:
    return Literal(map=LiteralMap(literals=elements))


def union(value: Literal) -> Literal:
    return Literal(scalar=literals_pb2.Scalar(union=literals_pb2.Union(value=value, type=INT)))


@pytest.mark.parametrize(
    ("template", "given", "version", "tag"),
    [
        (
            cached("cases.runtime.slow_square"),
            inputs(a=integer(45353)),
            "1-rJudYX8l-PmK8qF6C",
            "flyte_cached-pjXOycdccr0m20TRNWNhi39kOAgvG0LbMOhag1Yop2c",
        ),
        (
            cached("cases.runtime.ignoring", ignored=["noise"], noise=INT),
            inputs(a=integer(45354), noise=integer(0)),
            "1-fsZHZHZl-PmK8qF6C",
            "flyte_cached-Sylqn_rABWfcUN6nx3MU0z-Y4O4HZlayluBYtgWiCEQ",
        ),
    ],
)
def test_keys_are_those_that_a_real_flyte_reported(
    template: tasks_pb2.TaskTemplate, given: LiteralMap, version: str, tag: str
) -> None:
    found = cache_keys.cache_key(template, given)

    assert found == cache_keys.CacheKey(
        project="flytesnacks",
        domain="development",
        name=f"flyte_task-{template.id.name}",
        version=version,
        tag=tag,
    )


@pytest.mark.parametrize(
    ("variables", "expected"), [({}, "1.0.0-GKw-c0Pw-GKw-c0Pw"), ({"1": INT, "2": INT}, "1.0.0-UxVtPm0k-GKw-c0Pw")]
)
def test_the_version_of_a_dataset_is_flytes(variables: dict[str, LiteralType], expected: str) -> None:
    template = tasks_pb2.TaskTemplate(interface=templates.interface(variables))
    template.metadata.discovery_version = "  1.0.0 "

    assert cache_keys.dataset_version(template) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (LiteralMap(), "flyte_cached-GKw-c0PwFokMUQ6T-TUmEWnZ4_VlQ2Qpgw-vCTT0-OQ"),
        (inputs(x=integer(3)), "flyte_cached--AVfAEAm0NEd4FA8EqwJBYAE8mrSI02h36cFEK8vp7U"),
        (inputs(df=integer(1, hash="abc")), "flyte_cached-eUVDeAH5Sh2qaFKfOewkB-ErQfgbN58ONscEmkECgAw"),
    ],
)
def test_the_tag_is_flytes(given: LiteralMap, expected: str) -> None:
    assert cache_keys.tag(given) == expected


def test_ignored_inputs_are_as_good_as_not_given() -> None:
    assert cache_keys.tag(inputs(x=integer(1), y=integer(2)), ["x", "y"]) == cache_keys.tag(LiteralMap())


@pytest.mark.parametrize("container", [collection, lambda value: mapping(k=value), lambda v: collection(mapping(k=v))])
def test_a_hash_stands_for_its_value_inside_of_containers(container: Any) -> None:
    one, two = (cache_keys.tag(inputs(x=container(integer(value, hash="h")))) for value in (1, 2))

    assert one == two
    assert one != cache_keys.tag(inputs(x=container(integer(1, hash="other"))))


def test_a_hash_inside_of_a_union_does_not_count_as_in_flyte() -> None:
    one, two = (cache_keys.tag(inputs(x=union(integer(value, hash="h")))) for value in (1, 2))

    assert one != two


def test_fields_of_a_container_do_not_count_as_in_flyte_but_those_of_a_leaf_do() -> None:
    plain, marked = collection(integer(1)), collection(integer(1))
    marked.metadata["k"] = "v"

    assert cache_keys.tag(inputs(x=plain)) == cache_keys.tag(inputs(x=marked))
    assert cache_keys.tag(inputs(x=integer(1))) != cache_keys.tag(inputs(x=integer(1, metadata={"k": "v"})))


def test_an_empty_list_and_an_empty_map_are_not_the_same() -> None:
    assert cache_keys.tag(inputs(x=collection())) != cache_keys.tag(inputs(x=mapping()))


def test_an_offloaded_value_is_found_wherever_it_is_stored() -> None:
    value = collection(*[integer(n) for n in range(100)])
    here, there = (offloading.reference(value, f"s3://bucket/{name}", None) for name in ("here", "there"))
    other = offloading.reference(collection(integer(1)), "s3://bucket/here", None)

    assert cache_keys.tag(inputs(x=here)) == cache_keys.tag(inputs(x=there))
    assert cache_keys.tag(inputs(x=here)) != cache_keys.tag(inputs(x=other))


def test_an_offloaded_value_keeps_the_hash_that_its_type_gave_it() -> None:
    value = integer(1, hash="abc")

    assert cache_keys.tag(inputs(df=offloading.reference(value, "s3://b/x", None))) == cache_keys.tag(inputs(df=value))


def described(kind: LiteralType) -> LiteralType:
    kind = LiteralType.FromString(kind.SerializeToString())
    kind.metadata.update({"title": "A"})
    kind.annotation.annotations.update({"color": "red"})
    return kind


COLUMNS = types_pb2.StructuredDatasetType.DatasetColumn


@pytest.mark.parametrize(
    "wrap",
    [
        lambda kind: kind,
        lambda kind: LiteralType(collection_type=kind),
        lambda kind: LiteralType(map_value_type=kind),
        lambda kind: LiteralType(union_type=types_pb2.UnionType(variants=[kind, STR])),
        lambda kind: LiteralType(simple=types_pb2.STRUCT, structure={"dataclass_type": {"f": kind}}),
        lambda kind: LiteralType(structured_dataset_type={"columns": [COLUMNS(name="c", literal_type=kind)]}),
    ],
)
def test_what_only_describes_a_type_does_not_count(wrap: Any) -> None:
    plain, annotated = (cached(x=wrap(kind)) for kind in (INT, described(INT)))
    annotated.interface.inputs.variables["x"].description = "the x"
    before = annotated.SerializeToString(deterministic=True)

    assert cache_keys.dataset_version(annotated) == cache_keys.dataset_version(plain)
    assert cache_keys.dataset_version(plain) != cache_keys.dataset_version(cached(x=wrap(STR)))
    assert annotated.SerializeToString(deterministic=True) == before


def test_an_annotation_made_for_the_key_counts() -> None:
    kind = LiteralType(simple=types_pb2.STRUCT)
    kind.annotation.annotations.update({"cache-key-metadata": {"included_attributes": ["a"]}})

    plain = cached(x=LiteralType(simple=types_pb2.STRUCT))
    assert cache_keys.dataset_version(cached(x=kind)) != cache_keys.dataset_version(plain)


@pytest.mark.parametrize("version", ["", "   "])
def test_a_task_without_a_cache_version_has_no_key(version: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=r"task .*t.* is cached, but has no cache version"):
        cache_keys.cache_key(cached(version=version), inputs(a=integer(1)))


FORWARDS = {"a": 1, "b": {"c": [1.5, {"x": None, "y": True}], "d": "text"}}
BACKWARDS = {"b": {"d": "text", "c": [1.5, {"y": True, "x": None}]}, "a": 1}


@pytest.mark.parametrize("place", [lambda v: v, collection, lambda v: mapping(k=v), union])
def test_a_dataclass_is_found_in_whatever_order_its_fields_were_set(place: Any) -> None:
    one, two = (cache_keys.cache_key(cached(), inputs(a=place(packed(value)))) for value in (FORWARDS, BACKWARDS))

    assert one.tag != two.tag  # Flyte's miss.
    assert one.unordered_tag == two.unordered_tag != ""
    assert one.tags == (one.tag, one.unordered_tag)


@pytest.mark.parametrize(
    "other",
    [
        {**FORWARDS, "a": 2},
        {**FORWARDS, "a": 1.0},
        {**FORWARDS, "a": True},
        {**FORWARDS, "z": 1},
        {"a": 1, "b": {"c": [{"x": None, "y": True}, 1.5], "d": "text"}},
        [["a", 1], ["b", FORWARDS["b"]]],
    ],
)
def test_dataclasses_with_other_values_stay_apart(other: object) -> None:
    one, two = (cache_keys.cache_key(cached(), inputs(a=packed(value))) for value in (FORWARDS, other))

    assert not set(one.tags) & set(two.tags)


@pytest.mark.parametrize("literal", [integer(1), packed([1, 2]), packed("text"), integer(1, hash="h")])
def test_only_maps_have_a_second_tag(literal: Literal) -> None:
    assert cache_keys.cache_key(cached(), inputs(a=literal)).tags == (cache_keys.tag(inputs(a=literal)),)


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x82\x01", b"\x91" * 2000])
def test_what_is_no_msgpack_is_known_by_its_bytes(data: bytes) -> None:
    literal = Literal(scalar=literals_pb2.Scalar(binary=literals_pb2.Binary(value=data, tag="msgpack")))

    assert cache_keys.cache_key(cached(), inputs(a=literal)).unordered_tag == ""


def test_maps_of_ignored_inputs_do_not_count() -> None:
    found = cache_keys.cache_key(cached(ignored=["x"], x=INT), inputs(a=integer(1), x=packed({"b": 1})))

    assert found.unordered_tag == ""


def test_the_version_of_the_task_is_no_part_of_the_key() -> None:
    one, two = cached(), cached()
    two.id.version = "another"

    assert cache_keys.cache_key(one, inputs(a=integer(1))) == cache_keys.cache_key(two, inputs(a=integer(1)))


def test_events_name_the_dataset_by_an_id_of_its_kind() -> None:
    found = cache_keys.cache_key(cached("x.y"), inputs(a=integer(1)))

    assert dataclasses.astuple(found)[:4] == ("flytesnacks", "development", "flyte_task-x.y", found.version)
    assert found.dataset_id.name == "flyte_task-x.y"
    assert found.dataset_id.resource_type == identifier_pb2.DATASET


def test_tasks_without_outputs_are_not_cached() -> None:
    silent = cached()
    silent.interface.outputs.CopyFrom(interface_pb2.VariableMap())

    assert cache_keys.is_cacheable(cached())
    assert not cache_keys.is_cacheable(silent)
    assert not cache_keys.is_cacheable(templates.task_template("t", {}, {"o0": INT}))


def test_an_element_of_a_map_task_has_lists_as_inputs_and_one_value_of_each_output() -> None:
    ints = LiteralType(collection_type=INT)
    template = templates.task_template("t", {"a": ints}, {"o0": ints, "o1": STR})
    expected = templates.task_template("t", {"a": ints}, {"o0": INT, "o1": STR})

    assert cache_keys.of_element(template) == expected
    assert template.interface.outputs.variables["o0"].type == ints
