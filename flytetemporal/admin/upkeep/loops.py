"""Run rounds of loops.

A loop is a name, an interval and a function that runs one round. The workflow ``UpkeepWorkflow`` of its name calls the
activity here again and again. Temporal runs one workflow per name, so several control workers share the rounds of
a loop. Only if a worker stalls can two rounds of the same loop overlap, so every round has to bear that.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Summary
from temporalio import activity  # Temporal finds an activity by this decorator; all calls go through base/engine.

from flytetemporal.admin.upkeep import records
from flytetemporal.contracts.v1 import upkeep_pb2
from flytetemporal.errors import FlyteError
from flytetemporal.idl import times

# A round is stopped after this time. Temporal's own limit is longer, so that the error is recorded.
ROUND_LIMIT = timedelta(minutes=9)
# Between rounds that follow each other because there is more to do.
SHORT_WAIT = timedelta(seconds=1)

ROUNDS = Counter("flytetemporal_upkeep_rounds", "Rounds of the control worker's loops.", ["loop", "result"])
FOUND = Counter("flytetemporal_upkeep_found", "What the control worker's loops found.", ["loop", "found"])
SECONDS = Summary("flytetemporal_upkeep_round_seconds", "How long rounds took.", ["loop"])
SUCCEEDED_AT = Gauge(
    "flytetemporal_upkeep_last_success_timestamp_seconds", "When the last round without an error ended.", ["loop"]
)

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """What a round has found.

    ``counts`` is by name, without zeros. ``more``: the round has stopped at a bound, so the next one starts at once.
    ``error``: why a part of the round failed; empty if none did.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    more: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop of the control worker. ``interval`` is the time from the end of a round to the start of the next one.

    ``round`` is idempotent. What it raises is recorded, and the next round follows as after any other.
    """

    name: str
    interval: timedelta
    round: Callable[[], Awaitable[Found]]


class UpkeepActivities:
    """The implementation of the activity ``upkeep_round`` of ``contracts/activities``."""

    def __init__(self, sessions: records.Sessions, loops: Sequence[Loop]) -> None:
        self._sessions = sessions
        self._loops = {loop.name: loop for loop in loops}

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for the worker."""
        return [self.upkeep_round]

    @activity.defn
    async def upkeep_round(self, request: upkeep_pb2.UpkeepLoop) -> upkeep_pb2.UpkeepRound:
        """Run one round, and record it. Only an error of the record fails the activity, which Temporal then repeats."""
        loop = self._loops.get(request.name)
        if loop is None:
            # A release that has the loop starts its workflow again; one that no longer has it ends it here.
            return upkeep_pb2.UpkeepRound(unknown=True)
        await records.begin(self._sessions, loop.name, loop.interval)
        with SECONDS.labels(loop.name).time():
            found = await _found(loop)
        _count(loop.name, found)
        wait = min(SHORT_WAIT, loop.interval) if found.more and not found.error else loop.interval
        await records.end(self._sessions, loop.name, wait, found.counts, found.error)
        return upkeep_pb2.UpkeepRound(wait=times.duration(wait))


async def _found(loop: Loop) -> Found:
    """Run a round; return its error as a part of what it has found."""
    try:
        async with asyncio.timeout(ROUND_LIMIT.total_seconds()):
            return await loop.round()
    except TimeoutError:
        minutes = ROUND_LIMIT // timedelta(minutes=1)
        return Found(error=f"the round was stopped after {minutes} minutes")
    except FlyteError as e:
        _log.warning("upkeep_failed", loop=loop.name, error=e.message)
        return Found(error=e.message)
    except Exception as e:
        _log.exception("upkeep_failed", loop=loop.name)
        return Found(error=f"{type(e).__name__}: {e}")


def _count(loop: str, found: Found) -> None:
    ROUNDS.labels(loop, "failed" if found.error else "succeeded").inc()
    if not found.error:
        SUCCEEDED_AT.labels(loop).set_to_current_time()
    for name, count in found.counts.items():
        FOUND.labels(loop, name).inc(count)
