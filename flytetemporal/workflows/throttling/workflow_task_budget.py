"""Bounds on what one workflow task may do.

Temporal ends a workflow task whose thread does not yield for two seconds, and refuses one with too many commands.
Nodes that need no activity take a turn here; turns are handed out again when the event pump's activity has answered,
which is a real boundary between workflow tasks. Whatever may come in thousands at once (nodes that begin, wake or are
stopped) takes a step; steps are handed out again at such a boundary or, when none comes soon, after a short timer.
Nothing here looks at the clock.
"""

import asyncio
from collections import deque
from datetime import timedelta

from temporalio import workflow

TURNS = 400
STEPS = 200
BREATH = timedelta(milliseconds=10)
PATCH = "steps"


class _Ration:
    """Hands out at most ``limit`` pieces between two calls of ``renew``, first come, first served."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = limit
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def is_awaited(self) -> bool:
        return bool(self._waiting)

    def take_one(self) -> bool:
        """Take a piece if one is left."""
        if self._left > 0:
            self._left -= 1
            return True
        return False

    async def take(self) -> None:
        if self.take_one():
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def renew(self) -> None:
        self._left = self._limit
        while self._waiting and self._left > 0:
            future = self._waiting.popleft()
            if not future.done():
                self._left -= 1
                future.set_result(None)


class Pace:
    """Hands out at most ``TURNS`` turns and ``STEPS`` steps between two boundaries."""

    def __init__(self, turns: int = TURNS, steps: int = STEPS) -> None:
        self._turns = _Ration(turns)
        self._steps = _Ration(steps)
        self._breath: asyncio.Task[None] | None = None

    async def turn(self) -> None:
        """Return at once while there are turns left, otherwise after the next boundary that has one."""
        await self._turns.take()

    async def step(self) -> None:
        """Return at once while there are steps left, otherwise after the next boundary or breath that has one."""
        if self.has_step():
            return
        if self._breath is None:
            self._breath = asyncio.create_task(self._breathe())
        await self._steps.take()

    def has_step(self) -> bool:
        """Take a step if one is left; whoever gets none must ask for one with ``step``."""
        return self._steps.take_one() or not workflow.patched(PATCH)

    @property
    def is_awaited(self) -> bool:
        """Somebody waits for the next boundary."""
        return self._turns.is_awaited or self._steps.is_awaited

    def boundary(self) -> None:
        """Hand out turns and steps again."""
        self._turns.renew()
        self._steps.renew()

    async def _breathe(self) -> None:
        """Let the worker yield as long as somebody waits for a step."""
        while True:
            await workflow.sleep(BREATH, summary="a breath between many nodes")
            self._steps.renew()
            if not self._steps.is_awaited:
                self._breath = None
                return
