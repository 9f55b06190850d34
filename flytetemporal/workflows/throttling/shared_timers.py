"""Timers of nodes that sleep. A few have one each; of many, those that end at about the same time share one.

A timer costs two events of the history and a workflow task; forty thousand sleepers would not fit into any.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import workflow

# So many sleepers have timers of their own.
FEW = 50
# Among more, a sleeper may wake so much late.
GRAIN = timedelta(milliseconds=100)
PATCH = "shared-timers"
PARKING_PATCH = "parked-sleepers"


@dataclass(slots=True)
class _Bell:
    """One timer. ``waiting`` sleep until it rings, and ``calls`` are made then, in the order of their keys."""

    rung: "asyncio.Future[None]"
    waiting: int = 0
    timer: "asyncio.Task[None] | None" = None
    calls: dict[int, Callable[[], None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alarm:
    """Names a call that was asked for: ``key`` among those of the bell ``number``."""

    number: int
    key: int


@dataclass(slots=True)
class Alarms:
    """The sleepers of one run."""

    _sleepers: int = 0
    _asked: int = 0
    _bells: dict[int, _Bell] = field(default_factory=dict)

    @property
    def is_crowded(self) -> bool:
        """So many sleep that the next one had better be parked."""
        return self._sleepers >= FEW and workflow.patched(PARKING_PATCH)

    async def sleep(self, duration: timedelta, summary: str) -> None:
        """Return after ``duration`` at the earliest; ``summary`` is shown by Temporal's UI."""
        self._sleepers += 1
        try:
            if self._sleepers > FEW and workflow.patched(PATCH):
                await self._shared(duration)
            else:
                await workflow.sleep(duration, summary=summary)
        finally:
            self._sleepers -= 1

    def call(self, duration: timedelta, wake: Callable[[], None]) -> Alarm:
        """Have ``wake`` called after ``duration`` at the earliest."""
        self._sleepers += 1
        self._asked += 1
        number, bell = self._bell(duration)
        bell.waiting += 1
        bell.calls[self._asked] = wake
        return Alarm(number, self._asked)

    def forget(self, alarm: Alarm) -> None:
        """Take back what ``call`` was asked for; nothing happens when it has been made."""
        bell = self._bells.get(alarm.number)
        if bell is not None and bell.calls.pop(alarm.key, None) is not None:
            self._sleepers -= 1
            self._leave(alarm.number, bell)

    async def _shared(self, duration: timedelta) -> None:
        number, bell = self._bell(duration)
        bell.waiting += 1
        try:
            await asyncio.shield(bell.rung)
        finally:
            self._leave(number, bell)

    def _bell(self, duration: timedelta) -> tuple[int, _Bell]:
        number = math.ceil((workflow.time() + duration.total_seconds()) / GRAIN.total_seconds())
        bell = self._bells.get(number)
        if bell is None:
            bell = self._bells[number] = _Bell(asyncio.get_running_loop().create_future())
            bell.timer = asyncio.create_task(self._ring(number, bell))
        return number, bell

    def _leave(self, number: int, bell: _Bell) -> None:
        bell.waiting -= 1
        if bell.waiting == 0 and bell.timer is not None and not bell.rung.done():
            bell.timer.cancel()
            self._bells.pop(number, None)

    async def _ring(self, number: int, bell: _Bell) -> None:
        left = number * GRAIN.total_seconds() - workflow.time()
        await workflow.sleep(max(left, 0.001), summary="nodes that sleep")
        self._bells.pop(number, None)
        bell.rung.set_result(None)
        for wake in bell.calls.values():
            self._sleepers -= 1
            wake()
