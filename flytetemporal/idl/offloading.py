"""Offloaded literals: the value is stored in its own file, and a reference with its size and type takes its place.

Pure: callers read and write the files. The rules mirror flytepropeller's
pkg/controller/nodes/common/utils.go and flytekit's bin/entrypoint.py.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping

from flyteidl.core import literals_pb2, tasks_pb2, types_pb2

from flytetemporal import errors

Loaded = Mapping[str, literals_pb2.Literal]
"""Literals that were read, by the URI of their file."""

NOTHING_LOADED: Loaded = {}
MIN_FLYTEKIT_VERSION = (1, 13, 14)
"""The first version of flytekit that reads offloaded literals."""

_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})")


def is_offloaded(literal: literals_pb2.Literal) -> bool:
    """Whether the literal is a reference."""
    return literal.HasField("offloaded_metadata")


def dereferenced(literal: literals_pb2.Literal, loaded: Loaded) -> literals_pb2.Literal:
    """Return the value of a reference; other literals are returned as they are.

    Raises:
        ValueOffloaded: the value was not loaded.
    """
    while is_offloaded(literal):
        uri = literal.offloaded_metadata.uri
        if uri not in loaded:
            raise errors.ValueOffloaded(uri)
        literal = loaded[uri]
    return literal


def reference(
    literal: literals_pb2.Literal, uri: str, literal_type: types_pb2.LiteralType | None
) -> literals_pb2.Literal:
    """Return a reference to ``literal``, stored at ``uri``; the reference keeps its hash and metadata."""
    found = literals_pb2.Literal(hash=literal.hash or _content_hash(literal), metadata=literal.metadata)
    offloaded = found.offloaded_metadata
    offloaded.uri, offloaded.size_bytes = uri, literal.ByteSize()
    if literal_type is not None:
        offloaded.inferred_type.CopyFrom(literal_type)
    return found


def references(literals: Iterable[literals_pb2.Literal]) -> Iterator[literals_pb2.LiteralOffloadedMetadata]:
    """Yield the references at any depth; maps are walked in the order of their keys."""
    for literal in literals:
        match literal.WhichOneof("value"):
            case "offloaded_metadata":
                yield literal.offloaded_metadata
            case "collection":
                yield from references(literal.collection.literals)
            case "map":
                yield from references(values_by_name(literal.map))
            case "scalar" if literal.scalar.WhichOneof("value") == "union":
                yield from references([literal.scalar.union.value])
            case _:
                continue


def values_by_name(values: literals_pb2.LiteralMap) -> Iterator[literals_pb2.Literal]:
    """Yield the values of a map in the order of its keys."""
    for name in sorted(values.literals):
        yield values.literals[name]


def inline(literal: literals_pb2.Literal, loaded: Loaded) -> None:
    """Replace the references to loaded values, at any depth; values keep the hashes of their references."""
    match literal.WhichOneof("value"):
        case "offloaded_metadata":
            found = loaded.get(literal.offloaded_metadata.uri)
            if found is not None:
                _replace(literal, found)
                inline(literal, loaded)
        case "collection":
            for element in literal.collection.literals:
                inline(element, loaded)
        case "map":
            for element in literal.map.literals.values():
                inline(element, loaded)
        case "scalar" if literal.scalar.WhichOneof("value") == "union":
            inline(literal.scalar.union.value, loaded)
        case _:
            return


def may_be_list(literal: literals_pb2.Literal) -> bool:
    """Whether a reference can be to a list; true if its type is unknown."""
    known = literal.offloaded_metadata.inferred_type
    variants = known.union_type.variants if known.WhichOneof("type") == "union_type" else [known]
    return any(variant.WhichOneof("type") in ("collection_type", None) for variant in variants)


def may_be_structure(literal: literals_pb2.Literal) -> bool:
    """Whether a reference can be to a value that attribute paths convert; true if its type is unknown."""
    known = literal.offloaded_metadata.inferred_type
    return known.WhichOneof("type") is None or known.simple == types_pb2.STRUCT


def reads_references(template: tasks_pb2.TaskTemplate) -> bool:
    """Whether the task's program can read offloaded literals: flytekit can since 1.13.14.

    Programs that the co-pilot stages data for know nothing of Flyte, so they need the values themselves.
    """
    runtime = template.metadata.runtime
    found = _VERSION.match(runtime.version)
    if runtime.type != tasks_pb2.RuntimeMetadata.FLYTE_SDK or found is None:
        return False
    if template.type == "raw-container" or template.container.data_config.enabled:
        return False
    return tuple(int(part) for part in found.groups()) >= MIN_FLYTEKIT_VERSION


def _replace(literal: literals_pb2.Literal, found: literals_pb2.Literal) -> None:
    known_hash, metadata = literal.hash, dict(literal.metadata)
    literal.CopyFrom(found)
    literal.hash = literal.hash or known_hash
    for key, value in metadata.items():
        literal.metadata[key] = value


def _content_hash(literal: literals_pb2.Literal) -> str:
    """Return a hash that identifies the value in cache keys; any hash of the content will do, and this one is fast."""
    digest = hashlib.sha256(literal.SerializeToString(deterministic=True)).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
