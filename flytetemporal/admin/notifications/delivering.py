"""One round of the delivery of notifications.

Destinations are independent: each has its own share of a round, and one that is down costs a round a few attempts.
Several processes may run rounds at the same time.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from prometheus_client import Counter as CounterMetric

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.notifications import queue
from flytetemporal.admin.notifications.queue import Result
from flytetemporal.admin.notifications.senders import choice
from flytetemporal.admin.notifications.senders.choice import Senders
from flytetemporal.admin.notifications.senders.protocol import Delivery
from flytetemporal.admin.upkeep.loops import Found
from flytetemporal.errors import FlyteError, InvalidRequest, Unavailable

# Attempts at once for one destination, and destinations at once.
BATCH, PARALLEL = 10, 16
# Batches of a destination in one round; the next round continues.
MOST_BATCHES = 20
Clock = Callable[[], datetime]

ATTEMPTS = CounterMetric("flytetemporal_notifications", "Attempts to deliver a notification.", ["channel", "result"])

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def utc_now() -> datetime:
    """Return the time of the machine."""
    return datetime.now(UTC)


async def round_of_delivery(deps: Dependencies) -> Found:
    """Deliver what is due; run as a round of a loop."""
    if await queue.due_destinations(deps, utc_now()):
        async with choice.senders(deps.notifications) as senders:
            found = await deliver_due(deps, senders)
    else:  # Senders need certificates and clients, too much for every few seconds in which nothing happens.
        found = Counter()
    return Found(found, more=found["delivered"] >= BATCH * MOST_BATCHES)


async def deliver_due(deps: Dependencies, senders: Senders, clock: Clock = utc_now) -> Counter[str]:
    """Deliver what is due; return how many attempts had which result."""
    found: Counter[str] = Counter()
    found["given_up"] += await queue.give_up_old(deps, clock())
    limit = asyncio.Semaphore(PARALLEL)

    async def serve(destination: str) -> None:
        async with limit:
            await _deliver_to(deps, senders, destination, clock, found)

    async with asyncio.TaskGroup() as group:
        for destination in await queue.due_destinations(deps, clock()):
            group.create_task(serve(destination))
    return +found


async def _deliver_to(
    deps: Dependencies, senders: Senders, destination: str, clock: Clock, found: Counter[str]
) -> None:
    for _ in range(MOST_BATCHES):
        batch = await queue.take(deps, destination, BATCH, clock())
        outcomes = await asyncio.gather(*(_attempt(senders, delivery) for delivery in batch))  # They raise nothing.
        await queue.record(deps, [result for result, _ in outcomes], clock())
        for result, _ in outcomes:
            kind = "delivered" if not result.problem else "failed" if result.is_final else "postponed"
            found[kind] += 1
            ATTEMPTS.labels(result.delivery.channel, kind).inc()
        # What else is due for a destination that is down would only wait for the same timeout.
        if len(batch) < BATCH or any(is_down for _, is_down in outcomes):
            return


async def _attempt(senders: Senders, delivery: Delivery) -> tuple[Result, bool]:
    """Return the result of one attempt, and whether the destination is down."""
    try:
        await senders[delivery.channel].send(delivery)
    except FlyteError as e:
        is_final, is_down = isinstance(e, InvalidRequest), isinstance(e, Unavailable)
        _log.warning(
            "notification_not_delivered",
            delivery=delivery.delivery_id,
            attempt=delivery.attempt,
            problem=e.message,
            is_final=is_final,
        )
        return Result(delivery, e.message, is_final), is_down
    except Exception as e:
        # A defect. It must not end the round, and is not known to be the same the next time.
        _log.exception("notification_failed", delivery=delivery.delivery_id)
        return Result(delivery, f"internal error: {type(e).__name__}", is_final=False), False
    return Result(delivery), False
