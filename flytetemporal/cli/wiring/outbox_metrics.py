"""Measures what waits for delivery, while a process runs that has /metrics."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from prometheus_client import Gauge

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.outbox import waiting
from flytetemporal.cli.serving import background

INTERVAL_SECONDS = 15.0
WAITING = Gauge("flytetemporal_outbox_waiting", "What waits for its delivery; in events about how many.", ["outbox"])
LAG = Gauge("flytetemporal_outbox_lag_seconds", "Age of the oldest of what waits for its delivery.", ["outbox"])


@contextlib.asynccontextmanager
async def measuring(deps: Dependencies) -> AsyncIterator[None]:
    """Measure every ``INTERVAL_SECONDS`` while the context is open."""
    async with background.running(background.repeat(lambda: measure(deps), INTERVAL_SECONDS, "outbox_not_measured")):
        yield


async def measure(deps: Dependencies) -> None:
    """Set the metrics."""
    now = datetime.now(UTC)
    for outbox, (count, oldest) in (await waiting.measured(deps)).items():
        WAITING.labels(outbox).set(count)
        LAG.labels(outbox).set(max(now - oldest, timedelta()).total_seconds() if oldest is not None else 0)
