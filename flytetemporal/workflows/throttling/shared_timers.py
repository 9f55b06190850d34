"""Timers of nodes that sleep: the first few have their own, the others share one if they wake at about the same time.

A timer costs two events of the history and a workflow task, so timers of 40,000 sleeping nodes would not fit into one
history.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import workflow

from flytetemporal.workflows.versions import Patch

# Sleeping nodes with a timer each.
OWN_TIMERS = 50
# A node that shares a timer can wake this much late.
RESOLUTION = timedelta(milliseconds=100)


@dataclass(slots=True)
class _Timer:
    """A shared timer. ``waiting`` counts the coroutines and calls that need it; ``calls`` run in order of insertion."""

    fired: "asyncio.Future[None]"
    waiting: int = 0
    task: "asyncio.Task[None] | None" = None
    calls: dict[int, Callable[[], None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScheduledCall:
    """A handle to cancel a call: ``key`` among the calls of the timer ``number``."""

    number: int
    key: int


@dataclass(slots=True)
class SharedTimers:
    """The timers of one run. A timer's number is its deadline in units of ``RESOLUTION``, rounded up."""

    _sleeping: int = 0
    _last_key: int = 0
    _timers: dict[int, _Timer] = field(default_factory=dict)

    @property
    def should_suspend(self) -> bool:
        """Whether so many nodes sleep that the next one should be suspended."""
        return self._sleeping >= OWN_TIMERS and workflow.patched(Patch.SUSPENDED_NODES)

    async def sleep(self, duration: timedelta, summary: str) -> None:
        """Return after ``duration`` at the earliest; Temporal's UI shows ``summary`` unless the timer is shared."""
        self._sleeping += 1
        try:
            if self._sleeping > OWN_TIMERS and workflow.patched(Patch.SHARED_TIMERS):
                await self._sleep_shared(duration)
            else:
                await workflow.sleep(duration, summary=summary)
        finally:
            self._sleeping -= 1

    def call_later(self, duration: timedelta, wake: Callable[[], None]) -> ScheduledCall:
        """Call ``wake`` after ``duration`` at the earliest."""
        self._sleeping += 1
        self._last_key += 1
        number, timer = self._timer(duration)
        timer.waiting += 1
        timer.calls[self._last_key] = wake
        return ScheduledCall(number, self._last_key)

    def cancel(self, call: ScheduledCall) -> None:
        """Cancel a scheduled call; a call that was made already is left alone."""
        timer = self._timers.get(call.number)
        if timer is not None and timer.calls.pop(call.key, None) is not None:
            self._sleeping -= 1
            self._release(call.number, timer)

    async def _sleep_shared(self, duration: timedelta) -> None:
        number, timer = self._timer(duration)
        timer.waiting += 1
        try:
            # Without the shield a node that is cancelled would cancel the future that all others wait for.
            await asyncio.shield(timer.fired)
        finally:
            self._release(number, timer)

    def _timer(self, duration: timedelta) -> tuple[int, _Timer]:
        number = math.ceil((workflow.time() + duration.total_seconds()) / RESOLUTION.total_seconds())
        timer = self._timers.get(number)
        if timer is None:
            timer = self._timers[number] = _Timer(asyncio.get_running_loop().create_future())
            timer.task = asyncio.create_task(self._fire(number, timer))
        return number, timer

    def _release(self, number: int, timer: _Timer) -> None:
        """Cancel the timer if nothing else needs it."""
        timer.waiting -= 1
        if timer.waiting == 0 and timer.task is not None and not timer.fired.done():
            timer.task.cancel()
            self._timers.pop(number, None)

    async def _fire(self, number: int, timer: _Timer) -> None:
        left = number * RESOLUTION.total_seconds() - workflow.time()
        await workflow.sleep(max(left, 0.001), summary="nodes that sleep")
        self._timers.pop(number, None)
        timer.fired.set_result(None)
        for wake in timer.calls.values():
            self._sleeping -= 1
            wake()
