"""Inputs and outputs of executions, nodes and tasks, read back from the object store."""

import asyncio

import structlog
from flyteidl.admin import common_pb2, execution_pb2, node_execution_pb2, task_execution_pb2
from flyteidl.core import identifier_pb2, literals_pb2

from flytetemporal import errors
from flytetemporal.admin.dependencies import Dependencies
from flytetemporal.idl import identifiers

Closure = (
    execution_pb2.ExecutionClosure | node_execution_pb2.NodeExecutionClosure | task_execution_pb2.TaskExecutionClosure
)

TRIMMED_ERROR_BYTES = 100

_log = structlog.get_logger(__name__)


async def inputs_and_outputs(
    deps: Dependencies, inputs_uri: str, closure: Closure
) -> tuple[literals_pb2.LiteralMap, literals_pb2.LiteralMap]:
    """Return both maps; what is missing, unreadable or too large comes back empty, as from Flyte."""
    inputs, outputs = await asyncio.gather(read(deps, inputs_uri), _outputs(deps, closure))
    return inputs, outputs


async def read(deps: Dependencies, uri: str) -> literals_pb2.LiteralMap:
    """Return a stored map, or an empty one when it cannot be had."""
    if not uri:
        return literals_pb2.LiteralMap()
    limit = deps.settings.max_data_bytes
    try:
        if limit and await deps.blobs.size_bytes(uri) > limit:
            _log.info("data_too_large", uri=uri, limit_bytes=limit)
            return literals_pb2.LiteralMap()
        return await deps.blobs.read_message(uri, literals_pb2.LiteralMap)
    except errors.FlyteError as error:
        _log.warning("data_not_readable", uri=uri, error=error.message)
        return literals_pb2.LiteralMap()


async def _outputs(deps: Dependencies, closure: Closure) -> literals_pb2.LiteralMap:
    if closure.HasField("output_data"):
        return closure.output_data
    uri = closure.outputs.uri if isinstance(closure, execution_pb2.ExecutionClosure) else closure.output_uri
    return await read(deps, uri)


def flyte_urls(node_id: identifier_pb2.NodeExecutionIdentifier, attempt: int | None = None) -> common_pb2.FlyteURLs:
    """Return the addresses under which the data proxy serves the data of a node, or of one attempt."""
    parts = [*identifiers.execution_key(node_id.execution_id), node_id.node_id]
    if attempt is not None:
        parts.append(str(attempt))
    prefix = f"flyte://v1/{'/'.join(parts)}"
    return common_pb2.FlyteURLs(inputs=f"{prefix}/i", outputs=f"{prefix}/o")


def trim_error(closure: Closure) -> None:
    """Cut the error's text to what lists show."""
    text = closure.error.message.encode()
    if len(text) > TRIMMED_ERROR_BYTES:
        closure.error.message = text[:TRIMMED_ERROR_BYTES].decode(errors="ignore")
