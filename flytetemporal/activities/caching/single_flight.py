"""Serialized caching: of all attempts that need the same outputs, one computes them, and the others wait for these.

The one holds a reservation, which it extends while it runs. If its worker dies, the reservation expires after seconds,
and the next one computes. As with the cache itself, a catalog that does not answer costs work, never a run.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import structlog
from flyteidl.core import catalog_pb2
from flyteidl.datacatalog import datacatalog_pb2 as datacatalog

from flytetemporal.activities.caching.catalog import Catalog, answer
from flytetemporal.activities.caching.task_cache import CacheUse, TaskCache
from flytetemporal.activities.task_attempts import Attempt
from flytetemporal.errors import FlyteError

# A reservation lives three heartbeats. Flyte's engine extends its own every ten seconds.
HEARTBEAT = timedelta(seconds=2)
# The workflow of a dynamic node extends its reservation by an activity, so it does that less often. By default the
# catalog allows no longer interval.
DYNAMIC_HEARTBEAT = timedelta(seconds=10)
POLL_SECONDS = 1.0

Reservation = catalog_pb2.CatalogReservation

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class SingleFlight:
    """The reservations of one worker's attempts."""

    def __init__(self, cache: TaskCache, catalog: Catalog | None) -> None:
        self._cache = cache
        self._catalog = catalog

    @contextlib.asynccontextmanager
    async def alone(
        self, attempt: Attempt, use: CacheUse, waiting: Callable[[], AbstractContextManager[None]]
    ) -> AsyncIterator[None]:
        """Run the block when no other attempt computes the same outputs, or when there is a hit.

        ``waiting`` is entered while another attempt holds the reservation.
        """
        catalog = self._catalog
        if catalog is None or not _is_serialized(attempt, use):
            yield
            return
        owner, reservation = owner_of(attempt), reservation_of(use)
        extending = functools.partial(catalog.reserve, reservation, owner, HEARTBEAT)
        if not await self._acquired(attempt, use, waiting, extending, owner):
            yield
            return
        beats = asyncio.create_task(_beat(extending))
        try:
            yield
        finally:
            beats.cancel()
            with contextlib.suppress(FlyteError):
                if use.outlives:
                    await catalog.reserve(reservation, owner, DYNAMIC_HEARTBEAT)
                else:
                    # Flyte releases only after a success. A retry, which is another owner, would wait for nothing.
                    await catalog.release(reservation, owner)

    async def _acquired(
        self,
        attempt: Attempt,
        use: CacheUse,
        waiting: Callable[[], AbstractContextManager[None]],
        extending: Callable[[], Awaitable[str]],
        owner: str,
    ) -> bool:
        """Wait for the reservation or a hit; return whether the reservation is held."""
        with contextlib.ExitStack() as stack:
            is_waiting = False
            while True:
                try:
                    holder = await answer(extending)
                except FlyteError as e:
                    _log.warning("reservation_failed", attempt=attempt.request.generated_name, problem=e.message)
                    use.metadata.reservation_status = Reservation.RESERVATION_FAILURE
                    return False
                # Also as the holder: the one before has stored the outputs first and then released the reservation.
                await self._cache.look_again(attempt, use)
                if holder == owner:
                    use.metadata.reservation_status = Reservation.RESERVATION_ACQUIRED
                    return True
                use.metadata.reservation_status = Reservation.RESERVATION_EXISTS
                if use.hit is not None or use.metadata.cache_status == catalog_pb2.CACHE_LOOKUP_FAILURE:
                    return False
                if not is_waiting:
                    is_waiting = True
                    stack.enter_context(waiting())
                await asyncio.sleep(POLL_SECONDS)


async def _beat(extend: Callable[[], Awaitable[str]]) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT.total_seconds())
        # If the catalog does not answer until the reservation has expired, another attempt computes the same.
        with contextlib.suppress(FlyteError):
            await extend()


def _is_serialized(attempt: Attempt, use: CacheUse) -> bool:
    # As in Flyte, an execution that overwrites waits for nobody.
    if not attempt.task.metadata.cache_serializable or attempt.request.settings.overwrite_cache:
        return False
    return use.hit is None and use.metadata.cache_status == catalog_pb2.CACHE_MISS


def reservation_of(use: CacheUse) -> datacatalog.ReservationID:
    """Return the reservation of the right to compute what an attempt looked for."""
    return datacatalog.ReservationID(dataset_id=use.dataset, tag_name=use.key.tag)


def owner_of(attempt: Attempt) -> str:
    """Return the owner id of an attempt; a repeated activity keeps its reservation."""
    execution = attempt.node_execution_id.execution_id
    return f"{execution.project}:{execution.domain}:{attempt.request.generated_name}"
