"""The times of a run's events: strictly increasing, and true although workflow time stands still in a workflow task.

A workflow task can walk hundreds of nodes and last seconds. An event's time therefore has two parts. ``tick`` is
workflow time, a microsecond later per event; it is the same in every replay, and all that workflow code may look at.
``delay`` is how much later the event really happened. It is sent in a field of fixed size, and the activity that sends
the events adds it, so neither the commands of the run nor the size of a report depend on it (docs/decisions/0015).
"""

import time  # The one clock of replayed code, allowed in pyproject.toml.
from datetime import UTC, datetime, timedelta

from google.protobuf import timestamp_pb2
from temporalio import workflow

from flytetemporal.idl import times

_NEVER = datetime.min.replace(tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
# What a fixed32 holds, in microseconds: more than an hour, where Temporal ends a workflow task after seconds.
MAX_DELAY = 2**32 - 1


class EventClock:
    """Gives the events of one run strictly increasing times."""

    def __init__(self) -> None:
        self._last_tick = _NEVER
        self._last_true = _NEVER
        # Workflow time of the current workflow task, and the machine's clock when its first event was made.
        self._task_started = _NEVER
        self._counted_from = 0.0

    def tick(self) -> timestamp_pb2.Timestamp:
        """Return the time of an event that happens now: workflow time, but later than those of all events before it."""
        now = self._now()
        self._last_tick = max(now, self._last_tick + MICROSECOND)
        return times.timestamp(self._last_tick)

    def delay(self, occurred_at: timestamp_pb2.Timestamp) -> int:
        """Return the microseconds from ``occurred_at``, a result of ``tick``, to the present. For reports only."""
        tick = times.moment(occurred_at)
        true = max(self._now() + self._elapsed(), self._last_true + MICROSECOND, tick)
        self._last_true = true
        return min((true - tick) // MICROSECOND, MAX_DELAY)

    def _now(self) -> datetime:
        now = workflow.now()
        if now != self._task_started:
            self._task_started, self._counted_from = now, time.monotonic()
        return now

    def _elapsed(self) -> timedelta:
        # A replay repeats what happened earlier: its own duration says nothing about that.
        if workflow.unsafe.is_replaying():
            return timedelta()
        return timedelta(seconds=time.monotonic() - self._counted_from)
