"""Cached outputs of dynamic nodes: the attempt has looked them up, the workflow that it generated has computed them."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import structlog
from flyteidl.core import catalog_pb2
from temporalio import activity

from flytetemporal.activities.caching import single_flight
from flytetemporal.activities.caching.catalog import Catalog, answer
from flytetemporal.activities.caching.task_cache import CacheUse, TaskCache
from flytetemporal.activities.data import TemplateCache
from flytetemporal.activities.offloading import DEFAULTS, Limits, Offloading
from flytetemporal.activities.task_attempts import Attempt
from flytetemporal.activities.task_inputs import TaskInputs
from flytetemporal.contracts.v1 import caching_pb2, execution_pb2
from flytetemporal.errors import FlyteError, ResolutionFailed
from flytetemporal.plugins.protocol import Rejected
from flytetemporal.storage.blobs import BlobStore

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class DynamicOutputs:
    """``store_outputs`` and ``extend_reservation`` of ``contracts/activities``."""

    def __init__(self, blobs: BlobStore, limits: Limits = DEFAULTS, catalog: Catalog | None = None) -> None:
        offloads = Offloading(blobs, limits)
        self._templates = TemplateCache(blobs)
        self._catalog = catalog
        self._cache = TaskCache(blobs, TaskInputs(blobs, offloads), offloads, catalog)

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for the worker."""
        return [self.store_outputs, self.extend_reservation]

    @activity.defn
    async def store_outputs(self, node: caching_pb2.CachedNode) -> caching_pb2.StoredOutputs:
        """Store the outputs of a dynamic node in the cache, and release its reservation.

        The key derives from the attempt's inputs again: a recovery has none of what an earlier execution looked up.
        """
        attempt = await self._attempt(node)
        try:
            use = await self._cache.look_up(attempt)
        except (Rejected, ResolutionFailed) as e:
            _log.warning("cache_put_failed", attempt=node.attempt.generated_name, problem=str(e))
            return _not_stored(node)
        if use is None:
            return caching_pb2.StoredOutputs()
        result = execution_pb2.TaskAttemptResult(outputs=node.outputs)
        await self._cache.store(attempt, use, result)
        if _is_reserved(node):
            await self._release(attempt, use)
        result.cache.reservation_status = node.cache.reservation_status
        return caching_pb2.StoredOutputs(cache=result.cache)

    @activity.defn
    async def extend_reservation(self, node: caching_pb2.CachedNode) -> caching_pb2.ExtendedReservation:
        """Extend the reservation of a dynamic node. If another attempt has taken it, both compute the same."""
        attempt = await self._attempt(node)
        use = await self._cache.key_of(attempt)
        if use is None or self._catalog is None:
            return caching_pb2.ExtendedReservation()
        reservation, owner = single_flight.reservation_of(use), single_flight.owner_of(attempt)
        extending = functools.partial(self._catalog.reserve, reservation, owner, single_flight.DYNAMIC_HEARTBEAT)
        try:
            return caching_pb2.ExtendedReservation(held=await answer(extending) == owner)
        except FlyteError:
            return caching_pb2.ExtendedReservation()

    async def _attempt(self, node: caching_pb2.CachedNode) -> Attempt:
        template = await self._templates.load(node.attempt.tasks, node.attempt.task)
        return Attempt(node.attempt, template)

    async def _release(self, attempt: Attempt, use: CacheUse) -> None:
        if self._catalog is None:
            return
        with contextlib.suppress(FlyteError):
            await self._catalog.release(single_flight.reservation_of(use), single_flight.owner_of(attempt))


def _not_stored(node: caching_pb2.CachedNode) -> caching_pb2.StoredOutputs:
    stored = caching_pb2.StoredOutputs(cache=node.cache)
    stored.cache.cache_status = catalog_pb2.CACHE_PUT_FAILURE
    return stored


def _is_reserved(node: caching_pb2.CachedNode) -> bool:
    return node.cache.reservation_status == catalog_pb2.CatalogReservation.RESERVATION_ACQUIRED
