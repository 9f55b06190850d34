"""One round of sending CloudEvents.

Events of an execution are sent in their order, each at least once: a batch is deleted in the transaction that has read
it, after the sink has it. A lock keeps rounds of two control workers from sending at the same time.
"""

import contextlib
import ssl
from collections import Counter
from collections.abc import AsyncIterator

import structlog
from prometheus_client import Counter as CounterMetric
from sqlalchemy import delete, func, select

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.outbox_rows import CloudEventRow
from flytetemporal.admin.cloud_events import envelopes
from flytetemporal.admin.cloud_events.sinks.protocol import Outcome, Sink
from flytetemporal.admin.cloud_events.sinks.webhook import WebhookSink
from flytetemporal.admin.outbox.http import HttpPoster
from flytetemporal.admin.upkeep.loops import Found
from flytetemporal.config.events import EventSettings

BATCH = 200
# Batches of one round; the next one follows soon if there is more.
MOST_BATCHES = 5
# An arbitrary number. All versions of the program must use the same one.
LOCK = 7_205_759_404

SENT = CounterMetric("flytetemporal_cloud_events", "Events that the sink has got or refused.", ["result"])

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def round_of_events(deps: Dependencies) -> Found:
    """Send what waits; run as a round of a loop. Its error is that of the sink."""
    if not deps.events.sink or not await _anything(deps):
        return Found()
    async with connected(deps.events) as sink:
        return await send_waiting(deps, sink)


async def send_waiting(deps: Dependencies, sink: Sink) -> Found:
    """Send what waits, batch by batch, until the sink takes no more."""
    counts: Counter[str] = Counter()
    for _ in range(MOST_BATCHES):
        read, outcome = await _send_batch(deps, sink)
        counts["sent"] += len(outcome.accepted)
        counts["refused"] += len(outcome.refused)
        if outcome.refused:
            _log.warning("cloud_events_refused", events=len(outcome.refused))
        if outcome.problem or read < BATCH:
            return Found(+counts, error=outcome.problem)
    return Found(+counts, more=True)


@contextlib.asynccontextmanager
async def connected(settings: EventSettings) -> AsyncIterator[Sink]:
    """Return the configured sink, which is connected while the context is open. Raises ``Unavailable``."""
    tls = ssl.create_default_context()
    if settings.ca_file:
        tls.load_verify_locations(settings.ca_file)
    if settings.sink == "kafka":
        from flytetemporal.admin.cloud_events.sinks import kafka  # aiokafka is optional.

        async with kafka.sink(settings, tls) as sink:
            yield sink
        return
    http = HttpPoster(tls, settings.timeout.total_seconds())
    try:
        yield WebhookSink(settings, http)
    finally:
        await http.close()


async def _anything(deps: Dependencies) -> bool:
    async with deps.sessions() as session:
        return (await session.execute(select(CloudEventRow.id).limit(1))).first() is not None


async def _send_batch(deps: Dependencies, sink: Sink) -> tuple[int, Outcome]:
    """Send a batch; return how many events it has, 0 if another control worker sends now."""
    row = CloudEventRow
    async with deps.sessions.begin() as session:
        # Without the lock two rounds could send the same events in turns, and those of an execution out of their order.
        # It ends with the transaction, also if this process dies. The sink answers within a minute.
        if not await session.scalar(select(func.pg_try_advisory_xact_lock(LOCK))):
            return 0, Outcome()
        rows = (await session.scalars(select(row).order_by(row.id).limit(BATCH))).all()
        if not rows:
            return 0, Outcome()
        events, odd = await envelopes.envelopes(session, deps.events, rows)
        outcome = await sink.send(events)
        outcome.refused += odd
        done = [*outcome.accepted, *outcome.refused]
        if done:
            await session.execute(delete(row).where(row.id.in_(done)).execution_options(synchronize_session=False))
    SENT.labels("accepted").inc(len(outcome.accepted))
    SENT.labels("refused").inc(len(outcome.refused))
    return len(rows), outcome
