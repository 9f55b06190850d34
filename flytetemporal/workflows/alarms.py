"""Timers of nodes that sleep. A few have one each; of many, those that end at about the same time share one.

A timer costs two events of the history and a workflow task; forty thousand sleepers would not fit into any.
"""

import asyncio
import math
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import workflow

# So many sleepers have timers of their own.
FEW = 50
# Among more, a sleeper may wake so much late.
GRAIN = timedelta(milliseconds=100)
PATCH = "shared-timers"


@dataclass(slots=True)
class _Bell:
    """One timer. ``waiting`` sleep until it rings."""

    rung: "asyncio.Future[None]"
    waiting: int = 0
    timer: "asyncio.Task[None] | None" = None


@dataclass(slots=True)
class Alarms:
    """The sleepers of one run."""

    _sleepers: int = 0
    _bells: dict[int, _Bell] = field(default_factory=dict)

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

    async def _shared(self, duration: timedelta) -> None:
        number = math.ceil((workflow.time() + duration.total_seconds()) / GRAIN.total_seconds())
        bell = self._bells.get(number)
        if bell is None:
            bell = self._bells[number] = _Bell(asyncio.get_running_loop().create_future())
            bell.timer = asyncio.create_task(self._ring(number, bell))
        bell.waiting += 1
        try:
            await asyncio.shield(bell.rung)
        finally:
            bell.waiting -= 1
            if bell.waiting == 0 and bell.timer is not None and not bell.rung.done():
                bell.timer.cancel()
                self._bells.pop(number, None)

    async def _ring(self, number: int, bell: _Bell) -> None:
        left = number * GRAIN.total_seconds() - workflow.time()
        await workflow.sleep(max(left, 0.001), summary="nodes that sleep")
        self._bells.pop(number, None)
        bell.rung.set_result(None)
