"""Read data that is too large for Temporal: values of bindings and conditions, graphs, task templates."""

import asyncio
import gzip
import hashlib
from collections.abc import Callable
from typing import Any

from cachetools import LRUCache
from flyteidl.core import literals_pb2, tasks_pb2
from google.protobuf.message import DecodeError
from temporalio import activity

from flytetemporal.activities.offloading import DEFAULTS, Limits, Offloading
from flytetemporal.contracts import content, limits
from flytetemporal.contracts.v1 import continuation_pb2, execution_pb2, graph_pb2
from flytetemporal.errors import Internal, MalformedCondition, NotFound, ResolutionFailed, ValueTooLarge
from flytetemporal.idl import conditions, literals, locations
from flytetemporal.storage.blobs import BlobStore
from flytetemporal.storage.concurrency import for_each

CACHED_TEMPLATES = 64
CONCURRENT_FILES = 64


class DataActivities:
    """``resolve_inputs``, ``choose_case``, ``load_graph`` and ``store_state`` of ``contracts/activities``."""

    def __init__(self, blobs: BlobStore, limits: Limits = DEFAULTS) -> None:
        self._blobs = blobs
        self._offloading = Offloading(blobs, limits)

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for the worker."""
        return [self.resolve_inputs, self.choose_case, self.load_graph, self.store_state]

    @activity.defn
    async def resolve_inputs(self, request: execution_pb2.ResolveRequest) -> execution_pb2.NodeOutputs:
        """Resolve bindings that need stored values, write the map, return it inline if it is small."""
        values = await resolve(self._offloading, self._blobs, request.inputs)
        if request.inlined:
            values = await self._offloading.inlined(values, limit=limits.MAX_RETURNED_BYTES)
        await for_each(lambda uri: self._blobs.write_message(uri, values), request.write_to, CONCURRENT_FILES)
        returned = node_outputs(values, next(iter(request.write_to), ""))
        if returned.ByteSize() > limits.MAX_RETURNED_BYTES:
            raise ValueTooLarge(f"{_sizes(values)}; {limits.MAX_RETURNED_BYTES} bytes may be compared or waited by")
        return returned

    @activity.defn
    async def choose_case(self, request: execution_pb2.CaseRequest) -> execution_pb2.CaseChoice:
        """Return the position of the first condition of a branch that is true."""
        values = await resolve(self._offloading, self._blobs, request.inputs)
        operands = await self._offloading.inlined(values)
        return await asyncio.to_thread(_chosen, request, operands)

    @activity.defn
    async def load_graph(self, reference: execution_pb2.ContentReference) -> execution_pb2.GraphBytes:
        """Read a graph that is too large for the start argument."""
        if reference.size_bytes > limits.MAX_GRAPH_BYTES:
            raise ValueTooLarge(
                f"the graph has {reference.size_bytes} bytes, compressed; {limits.MAX_GRAPH_BYTES} can travel"
            )
        return execution_pb2.GraphBytes(gzipped=await read_content(self._blobs, reference))

    @activity.defn
    async def store_state(self, part: continuation_pb2.StateBytes) -> execution_pb2.ContentReference:
        """Store a part of the state for the next run if it is too large for the start argument."""
        reference = content.refer(part.gzipped, lambda sha256: locations.join(part.directory, sha256))
        await self._blobs.write(reference.uri, part.gzipped)
        return reference


class TemplateCache:
    """A cache of task templates. They never change, since their key is the hash of their content."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._known: LRUCache[str, graph_pb2.TaskTemplates] = LRUCache(CACHED_TEMPLATES)

    async def load(self, reference: execution_pb2.ContentReference, position: int) -> tasks_pb2.TaskTemplate:
        """Return one template; do not change it.

        Raises:
            NotFound: the file does not exist.
            Internal: the file has other content than when it was written, or no such template.
        """
        templates = self._known.get(reference.sha256)
        if templates is None:
            zipped = await read_content(self._blobs, reference)
            templates = await asyncio.to_thread(_templates, zipped, reference.uri)
            self._known[reference.sha256] = templates
        if position >= len(templates.tasks):
            raise Internal(f"{reference.uri} holds {len(templates.tasks)} task templates, none at {position}")
        return templates.tasks[position]


async def resolve(
    offloading: Offloading, blobs: BlobStore, deferred: execution_pb2.DeferredInputs
) -> literals_pb2.LiteralMap:
    """Resolve bindings, and read the sources that are not inline.

    Raises:
        ResolutionFailed: a binding names a value that does not exist.
    """
    try:
        found = await for_each(
            lambda outputs: read_outputs(blobs, outputs), deferred.sources.values(), CONCURRENT_FILES
        )
    except NotFound as e:
        raise ResolutionFailed(f"the outputs named by a binding are gone: {e.message}") from e
    sources = dict(zip(deferred.sources, found, strict=True))
    aliases = {node_id: dict(entry.variables) for node_id, entry in deferred.aliases.items()}
    return await offloading.resolve(deferred.bindings, sources.__getitem__, aliases)


async def resolve_inputs(
    offloading: Offloading, blobs: BlobStore, inputs: execution_pb2.NodeInputs
) -> literals_pb2.LiteralMap:
    """Return the inputs of a node that is not an element of an array.

    Raises:
        ResolutionFailed: a binding names a value that does not exist.
    """
    if inputs.WhichOneof("value") == "deferred":
        return await resolve(offloading, blobs, inputs.deferred)
    return inputs.literals


async def read_outputs(blobs: BlobStore, outputs: execution_pb2.NodeOutputs) -> literals_pb2.LiteralMap:
    """Return the outputs of a node, inline or stored."""
    if outputs.WhichOneof("location") == "uri":
        return await blobs.read_message(outputs.uri, literals_pb2.LiteralMap)
    return outputs.literals


def node_outputs(values: literals_pb2.LiteralMap, uri: str) -> execution_pb2.NodeOutputs:
    """Return a map inline if it is small or has no URI, else by its URI."""
    if not uri or literals.is_small(values, limits.MAX_INLINE_LITERALS_BYTES):
        return execution_pb2.NodeOutputs(literals=values)
    return execution_pb2.NodeOutputs(uri=uri)


async def read_content(blobs: BlobStore, reference: execution_pb2.ContentReference) -> bytes:
    """Return the stored bytes.

    Raises:
        NotFound: the file does not exist.
        Internal: the file has other content than when it was written.
    """
    data = await blobs.read(reference.uri)
    if (await asyncio.to_thread(hashlib.sha256, data)).hexdigest() != reference.sha256:
        raise Internal(f"{reference.uri} has other content than when it was written ({len(data)} bytes)")
    return data


def _chosen(request: execution_pb2.CaseRequest, operands: literals_pb2.LiteralMap) -> execution_pb2.CaseChoice:
    try:
        for position, condition in enumerate(request.conditions):
            if conditions.evaluate(condition, operands.literals):
                return execution_pb2.CaseChoice(position=position)
    except MalformedCondition as e:
        return execution_pb2.CaseChoice(malformed=e.message)
    return execution_pb2.CaseChoice(position=len(request.conditions))


def _sizes(values: literals_pb2.LiteralMap) -> str:
    return ", ".join(f"[{name}] has {literal.ByteSize()} bytes" for name, literal in sorted(values.literals.items()))


def _templates(data: bytes, uri: str) -> graph_pb2.TaskTemplates:
    try:
        return graph_pb2.TaskTemplates.FromString(gzip.decompress(data))
    except (OSError, EOFError, DecodeError) as e:
        raise Internal(f"{uri} holds no task templates") from e
