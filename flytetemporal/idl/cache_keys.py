"""The keys of cached task outputs, equal to Flyte's: existing cache entries stay valid.

A key is a dataset, which stands for name, cache version and interface of a task, and a tag, which stands for inputs.
Mirrors flytepropeller's pkg/controller/nodes/catalog/datacatalog/transformer.go, flyteplugins'
pluginmachinery/catalog/hashing.go and the stripping of interfaces in the compiler's transformers/k8s/utils.go.

One thing is added. flytekit encodes dataclasses as msgpack with the fields in the order in which they were set, and
Flyte hashes these bytes, so equal values can have different tags. ``CacheKey.unordered_tag`` is one for all orders.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import msgpack
from flyteidl.core import identifier_pb2, interface_pb2, literals_pb2, tasks_pb2, types_pb2
from msgpack import ext

from flytetemporal import errors
from flytetemporal.idl import attribute_paths, digest, identifiers

DATASET_PREFIX = "flyte_task-"
TAG_PREFIX = "flyte_cached-"

_INTERFACE_HASH_LENGTH = 8
# An annotation with this field is there to be part of the key: flytekit writes it for pydantic models.
_KEY_ANNOTATION = "cache-key-metadata"
# Stands for a map in the canonical form of msgpack; applications use the codes from 0 on, each for its own types.
_MAP_CODE = 127

# msgpack ships no type hints; these declarations stand in for them.
_decode: Callable[..., object] = msgpack.loads
_encode: Callable[..., bytes] = msgpack.dumps
_extension: Callable[[int, bytes], object] = ext.ExtType


@dataclass(frozen=True, slots=True)
class CacheKey:
    """Where the outputs of a task with certain inputs are found.

    ``unordered_tag`` is empty if no input contains a msgpack map, the only values that have an order of keys.
    """

    project: str
    domain: str
    name: str
    version: str
    tag: str
    unordered_tag: str = ""

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags to look for and to set, Flyte's first."""
        return (self.tag, self.unordered_tag) if self.unordered_tag else (self.tag,)

    @property
    def dataset_id(self) -> identifier_pb2.Identifier:
        """The dataset as events name it."""
        key = (self.project, self.domain, self.name, self.version)
        return identifiers.identifier(identifier_pb2.DATASET, key)


def is_cacheable(template: tasks_pb2.TaskTemplate) -> bool:
    """Whether the outputs of the task are looked up and stored: it asks for it and has outputs."""
    return template.metadata.discoverable and len(template.interface.outputs.variables) > 0


def cache_key(template: tasks_pb2.TaskTemplate, inputs: literals_pb2.LiteralMap) -> CacheKey:
    """Return the key of the task's outputs for these inputs. The version of the task is not part of it.

    Raises:
        InvalidRequest: the task has no cache version, or an input has no JSON form.
    """
    ignored = template.metadata.cache_ignore_input_vars
    unordered = _without_order(inputs, ignored)
    return CacheKey(
        project=template.id.project,
        domain=template.id.domain,
        name=DATASET_PREFIX + template.id.name,
        version=dataset_version(template),
        tag=tag(inputs, ignored),
        unordered_tag="" if unordered is None else tag(unordered, ignored),
    )


def of_element(template: tasks_pb2.TaskTemplate) -> tasks_pb2.TaskTemplate:
    """Return the template whose keys an element of a map task has.

    A map task declares lists. An element has one value of each output; as in Flyte, the declared inputs stay lists.
    """
    found = tasks_pb2.TaskTemplate()
    found.CopyFrom(template)
    for variable in found.interface.outputs.variables.values():
        if variable.type.WhichOneof("type") == "collection_type":
            element = types_pb2.LiteralType()
            element.CopyFrom(variable.type.collection_type)
            variable.type.CopyFrom(element)
    return found


def dataset_version(template: tasks_pb2.TaskTemplate) -> str:
    """Return the cache version of the task with hashes of its inputs' and outputs' types.

    Raises:
        InvalidRequest: the task has no cache version.
    """
    version = template.metadata.discovery_version.strip(" ")
    if not version:
        raise errors.InvalidRequest(f"task {identifiers.text(template.id)} is cached, but has no cache version")
    interface = template.interface
    return f"{version}-{_types_hash(interface.inputs)}-{_types_hash(interface.outputs)}"


def tag(inputs: literals_pb2.LiteralMap, ignored: Collection[str] = ()) -> str:
    """Return the tag that stands for the inputs; those whose names are ``ignored`` are left out."""
    hashed = literals_pb2.LiteralMap()
    for name, literal in inputs.literals.items():
        if name not in ignored:
            _hashified(literal, hashed.literals[name])
    return TAG_PREFIX + digest.proto_hash_base64(hashed)


def _hashified(literal: literals_pb2.Literal, into: literals_pb2.Literal) -> None:
    """Fill ``into`` with what identifies a value: its own hash if it has one, else its content."""
    kind = literal.WhichOneof("value")
    if literal.hash:
        into.hash = literal.hash
    elif kind == "collection":
        into.collection.SetInParent()
        for element in literal.collection.literals:
            _hashified(element, into.collection.literals.add())
    elif kind == "map":
        into.map.SetInParent()
        for name, element in literal.map.literals.items():
            _hashified(element, into.map.literals[name])
    else:
        # As in Flyte, hashes inside of unions do not count.
        into.CopyFrom(literal)


def _types_hash(variables: interface_pb2.VariableMap) -> str:
    stripped = interface_pb2.VariableMap()
    stripped.CopyFrom(variables)
    for variable in stripped.variables.values():
        variable.ClearField("description")
        _strip(variable.type)
    return digest.proto_hash_base64(stripped)[:_INTERFACE_HASH_LENGTH]


def _strip(kind: types_pb2.LiteralType) -> None:
    """Remove what does not change which values fit, at the places where Flyte does."""
    kind.ClearField("metadata")
    if _KEY_ANNOTATION not in kind.annotation.annotations.fields:
        kind.ClearField("annotation")
    for field in kind.structure.dataclass_type.values():
        _strip(field)
    match kind.WhichOneof("type"):
        case "union_type":
            for variant in kind.union_type.variants:
                _strip(variant)
        case "map_value_type":
            _strip(kind.map_value_type)
        case "collection_type":
            _strip(kind.collection_type)
        case "structured_dataset_type":
            for column in kind.structured_dataset_type.columns:
                _strip(column.literal_type)
        case _:
            return


def _without_order(inputs: literals_pb2.LiteralMap, ignored: Collection[str]) -> literals_pb2.LiteralMap | None:
    """Return a copy of the inputs whose msgpack maps are in one order; None if there are none."""
    copy = literals_pb2.LiteralMap()
    copy.CopyFrom(inputs)
    return copy if _sort_all(literal for name, literal in copy.literals.items() if name not in ignored) else None


def _sort_all(literals: Iterable[literals_pb2.Literal]) -> bool:
    # Sorts every one of them; ``any`` would stop at the first.
    return sum(_sort(literal) for literal in literals) > 0


def _sort(literal: literals_pb2.Literal) -> bool:
    """Sort the msgpack maps of a value in place; return whether there were any."""
    if literal.hash:
        return False
    match literal.WhichOneof("value"):
        case "collection":
            return _sort_all(literal.collection.literals)
        case "map":
            return _sort_all(literal.map.literals.values())
        case "scalar" if literal.scalar.WhichOneof("value") == "union":
            return _sort(literal.scalar.union.value)
        case "scalar" if literal.scalar.binary.tag == attribute_paths.MSGPACK:
            return _sort_binary(literal.scalar.binary)
        case _:
            return False


def _sort_binary(binary: literals_pb2.Binary) -> bool:
    maps = 0

    def sorted_map(pairs: list[tuple[object, object]]) -> object:
        nonlocal maps
        maps += 1
        return _extension(_MAP_CODE, b"".join(sorted(_pack(pair) for pair in pairs)))

    try:
        value = _decode(
            binary.value, object_pairs_hook=sorted_map, strict_map_key=False, unicode_errors="surrogateescape"
        )
        packed = _pack(value)
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException):
        return False  # Not msgpack, whatever its tag says: its bytes identify it.
    if maps:
        binary.value = packed
    return maps > 0


def _pack(value: object) -> bytes:
    return _encode(value, unicode_errors="surrogateescape")
