"""Bounds what one workflow task sends: Temporal takes 4 MB of it, however many activities it schedules.

A single argument is kept small by other means. This is about hundreds of them at once.
"""

import asyncio

from temporalio import workflow

# With room for what does not pass here: events, timers, results.
BYTES = 2 * 1024 * 1024
PATCH = "freight"


class Freight:
    """Counts the bytes of the arguments of one workflow task; the next one begins anew."""

    def __init__(self, most: int = BYTES) -> None:
        self._most = most
        self._task = -1
        self._bytes = 0
        self._turn = asyncio.Lock()

    async def load(self, size: int) -> None:
        """Return at once while there is room for ``size`` bytes, otherwise in a later workflow task."""
        async with self._turn:  # First come, first served; one timer for all that wait.
            while not self._fits(size) and workflow.patched(PATCH):
                # Not a wait for the next event: there may be none.
                await workflow.sleep(0.001, summary="room for more arguments")

    def _fits(self, size: int) -> bool:
        task = workflow.info().get_current_history_length()
        if task != self._task:
            self._task, self._bytes = task, 0
        if self._bytes and self._bytes + size > self._most:
            return False
        self._bytes += size
        return True
