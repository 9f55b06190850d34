"""Removes expired cached outputs: a loop of the control worker does, and a catalog that is served alone."""

import contextlib
from collections.abc import AsyncIterator

import structlog

from flytetemporal.admin.upkeep.loops import Found
from flytetemporal.catalog import expiry
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.cli.serving import background

# Lookups do not use what has expired, so it only takes space.
INTERVAL_SECONDS = 60.0

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def removing_expired(deps: Catalog) -> AsyncIterator[None]:
    """Remove what has expired every ``INTERVAL_SECONDS`` while the context is open."""
    async with background.running(
        background.repeat(lambda: remove_expired(deps), INTERVAL_SECONDS, "cache_expiry_failed")
    ):
        yield


async def remove_expired(deps: Catalog) -> Found:
    """Remove what has expired; run as a round of a loop."""
    removed = await expiry.remove_expired(deps)
    if not removed:
        return Found()
    _log.info("cache_expired", removed=removed)
    return Found({"cache_expired": removed})
