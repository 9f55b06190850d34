"""Bounds on what one workflow task may do.

Temporal ends a workflow task whose thread does not yield for two seconds, and refuses one with too many commands.
Nodes that need no activity take a turn here; turns are handed out again when the event pump's activity has answered,
which is a real boundary between workflow tasks. Nothing here looks at the clock.
"""

import asyncio
from collections import deque

TURNS = 400


class Pace:
    """Hands out at most ``TURNS`` turns between two boundaries, first come, first served."""

    def __init__(self, turns: int = TURNS) -> None:
        self._turns = turns
        self._left = turns
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def turn(self) -> None:
        """Return at once while there are turns left, otherwise after the next boundary that has one."""
        if self._left > 0:
            self._left -= 1
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    @property
    def is_awaited(self) -> bool:
        """Somebody waits for the next boundary."""
        return bool(self._waiting)

    def boundary(self) -> None:
        """Hand out turns again."""
        self._left = self._turns
        while self._waiting and self._left > 0:
            future = self._waiting.popleft()
            if not future.done():
                self._left -= 1
                future.set_result(None)
