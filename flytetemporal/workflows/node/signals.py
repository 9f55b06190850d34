"""Flyte's signals as the workflow sees them: how often each was set. The value itself is read from admin."""

import asyncio
from collections import defaultdict


class SignalCounts:
    """Counts how often each signal was set and wakes the coroutines that wait for it."""

    def __init__(self) -> None:
        self._count: dict[str, int] = defaultdict(int)
        # Lists, not sets: coroutines are woken in the order in which they started to wait.
        self._waiting: dict[str, list[asyncio.Future[None]]] = defaultdict(list)

    def count(self, signal_id: str) -> int:
        """Return how often the signal has been set so far."""
        return self._count[signal_id]

    def increment(self, signal_id: str) -> None:
        """Count that a signal was set."""
        self._count[signal_id] += 1
        for future in self._waiting.pop(signal_id, []):
            if not future.done():
                future.set_result(None)

    async def changed(self, signal_id: str, since: int) -> None:
        """Return once the signal has been set more than ``since`` times."""
        while self._count[signal_id] <= since:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting[signal_id].append(future)
            await future
