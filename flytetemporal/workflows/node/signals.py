"""Flyte's signals as the workflow sees them: that one was set. The value itself is read from admin."""

import asyncio
from collections import defaultdict


class SignalBoard:
    """Counts how often each signal was set, and wakes who waits for it."""

    def __init__(self) -> None:
        self._count: dict[str, int] = defaultdict(int)
        self._waiting: dict[str, list[asyncio.Future[None]]] = defaultdict(list)

    def count(self, signal_id: str) -> int:
        """Return how often the signal has been set so far."""
        return self._count[signal_id]

    def tell(self, signal_id: str) -> None:
        """Note that a signal was set."""
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
