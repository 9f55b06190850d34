"""The data of array nodes: cut inputs into chunks, read those of an element, gather the outputs of elements.

Inputs and outputs of elements stay in the store; only their URIs go through Temporal. What takes time proportional to
their size runs in threads: the worker's event loop heartbeats for all its activities.
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from cachetools import LRUCache
from flyteidl.admin import launch_plan_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2, literals_pb2
from temporalio import activity

from flytetemporal.activities import data
from flytetemporal.activities.offloading import DEFAULTS, UNREADABLE, Limits, Offloading
from flytetemporal.contracts import limits
from flytetemporal.contracts.v1 import arrays_pb2, execution_pb2
from flytetemporal.errors import Internal, ResolutionFailed, ValueTooLarge
from flytetemporal.idl import error_text, literals, locations, offloading
from flytetemporal.storage.blobs import BlobStore
from flytetemporal.storage.concurrency import for_each

Error = core_execution_pb2.ExecutionError
CONCURRENT_FILES = 64
CACHED_MAPS = 16
SMALL_BYTES = 8 * 1024
JOB_FAILED = "ARRAY_JOB_GENERIC_FAILURE"
NONE = literals_pb2.Literal(scalar=literals_pb2.Scalar(none_type=literals_pb2.Void()))


class LaunchPlans(Protocol):
    """The source of launch plans: admin's client, or a dictionary in a test."""

    async def get_launch_plan(self, identifier: identifier_pb2.Identifier) -> launch_plan_pb2.LaunchPlan:
        """Return a launch plan; see ``rpc.admin_client``."""


class ArrayActivities:
    """``plan_array`` and the other activities of array nodes in ``contracts/activities``."""

    def __init__(self, blobs: BlobStore, plans: LaunchPlans, limits: Limits = DEFAULTS, batch: int = 0) -> None:
        """``batch``: how many elements may share a process, in executions that do not say."""
        self._batch = batch
        self._blobs = blobs
        self._offloading = Offloading(blobs, limits)
        self._plans = plans
        self._reader = ElementReader(blobs)

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for the worker."""
        return [self.plan_array, self.read_elements, self.gather_elements, self.join_elements]

    @activity.defn
    async def plan_array(self, request: arrays_pb2.ArrayRequest) -> arrays_pb2.ArrayPlan:
        """Resolve and write the inputs of an array node, and cut them into chunks."""
        try:
            given = await data.resolve_inputs(self._offloading, self._blobs, request.inputs)
            if request.HasField("job"):
                return await self._job_plan(request, given)
            inputs = await self._lists_read(given, request.bound_inputs)
        except ResolutionFailed as e:
            return _failed("BindingResolutionFailure", e.message, Error.SYSTEM)
        await self._blobs.write_message(request.inputs_uri, given)
        mapped, shared = _parted(inputs, request.bound_inputs)
        lengths = {name: len(literal.collection.literals) for name, literal in mapped.items()}
        if len(set(lengths.values())) > 1:
            return _failed("InvalidArrayLength", _different(lengths), Error.USER)
        if not lengths and set(inputs.literals) != set(request.bound_inputs):
            return _failed("InvalidArrayLength", "no input array provided", Error.USER)
        plan = arrays_pb2.ArrayPlan(size=next(iter(lengths.values()), 1), batch=self._batch)
        if request.echo_variable:
            plan.outputs.CopyFrom(await self._echoed(request, mapped, shared))
            return plan
        if request.HasField("launch_plan"):
            launch_plan = await self._plans.get_launch_plan(request.launch_plan)
            plan.variables.extend(sorted(launch_plan.closure.expected_outputs.variables))
        if shared:
            plan.shared_uri = locations.join(request.directory, locations.SHARED_INPUTS)
            whole = await asyncio.to_thread(literals_pb2.LiteralMap, literals=shared)
            await self._blobs.write_message(plan.shared_uri, whole)
        await self._write_chunks(request, mapped, plan.size)
        return plan

    async def _job_plan(self, request: arrays_pb2.ArrayRequest, given: literals_pb2.LiteralMap) -> arrays_pb2.ArrayPlan:
        """Write the inputs of a task of type container_array, all of which each element reads, and count its elements.

        Mirrors flyteplugins' tasks/plugins/array/catalog.go.
        """
        job = request.job
        if not job.reads_references or not self._offloading.limits.least:
            try:
                given = await self._offloading.inlined(given)
            except ValueTooLarge as e:
                return _failed(UNREADABLE, e.message, Error.USER)
        await self._blobs.write_message(request.inputs_uri, given)
        if job.HasField("size"):
            return arrays_pb2.ArrayPlan(size=job.size.value)
        return _counted(await self._lists_read(given, request.bound_inputs))

    async def _lists_read(self, inputs: literals_pb2.LiteralMap, bound: Sequence[str]) -> literals_pb2.LiteralMap:
        """Read offloaded lists, since they are mapped over, and return all inputs; elements read other references."""
        found = await asyncio.to_thread(literals.copied, inputs)
        for name, literal in found.literals.items():
            if name not in bound and offloading.is_offloaded(literal) and offloading.may_be_list(literal):
                value = await self._offloading.opened(literal)
                if value.WhichOneof("value") == "collection":
                    await asyncio.to_thread(literal.CopyFrom, value)
        return found

    async def _write_chunks(
        self, request: arrays_pb2.ArrayRequest, mapped: Mapping[str, literals_pb2.Literal], size: int
    ) -> None:
        async def write(number: int) -> None:
            chunk = await asyncio.to_thread(_chunk, mapped, number * request.chunk_size, request.chunk_size)
            uri = locations.chunk_uri(request.directory, number)
            for name in sorted(mapped):  # A reader of one element must not have to read the large values of the others.
                await self._offloading.offload_elements(chunk.literals[name].collection, uri.removesuffix(".pb"), name)
            await self._blobs.write_message(uri, chunk)

        await for_each(write, range(math.ceil(size / request.chunk_size)), CONCURRENT_FILES)

    async def _echoed(
        self,
        request: arrays_pb2.ArrayRequest,
        mapped: Mapping[str, literals_pb2.Literal],
        shared: Mapping[str, literals_pb2.Literal],
    ) -> execution_pb2.NodeOutputs:
        outputs = await asyncio.to_thread(_echo, request.echo_variable, mapped, shared)
        await self._offloading.offload(outputs, locations.parent(request.outputs_uri))
        await self._blobs.write_message(request.outputs_uri, outputs)
        return data.node_outputs(outputs, request.outputs_uri)

    @activity.defn
    async def read_elements(self, element: execution_pb2.ElementInputs) -> execution_pb2.NodeOutputs:
        """Return the durations of all elements of a chunk, for elements that run inside the workflow: core-sleep."""
        chunk, shared = await self._reader.read(element)
        found = {**shared.literals, **chunk.literals}
        values = literals_pb2.LiteralMap(literals={name: found[name] for name in ("duration",) if name in found})
        durations = await self._offloading.inlined(values, limit=limits.MAX_RETURNED_BYTES)
        if durations.ByteSize() > limits.MAX_RETURNED_BYTES:
            raise ValueTooLarge(
                f"the durations of a row of elements have {durations.ByteSize()} bytes; at most "
                f"{limits.MAX_RETURNED_BYTES} can be waited by"
            )
        return execution_pb2.NodeOutputs(literals=durations)

    @activity.defn
    async def gather_elements(self, request: arrays_pb2.GatherRequest) -> execution_pb2.NodeOutputs:
        """Make lists of the outputs of a row of elements; those that have not succeeded contribute a null."""

        async def read(element: tuple[int, int]) -> literals_pb2.LiteralMap | None:
            index, attempt = element
            if not attempt or not request.variables:
                return None
            directory = locations.output_dir(locations.element_dir(request.directory, index), attempt - 1)
            return await self._blobs.read_message(locations.outputs_uri(directory), literals_pb2.LiteralMap)

        found = await for_each(read, enumerate(request.attempts, request.first), CONCURRENT_FILES)
        outputs = await asyncio.to_thread(_gathered, request.variables, found)
        if locations.is_outputs(request.write_to):  # Parts are joined later, and the whole is offloaded then.
            await self._offloading.offload(outputs, locations.parent(request.write_to))
        await self._blobs.write_message(request.write_to, outputs)
        return data.node_outputs(outputs, request.write_to)

    @activity.defn
    async def join_elements(self, request: arrays_pb2.JoinRequest) -> execution_pb2.NodeOutputs:
        """Append the lists of several files, in order."""
        parts = await for_each(
            lambda uri: self._blobs.read_message(uri, literals_pb2.LiteralMap), request.parts, CONCURRENT_FILES
        )
        outputs = await asyncio.to_thread(_joined, request.variables, parts)
        await self._offloading.offload(outputs, locations.parent(request.write_to))
        await self._blobs.write_message(request.write_to, outputs)
        return data.node_outputs(outputs, request.write_to)


class ElementReader:
    """Reads the inputs of elements. It caches files, since the elements of a chunk run at about the same time."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._known: LRUCache[str, asyncio.Task[literals_pb2.LiteralMap]] = LRUCache(CACHED_MAPS)

    async def read(
        self, element: execution_pb2.ElementInputs
    ) -> tuple[literals_pb2.LiteralMap, literals_pb2.LiteralMap]:
        """Return the lists of the element's chunk, and the inputs that all elements share. Do not change them."""
        shared = await self._map(element.shared_uri) if element.shared_uri else literals_pb2.LiteralMap()
        return await self._map(element.chunk_uri), shared

    async def inputs(
        self, element: execution_pb2.ElementInputs
    ) -> tuple[literals_pb2.LiteralMap, literals_pb2.LiteralMap]:
        """Return the inputs of one element, and the map for the file that its task reads.

        Raises:
            Internal: the chunk has no such element.
        """
        if element.whole_uri:
            whole = await self._map(element.whole_uri)
            return whole, whole
        chunk, shared = await self.read(element)
        if _size_of(element, chunk, shared) < SMALL_BYTES:  # A thread costs more than the copies.
            return _of_element(element, chunk, shared)
        return await asyncio.to_thread(_of_element, element, chunk, shared)

    async def _map(self, uri: str) -> literals_pb2.LiteralMap:
        reading = self._known.get(uri)
        if reading is None:
            reading = self._known[uri] = asyncio.create_task(self._blobs.read_message(uri, literals_pb2.LiteralMap))
        try:
            # Elements share the read. Cancelling one of them must not cancel it for the others.
            return await asyncio.shield(reading)
        except Exception:
            # The error may pass, so the next element has to read again.
            self._known.pop(uri, None)
            raise


def _chunk(mapped: Mapping[str, literals_pb2.Literal], begin: int, size: int) -> literals_pb2.LiteralMap:
    chunk = literals_pb2.LiteralMap()
    for name, literal in mapped.items():
        chunk.literals[name].collection.literals.extend(literal.collection.literals[begin : begin + size])
    return chunk


def _echo(
    variable: str, mapped: Mapping[str, literals_pb2.Literal], shared: Mapping[str, literals_pb2.Literal]
) -> literals_pb2.LiteralMap:
    outputs = literals_pb2.LiteralMap()
    output = outputs.literals[variable]
    output.collection.SetInParent()
    for literal in mapped.values():
        output.CopyFrom(literal)
    for literal in shared.values():
        output.collection.literals.append(literal)
    return outputs


def _gathered(variables: Sequence[str], left: Sequence[literals_pb2.LiteralMap | None]) -> literals_pb2.LiteralMap:
    """Return a list for each variable; elements that left nothing contribute a null."""
    outputs = literals_pb2.LiteralMap()
    for name in variables:
        values = outputs.literals[name].collection
        values.SetInParent()
        values.literals.extend(NONE if found is None else found.literals.get(name, NONE) for found in left)
    return outputs


def _joined(variables: Sequence[str], parts: Sequence[literals_pb2.LiteralMap]) -> literals_pb2.LiteralMap:
    outputs = literals_pb2.LiteralMap()
    for name in variables:
        values = outputs.literals[name].collection
        values.SetInParent()
        for part in parts:
            values.literals.extend(part.literals[name].collection.literals)
    return outputs


def _size_of(
    element: execution_pb2.ElementInputs, chunk: literals_pb2.LiteralMap, shared: literals_pb2.LiteralMap
) -> int:
    """Return the bytes of the inputs of one element; those that the chunk does not hold count nothing."""
    lists = [literal.collection.literals for literal in chunk.literals.values()]
    return shared.ByteSize() + sum(
        found[element.position].ByteSize() for found in lists if element.position < len(found)
    )


def _of_element(
    element: execution_pb2.ElementInputs, chunk: literals_pb2.LiteralMap, shared: literals_pb2.LiteralMap
) -> tuple[literals_pb2.LiteralMap, literals_pb2.LiteralMap]:
    """Return the inputs of one element, and the map for the file that its task reads."""
    values, lists = literals.copied(shared), literals.copied(shared)
    for name, literal in chunk.literals.items():
        if element.position >= len(literal.collection.literals):
            raise Internal(f"{element.chunk_uri} holds no element {element.position} of {name}")
        values.literals[name].CopyFrom(literal.collection.literals[element.position])
        lists.literals[name].collection.literals.append(values.literals[name])
    return values, lists if element.listed else values


def _parted(
    inputs: literals_pb2.LiteralMap, bound: Sequence[str]
) -> tuple[dict[str, literals_pb2.Literal], dict[str, literals_pb2.Literal]]:
    """Return the inputs that are mapped over, and those that all elements share."""
    mapped = {
        name: literal
        for name, literal in inputs.literals.items()
        if literal.WhichOneof("value") == "collection" and name not in bound
    }
    return mapped, {name: literal for name, literal in inputs.literals.items() if name not in mapped}


def _counted(inputs: literals_pb2.LiteralMap) -> arrays_pb2.ArrayPlan:
    """Return the plan of a job that has as many elements as its lists."""
    lengths = {
        name: len(literal.collection.literals)
        for name, literal in inputs.literals.items()
        if literal.WhichOneof("value") == "collection"
    }
    if len(set(lengths.values())) > 1:
        return _failed(JOB_FAILED, _different(lengths), Error.SYSTEM)
    if not lengths:
        return _failed(JOB_FAILED, "no input is a list, so there is no number of elements", Error.SYSTEM)
    return arrays_pb2.ArrayPlan(size=next(iter(lengths.values())))


def _different(lengths: Mapping[str, int]) -> str:
    found = ", ".join(f"{name} has {length}" for name, length in sorted(lengths.items()))
    return f"input arrays have different lengths: {found}"


def _failed(code: str, message: str, kind: core_execution_pb2.ExecutionError.ErrorKind) -> arrays_pb2.ArrayPlan:
    return arrays_pb2.ArrayPlan(error=Error(code=code, message=error_text.shortened(message), kind=kind))
