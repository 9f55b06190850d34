"""Collect what an attempt has left whose program ended well: outputs, an error, or the plan of a dynamic node.

The order of the checks and their codes mirror flytepropeller's pkg/controller/nodes/task/handler.go. A file can be
absent, or it can be there and unusable: no message, out of bounds, a FIFO, a device, a directory or a link.

* ``outputs.pb`` absent: ``OutputsNotFound``, retried, as in Flyte.
* ``outputs.pb`` unusable, or its folder replaced by a link: ``InvalidTaskOutputs``, the user's and not retried. Flyte
  does not read outputs here; there the nodes that use them fail, also without a retry.
* ``outputs.pb`` too large: ``OutputSizeExceeded``, the user's and not retried, as in Flyte.
* ``error.pb`` unusable: ``ErrorFileBadFormat``, the system's and retried, as in Flyte.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import TypeVar

from flyteidl.core import errors_pb2, interface_pb2, literals_pb2, tasks_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2

from flytetemporal.activities.data import node_outputs
from flytetemporal.activities.offloading import Offloading
from flytetemporal.activities.task_events import may_have_deck
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.errors import Internal, InvalidRequest, LinkedFolder, NotFound, ValueTooLarge
from flytetemporal.idl import bounds, error_text, locations, tracebacks
from flytetemporal.plugins.protocol import STORE_UNREACHABLE, ErrorKind
from flytetemporal.storage import failures
from flytetemporal.storage.blobs import MAX_READ_BYTES, BlobStore

T = TypeVar("T")

DONE = "attempt.pb"
# A message is cut to 100 kB anyway; a result holds at most what Temporal carries.
MAX_ERROR_BYTES = 128 * 1024 * 1024
MAX_RESULT_BYTES = 4 * 1024 * 1024
# What is checked in the event loop: it takes less time than starting a thread.
SMALL_BYTES = 8 * 1024
INVALID_OUTPUTS = "InvalidTaskOutputs"
_BAD_ERROR_FILE = "ErrorFileBadFormat"
# A longer text is no traceback of Python's, and cutting it comes first.
_MAX_TRACEBACK_CHARACTERS = 1_000_000
_STALE = (locations.OUTPUTS, locations.ERROR, locations.FUTURES, locations.DECK, DONE)


async def clear(blobs: BlobStore, output_dir: str) -> None:
    """Remove what an earlier execution of the same attempt has left, so that it does not count as the next one's."""
    # If the task has replaced the directory by a link, there is nothing of ours in it.
    with contextlib.suppress(InvalidRequest):
        await blobs.delete_all(output_dir.rstrip("/"), _STALE)


async def finished(blobs: BlobStore, output_dir: str) -> execution_pb2.TaskAttemptResult | None:
    """Return the result of an earlier execution of the same attempt that has ended, or None."""
    try:
        uri = locations.join(output_dir, DONE)
        result = await blobs.read_message(uri, execution_pb2.TaskAttemptResult, MAX_RESULT_BYTES)
        # The task can write to the directory too.
        bounds.check(result)
    except (NotFound, Internal, InvalidRequest):
        return None
    return result


async def mark_finished(blobs: BlobStore, output_dir: str, result: execution_pb2.TaskAttemptResult) -> None:
    """Store a result, in case Temporal does not receive it."""
    await blobs.write_message(locations.join(output_dir, DONE), result)


async def copy(blobs: BlobStore, from_dir: str, to_dir: str) -> None:
    """Copy outputs, if the attempt has any."""
    with contextlib.suppress(NotFound):
        await blobs.write(locations.outputs_uri(to_dir), await blobs.read(locations.outputs_uri(from_dir)))


async def collect(
    blobs: BlobStore,
    output_dir: str,
    template: tasks_pb2.TaskTemplate,
    offloading: Offloading | None = None,
    *,
    is_element: bool = False,
) -> execution_pb2.TaskAttemptResult:
    """Return the result of an attempt. Large outputs are offloaded, by default from the usual size on.

    Raises:
        ValueTooLarge: an output reaches the limit of the installation.
        LinkedFolder: the task has replaced its folder by a link.
    """
    dynamic, reported, deck = await _left(blobs, output_dir, template)
    result = execution_pb2.TaskAttemptResult(deck_uri=deck)
    if dynamic:
        result.dynamic = True
        result.outputs.uri = locations.outputs_uri(output_dir)
    elif reported is not None:
        result.failure.CopyFrom(reported)
    else:
        outputs = template.interface.outputs.variables
        if outputs:
            # The interface of a map task declares lists, of which an element has one value each.
            declared = None if is_element else outputs
            await _collect_outputs(blobs, output_dir, declared, result, offloading or Offloading(blobs))
        else:
            result.outputs.literals.SetInParent()
    return result


async def _left(
    blobs: BlobStore, output_dir: str, template: tasks_pb2.TaskTemplate
) -> tuple[bool, execution_pb2.AttemptFailure | None, str]:
    """Return whether an attempt has left a plan, its error document and the URI of its deck."""
    # Most attempts have none of these, and one look at a folder costs less than three.
    found = await blobs.may_be_present(output_dir.rstrip("/"), (locations.FUTURES, locations.ERROR, locations.DECK))
    # gather: these only read, so those that are left running after an error do no harm.
    return await asyncio.gather(
        blobs.exists(locations.join(output_dir, locations.FUTURES)) if locations.FUTURES in found else _answer(False),
        _reported_failure(blobs, output_dir) if locations.ERROR in found else _answer(None),
        deck_uri(blobs, output_dir, template) if locations.DECK in found else _answer(""),
    )


async def _answer(value: T) -> T:
    return value


def failed(
    code: str, message: str, kind: core_execution_pb2.ExecutionError.ErrorKind, *, recoverable: bool
) -> execution_pb2.TaskAttemptResult:
    """Return the result of an attempt that has failed without an error document."""
    return execution_pb2.TaskAttemptResult(failure=failure(code, message, kind, recoverable=recoverable))


def failure(
    code: str, message: str, kind: core_execution_pb2.ExecutionError.ErrorKind, *, recoverable: bool
) -> execution_pb2.AttemptFailure:
    """Return a failure; its message is shortened to fit into an event."""
    error = core_execution_pb2.ExecutionError(code=code, message=error_text.shortened(message), kind=kind)
    return execution_pb2.AttemptFailure(error=error, recoverable=recoverable)


async def _collect_outputs(
    blobs: BlobStore,
    output_dir: str,
    declared: Mapping[str, interface_pb2.Variable] | None,
    result: execution_pb2.TaskAttemptResult,
    offloading: Offloading,
) -> None:
    uri = locations.outputs_uri(output_dir)
    # Each value can be almost as large as the limit of one; the error of one that is larger should name it.
    limit_bytes = min(MAX_READ_BYTES, 2 * offloading.limits.most * max(1, len(declared or ())))
    try:
        values = await blobs.read_message(uri, literals_pb2.LiteralMap, limit_bytes)
        await _checked(values)
        if await offloading.offload(values, output_dir, declared):
            await blobs.write_message(uri, values)
        result.outputs.CopyFrom(node_outputs(values, uri))
    except NotFound:
        text = f"the task ended without an error but left no outputs at [{uri}]"
        result.failure.CopyFrom(failure("OutputsNotFound", text, ErrorKind.UNKNOWN, recoverable=True))
    except ValueTooLarge:
        raise
    except (Internal, InvalidRequest) as e:
        text = f"the task's outputs at [{uri}] cannot be used: {e.message}"
        result.failure.CopyFrom(failure(INVALID_OUTPUTS, text, ErrorKind.USER, recoverable=False))


async def _checked(values: literals_pb2.LiteralMap) -> None:
    if values.ByteSize() < SMALL_BYTES:  # A thread costs more than the check.
        bounds.check(values)
    else:
        await asyncio.to_thread(bounds.check, values)


async def _reported_failure(blobs: BlobStore, output_dir: str) -> execution_pb2.AttemptFailure | None:
    """Return the failure that the task has written to ``error.pb``, or None."""
    uri = locations.join(output_dir, locations.ERROR)
    try:
        document = await blobs.read_message(uri, errors_pb2.ErrorDocument, MAX_ERROR_BYTES)
    except NotFound:
        return None
    except LinkedFolder:
        raise  # Whether there is an error document cannot be known. What is wrong is the folder.
    except (Internal, InvalidRequest) as e:
        text = f"the task's error document at [{uri}] cannot be used: {e.message}"
        return failure(_BAD_ERROR_FILE, text, ErrorKind.SYSTEM, recoverable=True)
    if not document.HasField("error"):
        text = f"error document at [{uri}] holds no error"
        return failure(_BAD_ERROR_FILE, text, ErrorKind.SYSTEM, recoverable=True)
    return await asyncio.to_thread(_described, bounds.repaired(document).error)


def _described(error: errors_pb2.ContainerError) -> execution_pb2.AttemptFailure:
    """Return the failure that a task has written. Whatever cannot be stored is replaced: the rest must arrive."""
    text = _storable(error.message)
    is_outage = failures.tells_of_outage(text)
    if len(text) <= _MAX_TRACEBACK_CHARACTERS:
        text = tracebacks.user_frames_first(text)
    kind = error.origin if error.origin in ErrorKind.ErrorKind.values() else ErrorKind.UNKNOWN
    code = error_text.headline(_storable(error.code))
    described = failure(code, text, kind, recoverable=error.kind == error.RECOVERABLE)
    if is_outage:
        described.error.code, described.error.kind, described.recoverable = STORE_UNREACHABLE, ErrorKind.SYSTEM, True
    if error.HasField("timestamp"):
        described.error.timestamp.CopyFrom(error.timestamp)
    described.error.worker = error_text.headline(_storable(error.worker))
    return described


def _storable(text: str) -> str:
    # Postgres has no NUL.
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


async def deck_uri(blobs: BlobStore, output_dir: str, template: tasks_pb2.TaskTemplate) -> str:
    """Return the URI of the attempt's deck, or an empty text if there is none."""
    uri = locations.join(output_dir, locations.DECK)
    return uri if may_have_deck(template) and await blobs.exists(uri) else ""
