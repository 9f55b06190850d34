"""Read the inputs and outputs of executions, nodes and tasks back from the object store, for GetData calls."""

import asyncio
import sys

import structlog
from flyteidl.admin import common_pb2, execution_pb2, node_execution_pb2, task_execution_pb2
from flyteidl.core import identifier_pb2, literals_pb2
from google.protobuf.message import DecodeError

from flytetemporal import errors
from flytetemporal.admin.base import stored_messages
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.auth import access
from flytetemporal.auth.roles import Permission, Scope
from flytetemporal.idl import identifiers, locations, offloading

Closure = (
    execution_pb2.ExecutionClosure | node_execution_pb2.NodeExecutionClosure | task_execution_pb2.TaskExecutionClosure
)
DataResponse = (
    execution_pb2.WorkflowExecutionGetDataResponse
    | node_execution_pb2.NodeExecutionGetDataResponse
    | task_execution_pb2.TaskExecutionGetDataResponse
)

# Left free for the rest of a response: clients accept 4 MB, and a response holds two maps.
MARGIN_BYTES = 4096

_log = structlog.get_logger(__name__)


async def add_inputs_and_outputs(deps: Dependencies, response: DataResponse, inputs_uri: str, closure: Closure) -> None:
    """Add both maps to a response. A map that is missing, unreadable or too large is empty, as Flyte returns it."""
    async with asyncio.TaskGroup() as group:
        inputs = group.create_task(read(deps, inputs_uri))
        outputs = group.create_task(_outputs(deps, closure))
    response.full_inputs.CopyFrom(inputs.result())
    response.full_outputs.CopyFrom(outputs.result())
    # Deprecated links, which flyteadmin always sets; they are empty unless it signs URLs.
    response.inputs.SetInParent()
    response.outputs.SetInParent()


async def read(deps: Dependencies, uri: str) -> literals_pb2.LiteralMap:
    """Return a stored map; an empty one if there is none, it cannot be read, or it is larger than clients accept."""
    if not uri:
        return literals_pb2.LiteralMap()
    limit = deps.settings.max_data_bytes
    try:
        if limit and await deps.blobs.size_bytes(uri) > limit:
            _log.info("data_too_large", uri=uri, limit_bytes=limit)
            return literals_pb2.LiteralMap()
        values = await deps.blobs.read_message(uri, literals_pb2.LiteralMap)
    except errors.FlyteError as error:
        _log.warning("data_not_readable", uri=uri, error=error.message)
        return literals_pb2.LiteralMap()
    try:
        await _put_in(deps, values, limit)
        # Nested too deep for the clients, it would hide the other map and the rest of the response.
        response = execution_pb2.WorkflowExecutionGetDataResponse(full_inputs=values)
        return stored_messages.checked(values, response)
    except (DecodeError, stored_messages.UnreadableRow) as error:
        _log.warning("data_not_readable", uri=uri, error=str(error))
        return literals_pb2.LiteralMap()


async def _put_in(deps: Dependencies, values: literals_pb2.LiteralMap, limit: int) -> None:
    """Replace references to offloaded values by the values while they fit: a remote client has no access to the store.

    A value that does not fit stays a reference, which has its type and size. Only files of this installation are read:
    the literals come from users, and a reference to a foreign file would make admin read it for them.
    """
    room = limit - values.ByteSize() - MARGIN_BYTES if limit else sys.maxsize
    passed_over: set[str] = set()
    for literal in offloading.values_by_name(values):
        # A loaded value can hold references itself, so each literal is searched until none is left that fits.
        while wanted := [found.uri for found in offloading.references([literal]) if found.uri not in passed_over]:
            loaded: dict[str, literals_pb2.Literal] = {}
            for uri in dict.fromkeys(wanted):
                value = await _offloaded(deps, uri, room // wanted.count(uri))  # A value counts at each place.
                if value is None:
                    passed_over.add(uri)
                else:
                    loaded[uri] = value
                    room -= value.ByteSize() * wanted.count(uri)
            offloading.inline(literal, loaded)


async def _offloaded(deps: Dependencies, uri: str, room: int) -> literals_pb2.Literal | None:
    """Return an offloaded value; None if it is not ours, cannot be read, or has more than ``room`` bytes.

    Inputs can name any file: the reader needs the right to read what the file belongs to.
    """
    if not deps.blobs.owns(uri):
        return None
    place = locations.place(uri, deps.blobs.root, deps.raw_output_prefix)
    if not access.allows(Permission.READ, Scope(*place) if place else Scope()):
        return None
    try:
        if await deps.blobs.size_bytes(uri) > room:
            return None
        return await deps.blobs.read_message(uri, literals_pb2.Literal)
    except errors.FlyteError as error:
        _log.warning("data_not_readable", uri=uri, error=error.message)
        return None


async def _outputs(deps: Dependencies, closure: Closure) -> literals_pb2.LiteralMap:
    if closure.HasField("output_data"):
        return closure.output_data
    uri = closure.outputs.uri if isinstance(closure, execution_pb2.ExecutionClosure) else closure.output_uri
    return await read(deps, uri)


def flyte_urls(node_id: identifier_pb2.NodeExecutionIdentifier, attempt: int | None = None) -> common_pb2.FlyteURLs:
    """Return the flyte:// URLs at which the data proxy serves the data of a node, or of one attempt."""
    parts = [*identifiers.execution_key(node_id.execution_id), node_id.node_id]
    if attempt is not None:
        parts.append(str(attempt))
    prefix = f"flyte://v1/{'/'.join(parts)}"
    return common_pb2.FlyteURLs(inputs=f"{prefix}/i", outputs=f"{prefix}/o")
