"""Build literals from bindings: resolve promises and their attribute paths, list the promises of a binding.

Pure: the caller supplies the outputs of nodes (``source``). The rules mirror flytepropeller's
pkg/controller/nodes/{resolve,output_resolver,var_name_parser}.go.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from flyteidl.core import literals_pb2, types_pb2
from google.protobuf.message import Error

from flytetemporal import errors
from flytetemporal.idl import attribute_paths, bounds, offloading

Source = Callable[[str], literals_pb2.LiteralMap]
"""Returns the outputs of a node by its id; the outputs of ``start-node`` are the inputs of the workflow."""

Aliases = Mapping[str, Mapping[str, str]]
"""Maps node id and alias to the output variable."""

# No list is longer than nine digits can count, and Python reads no number of more than 4,300.
_INDEXED = re.compile(r"\[(\d{1,9})\]\.(.+)", re.DOTALL)
_NO_ALIASES: Aliases = {}


def resolve(
    bindings: Iterable[literals_pb2.Binding],
    source: Source,
    aliases: Aliases = _NO_ALIASES,
    loaded: offloading.Loaded = offloading.NOTHING_LOADED,
) -> literals_pb2.LiteralMap:
    """Return a literal for each binding.

    Raises:
        ValueOffloaded: a promise refers to a part of an offloaded value that is not among ``loaded``.
        ResolutionFailed: a promise refers to a value that does not exist; the text names the binding.
    """
    resolved = literals_pb2.LiteralMap()
    for binding in bindings:
        try:
            literal = resolve_binding(binding.binding, source, aliases, loaded)
        except errors.ResolutionFailed as error:
            text = f"BindingResolutionError: Error binding Var [wf].[{binding.var}], caused by: {error.message}"
            raise errors.ResolutionFailed(text) from error
        except Error as error:  # Protobuf cannot copy messages that are nested more than 100 levels deep.
            raise depth_failure(binding.var) from error
        resolved.literals[binding.var].CopyFrom(literal)
    return resolved


def resolve_binding(
    data: literals_pb2.BindingData,
    source: Source,
    aliases: Aliases = _NO_ALIASES,
    loaded: offloading.Loaded = offloading.NOTHING_LOADED,
) -> literals_pb2.Literal:
    """Return the literal of one binding; a binding without a value becomes an empty literal.

    Scalars are returned as they are, unions included. The result can be part of a map that ``source`` returned: do not
    change it.

    Raises:
        ValueOffloaded: a promise refers to a part of an offloaded value that is not among ``loaded``.
        ResolutionFailed: a promise refers to a value that does not exist.
    """
    match data.WhichOneof("value"):
        case "scalar":
            return literals_pb2.Literal(scalar=data.scalar)
        case "promise":
            return _promised(data.promise, source, aliases, loaded)
        case "collection":
            elements = [resolve_binding(child, source, aliases, loaded) for child in data.collection.bindings]
            return literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=elements))
        case "map":
            entries = {key: resolve_binding(child, source, aliases, loaded) for key, child in data.map.bindings.items()}
            return literals_pb2.Literal(map=literals_pb2.LiteralMap(literals=entries))
        case "offloaded_metadata":
            return literals_pb2.Literal(offloaded_metadata=data.offloaded_metadata)
        case _:
            return literals_pb2.Literal()


def nested_too_deep(bindings: Iterable[literals_pb2.Binding], resolved: literals_pb2.LiteralMap) -> str:
    """Return the first variable whose binding nests values too deep to be stored, sent and read again, or "".

    Only lists and maps around promises are looked at: constants and the outputs of nodes were checked before.
    """
    for binding in bindings:
        nests = binding.binding.WhichOneof("value") in ("collection", "map")
        if nests and any(promises(binding.binding)) and bounds.is_too_deep(resolved.literals[binding.var]):
            return binding.var
    return ""


def depth_failure(variable: str) -> errors.ResolutionFailed:
    """Return the error for a variable that is nested too deep."""
    return errors.ResolutionFailed(
        f"BindingResolutionError: Error binding Var [wf].[{variable}], caused by: its value is nested more than "
        f"{bounds.MAX_DEPTH} levels deep, of which each list takes two"
    )


def copied(values: literals_pb2.LiteralMap) -> literals_pb2.LiteralMap:
    """Return a copy, which can be changed."""
    copy = literals_pb2.LiteralMap()
    copy.CopyFrom(values)
    return copy


def promises(data: literals_pb2.BindingData) -> Iterator[types_pb2.OutputReference]:
    """Yield the promises of a binding at any depth.

    Maps are walked in the order of their keys: protobuf maps have no stable order, and replayed code must see one.
    """
    match data.WhichOneof("value"):
        case "promise":
            yield data.promise
        case "collection":
            for child in data.collection.bindings:
                yield from promises(child)
        case "map":
            for key in sorted(data.map.bindings):
                yield from promises(data.map.bindings[key])
        case _:
            return


def split_variable(name: str) -> tuple[int | None, str]:
    """Return the index (None without one) and the name of a promise's variable: ``name`` or ``[i].name``."""
    match = _INDEXED.fullmatch(name)
    return (int(match[1]), match[2]) if match else (None, name)


def is_small(values: literals_pb2.LiteralMap, limit_bytes: int) -> bool:
    """Whether the map is small enough to travel inline."""
    return values.ByteSize() <= limit_bytes


def _promised(
    reference: types_pb2.OutputReference, source: Source, aliases: Aliases, loaded: offloading.Loaded
) -> literals_pb2.Literal:
    node_id = reference.node_id
    if not node_id:
        raise attribute_paths.failure("BadSpecificationError", node_id, "a promise needs the id of a node")
    index, name = split_variable(reference.var)
    name = aliases.get(node_id, {}).get(name, name)
    outputs = source(node_id)
    if name not in outputs.literals:
        raise attribute_paths.failure("OutputsNotFoundError", node_id, f"Failed to find [{node_id}].[{reference.var}]")
    literal = outputs.literals[name]
    if index is not None:
        literal = _indexed(offloading.dereferenced(literal, loaded), index, reference)
    return attribute_paths.walk(literal, reference.attr_path, node_id, loaded) if reference.attr_path else literal


def _indexed(literal: literals_pb2.Literal, index: int, reference: types_pb2.OutputReference) -> literals_pb2.Literal:
    where = f"[{reference.node_id}].[{reference.var}]"
    if literal.WhichOneof("value") != "collection":
        raise attribute_paths.failure("BadSpecificationError", reference.node_id, f"{where} does not name a collection")
    elements = literal.collection.literals
    if index >= len(elements):
        text = f"Failed to find {where}: the collection holds {len(elements)} values"
        raise attribute_paths.failure("OutputsNotFoundError", reference.node_id, text)
    return elements[index]
