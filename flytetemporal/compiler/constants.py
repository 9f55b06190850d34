"""Offload large constants from the bindings of a closure to files, and put references in their place.

A graph and the bindings of its nodes travel in payloads of limited size, which a large constant would exceed. Flyte
keeps constants in its workflow object and exceeds the limit of that.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from flyteidl.core import compiler_pb2, literals_pb2

from flytetemporal import errors
from flytetemporal.compiler import traversal
from flytetemporal.contracts.v1 import graph_pb2
from flytetemporal.idl import literals, locations, types

Keep = Callable[[bytes], str]
"""Takes a serialized literal and returns the URI at which it will be stored."""

_LARGEST_SHOWN = 3


def offload(
    closure: compiler_pb2.CompiledWorkflowClosure, directory: str, min_bytes: int
) -> tuple[compiler_pb2.CompiledWorkflowClosure, dict[str, bytes]]:
    """Return the closure with references in place of constants of ``min_bytes`` or more, and the files by URI.

    Files are named in ``directory`` by their content, so that compiling again gives the same closure. Nothing is
    written here. Without large constants the given closure is returned.
    """
    files: dict[str, bytes] = {}

    def keep(data: bytes) -> str:
        uri = locations.join(directory, f"constant-{hashlib.sha256(data).hexdigest()}.pb")
        files[uri] = data
        return uri

    if all(binding.ByteSize() < min_bytes for binding in _bindings(closure)):
        return closure, files
    found = compiler_pb2.CompiledWorkflowClosure()
    found.CopyFrom(closure)
    for binding in _bindings(found):
        _replace(binding.binding, keep, min_bytes)
    return found, files


def check_size(graph: graph_pb2.Graph, compressed_bytes: int, limit_bytes: int) -> None:
    """Check that a graph is small enough to travel.

    Raises:
        ValueTooLarge: it is not; the text names the largest inputs and nodes.
    """
    if compressed_bytes <= limit_bytes:
        return
    sizes = [
        (size, f"{part} of node [{node.id}] of [{workflow.id.name}]")
        for workflow in graph.workflows
        for node in workflow.nodes
        for part, size in _parts(node)
    ]
    largest = ", ".join(f"{name} {size} bytes" for size, name in sorted(sizes, reverse=True)[:_LARGEST_SHOWN])
    raise errors.ValueTooLarge(
        f"the graph has {compressed_bytes} bytes, compressed; the limit is {limit_bytes}. The largest parts: {largest}"
    )


def _parts(node: graph_pb2.Node) -> Iterator[tuple[str, int]]:
    inputs = 0
    for binding in node.inputs:
        inputs += binding.ByteSize()
        yield f"input [{binding.var}]", binding.ByteSize()
    yield "the rest", node.ByteSize() - inputs


def _bindings(closure: compiler_pb2.CompiledWorkflowClosure) -> Iterator[literals_pb2.Binding]:
    for compiled in [closure.primary, *closure.sub_workflows]:
        yield from compiled.template.outputs
        for node in traversal.every_node(compiled.template):
            yield from node.inputs


def _replace(data: literals_pb2.BindingData, keep: Keep, min_bytes: int) -> None:
    """Replace the largest parts without promises; parts with promises are searched for smaller ones."""
    if data.WhichOneof("value") in ("offloaded_metadata", "promise", None) or data.ByteSize() < min_bytes:
        return
    if next(literals.promises(data), None) is None:
        literal = literals.resolve_binding(data, _no_source)
        serialized = literal.SerializeToString(deterministic=True)
        reference = literals_pb2.LiteralOffloadedMetadata(uri=keep(serialized), size_bytes=len(serialized))
        known = types.infer_if_known(literal)
        if known is not None:
            reference.inferred_type.CopyFrom(known)
        data.offloaded_metadata.CopyFrom(reference)
        return
    for child in _children(data):
        _replace(child, keep, min_bytes)


def _children(data: literals_pb2.BindingData) -> Iterable[literals_pb2.BindingData]:
    children: Sequence[literals_pb2.BindingData] = data.collection.bindings
    return children if data.WhichOneof("value") == "collection" else data.map.bindings.values()


def _no_source(node_id: str) -> literals_pb2.LiteralMap:
    raise errors.Internal(f"a constant refers to the node {node_id}")
