"""Tasks that run in the background while a plugin is open."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any


class Background:
    """The background tasks of one plugin."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` until it ends or ``stop`` is called."""
        self._tasks.append(asyncio.create_task(work))

    def repeat(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        """Run ``work`` again and again, with a pause of ``seconds`` in between."""

        async def repeated() -> None:
            while True:
                await work()
                await asyncio.sleep(seconds)

        self.start(repeated())

    async def stop(self) -> None:
        """Cancel all tasks and return when they have ended."""
        for task in self._tasks:
            task.cancel()
        # Not a TaskGroup: a task that has failed must not keep the plugin from closing.
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
