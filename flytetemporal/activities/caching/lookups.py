"""Lookups of cached outputs by the workflow, before it schedules attempts: one call of the catalog for many of them.

The activity is a local one, and holds up its workflow task. So it does nothing that can take long: what it cannot find
out quickly is left to the attempts, which look by themselves as if there had been no lookup.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from flyteidl.core import literals_pb2
from temporalio import activity

from flytetemporal.activities.caching.catalog import Catalog
from flytetemporal.activities.caching.task_cache import CacheUse, TaskCache, is_hit
from flytetemporal.activities.data import TemplateCache
from flytetemporal.activities.offloading import DEFAULTS, Limits, Offloading
from flytetemporal.activities.task_attempts import Attempt
from flytetemporal.activities.task_events import ElementEvents
from flytetemporal.activities.task_inputs import TaskInputs
from flytetemporal.contracts import limits
from flytetemporal.contracts.v1 import cache_operations_pb2, caching_pb2, execution_pb2
from flytetemporal.errors import FlyteError
from flytetemporal.idl import locations, times
from flytetemporal.plugins.protocol import Rejected
from flytetemporal.storage.blobs import BlobStore
from flytetemporal.storage.concurrency import for_each

_CATALOG_SECONDS = 1.0
_FILES_AT_ONCE = 16

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An attempt, by its position in the request, and the key of its outputs.

    ``inputs`` are those of the file that its task would read.
    """

    position: int
    attempt: Attempt
    use: CacheUse
    inputs: literals_pb2.LiteralMap


class CacheLookups:
    """``look_up_outputs`` of ``contracts/activities``."""

    def __init__(self, blobs: BlobStore, sizes: Limits = DEFAULTS, catalog: Catalog | None = None) -> None:
        offloads = Offloading(blobs, sizes)
        self._templates = TemplateCache(blobs)
        self._inputs = TaskInputs(blobs, offloads)
        self._catalog = catalog
        self._cache = TaskCache(blobs, self._inputs, offloads, catalog)

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for the worker."""
        return [self.look_up_outputs]

    @activity.defn
    async def look_up_outputs(self, lookups: caching_pb2.Lookups) -> caching_pb2.FoundOutputs:
        """Look up the outputs of attempts; write those that are found, and return them."""
        started = time.monotonic()
        wanted = [one for one in await for_each(self._wanted, enumerate(lookups.attempts), _FILES_AT_ONCE) if one]
        try:
            async with asyncio.timeout(_CATALOG_SECONDS):
                found = await self._look_up(wanted)
        except (FlyteError, TimeoutError) as e:
            _log.warning("outputs_not_looked_up", attempts=len(wanted), problem=str(e) or "the catalog is slow")
            return caching_pb2.FoundOutputs()
        answers = await for_each(lambda pair: self._answer(*pair), zip(wanted, found, strict=True), _FILES_AT_ONCE)
        result = caching_pb2.FoundOutputs(attempts=[caching_pb2.FoundOutput() for _ in lookups.attempts])
        for one, answer in zip(wanted, answers, strict=True):
            result.attempts[one.position].CopyFrom(answer)
        _make_short(result, lookups.attempts)
        result.milliseconds = int(1000 * (time.monotonic() - started))
        return result

    async def _wanted(self, numbered: tuple[int, execution_pb2.TaskAttempt]) -> _Wanted | None:
        """Return the key of an attempt's outputs; None if the attempt has to look by itself."""
        position, request = numbered
        try:
            attempt = Attempt(request, await self._templates.load(request.tasks, request.task))
            use = await self._cache.key_of(attempt)
            if use is None:
                return None
            _, inputs = await self._inputs.resolve(attempt)
        except (FlyteError, Rejected):
            return None
        return _Wanted(position, attempt, use, inputs)

    async def _look_up(self, wanted: Sequence[_Wanted]) -> Sequence[cache_operations_pb2.LookedUp]:
        """Ask the catalog, once. Raises any ``FlyteError``."""
        if self._catalog is None or not wanted:
            return [cache_operations_pb2.LookedUp(left_out=True) for _ in wanted]
        return await self._catalog.look_up(
            cache_operations_pb2.LookUpKey(dataset=one.use.dataset, tags=one.use.key.tags) for one in wanted
        )

    async def _answer(self, one: _Wanted, found: cache_operations_pb2.LookedUp) -> caching_pb2.FoundOutput:
        """Return the outputs of an attempt, once they are written."""
        if found.left_out:
            return caching_pb2.FoundOutput()
        attempt, use = one.attempt, one.use
        try:
            await self._cache.accept(attempt, use, found)
            if use.hit is None:
                miss = execution_pb2.CacheMiss(at=times.timestamp(datetime.now(UTC)), replaces=use.replaces)
                return caching_pb2.FoundOutput(miss=miss)
            result = await self._cache.result(attempt, use, one.inputs, is_new=True)
        except FlyteError as e:
            _log.warning("outputs_not_looked_up", attempt=attempt.request.generated_name, problem=e.message)
            return caching_pb2.FoundOutput()
        if not is_hit(result):  # The attempt's own, from before the workflow was reset: it has events to report.
            return caching_pb2.FoundOutput()
        if attempt.is_element:  # Clients see no task execution of a hit, but the array has one for all its elements.
            result.unreported.append(ElementEvents(attempt.request, attempt.task).ended(result, datetime.now(UTC)))
        return caching_pb2.FoundOutput(hit=result)


def _make_short(found: caching_pb2.FoundOutputs, attempts: Sequence[execution_pb2.TaskAttempt]) -> None:
    """Replace outputs by their URIs if they are too many for one result."""
    left = limits.MAX_RETURNED_BYTES
    for one, attempt in zip(found.attempts, attempts, strict=True):
        outputs = one.hit.outputs
        if outputs.HasField("literals"):
            left -= outputs.literals.ByteSize()
            if left < 0:
                outputs.uri = locations.outputs_uri(attempt.output_dir)
