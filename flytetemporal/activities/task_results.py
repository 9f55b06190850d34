"""The result of a task attempt: collect it from what the task has left, and keep it for a repeated activity."""

import asyncio
import contextlib
import functools
from collections.abc import Callable

import structlog

from flytetemporal.activities import outputs
from flytetemporal.activities.offloading import Offloading
from flytetemporal.activities.task_attempts import Attempt
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.errors import FlyteError, InvalidRequest, NotFound, StoreAccessDenied, ValueTooLarge
from flytetemporal.idl import locations
from flytetemporal.plugins.protocol import OUT_OF_MEMORY, STORE_UNREACHABLE, ErrorKind, PhaseInfo
from flytetemporal.plugins.transient import DENIED, retry_transient
from flytetemporal.storage.blobs import BlobStore

log = structlog.get_logger()

# How long the deck of an attempt that was stopped is looked for.
DECK_SECONDS = 5.0


class TaskResults:
    """Makes the results of attempts. An outage of the store delays a result and does not lose it.

    Methods raise ``StoreAccessDenied`` if the store denies access for ``transient.DENIED_SECONDS``.
    """

    def __init__(self, blobs: BlobStore, offloads: Offloading) -> None:
        self._blobs = blobs
        self._offloading = offloads

    async def kept(self, attempt: Attempt) -> execution_pb2.TaskAttemptResult | None:
        """Return the result of an earlier execution of the activity, which Temporal has not received."""
        reading = functools.partial(outputs.finished, self._blobs, attempt.request.output_dir)
        return await retry_transient(reading, "result", DENIED)

    async def keep(self, attempt: Attempt, result: execution_pb2.TaskAttemptResult) -> None:
        """Store a result, in case Temporal does not receive it."""
        marking = functools.partial(outputs.mark_finished, self._blobs, attempt.request.output_dir, result)
        try:
            await retry_transient(marking, "result")
        except (InvalidRequest, NotFound, StoreAccessDenied) as e:
            # The task has replaced its directory, or the store takes nothing. The result still reaches Temporal, unless
            # the worker dies now.
            log.warning("result_not_kept", attempt=attempt.request.generated_name, problem=e.message)

    async def collect(
        self, attempt: Attempt, last: PhaseInfo, note: Callable[[str], None]
    ) -> execution_pb2.TaskAttemptResult:
        """Return the result of an attempt whose last phase is ``last``; ``note`` what it waits for meanwhile."""
        result = await self._collected(attempt, last, note)
        if result.failure.error.code == STORE_UNREACHABLE:
            # The next attempt follows at once, and would fail like this one.
            probing = functools.partial(self._blobs.exists, locations.join(attempt.request.output_dir, outputs.DONE))
            await retry_transient(probing, "store", note=note)
        return result

    async def _collected(
        self, attempt: Attempt, last: PhaseInfo, note: Callable[[str], None]
    ) -> execution_pb2.TaskAttemptResult:
        error = last.error
        if error is not None:
            result = outputs.failed(error.code, error.message, error.kind, recoverable=last.recoverable)
            if error.code == OUT_OF_MEMORY:
                result.failure.next_memory_bytes = attempt.next_memory_bytes
            return await self._with_deck(attempt, result, note)
        written, expected = attempt.written_dir, attempt.request.output_dir
        collecting = functools.partial(
            outputs.collect, self._blobs, written, attempt.task, self._offloading, is_element=attempt.is_element
        )
        try:
            result = await retry_transient(collecting, "outputs", note=note)
        except ValueTooLarge as e:
            result = outputs.failed("OutputSizeExceeded", attempt.describe(e), ErrorKind.USER, recoverable=False)
            return await self._with_deck(attempt, result, note)
        except InvalidRequest as e:
            result = outputs.failed(outputs.INVALID_OUTPUTS, e.message, ErrorKind.USER, recoverable=False)
            return await self._with_deck(attempt, result, note)
        if result.WhichOneof("outcome") == "outputs":
            if written != expected:
                copying = functools.partial(outputs.copy, self._blobs, written, expected)
                await retry_transient(copying, "outputs", note=note)
            if attempt.is_element:
                # The activity that gathers the outputs of all elements reads them from the store.
                result.outputs.uri = locations.outputs_uri(expected)
        return result

    async def _with_deck(
        self, attempt: Attempt, result: execution_pb2.TaskAttemptResult, note: Callable[[str], None]
    ) -> execution_pb2.TaskAttemptResult:
        """Add the deck of an attempt whose outputs were not collected."""
        looking = functools.partial(outputs.deck_uri, self._blobs, attempt.written_dir, attempt.task)
        with contextlib.suppress(InvalidRequest):  # The task has replaced its directory by a link.
            result.deck_uri = await retry_transient(looking, "deck", note=note)
        return result

    async def deck_of_stopped(self, attempt: Attempt) -> str:
        """Return the URI of the deck of an attempt that was stopped; an empty text if the store does not answer."""
        # An abort must end soon, so it does not wait out an outage.
        with contextlib.suppress(FlyteError, TimeoutError):
            async with asyncio.timeout(DECK_SECONDS):
                return await outputs.deck_uri(self._blobs, attempt.written_dir, attempt.task)
        return ""
