"""The slots of a worker for task attempts: how many run on it at once, and how many it only watches.

The Temporal worker holds a permit from before it polls until the attempt has ended. The plugin of an attempt is known
only after the poll, so each permit counts as that of an attempt that runs here, until an attempt that is only watched
calls ``watching``. This module does not import Temporal; ``cli/wiring/slots`` connects the two.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator


class AttemptSlots:
    """Counts permits. Safe to use from several threads: Temporal's core releases slots in its own threads.

    A permit is issued while polls and attempts that are not watched hold fewer than ``max_local`` permits, and fewer
    than ``max_watched`` attempts are watched. Polls that are under way when that limit is reached can still return
    watched attempts, so ``max_watched`` can be exceeded by ``max_local - 1``.
    """

    def __init__(self, max_local: int, max_watched: int) -> None:
        self._max_local = max_local
        self._max_watched = max_watched
        self._issued = 0
        self._watched = 0
        self._lock = threading.Lock()
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    async def reserve(self) -> None:
        """Wait until a permit can be issued, and issue it.

        Cancelling the call issues no permit: nothing is awaited after a permit has been counted.
        """
        loop = asyncio.get_running_loop()
        while True:
            with self._lock:
                if self._issue():
                    return
                # Registered under the same lock as the check, so that no release in between goes unnoticed.
                waiter = loop.create_future()
                self._waiters.append((loop, waiter))
            try:
                await waiter
            finally:
                with self._lock, contextlib.suppress(ValueError):
                    self._waiters.remove((loop, waiter))

    def try_reserve(self) -> bool:
        """Issue a permit unless that would have to wait."""
        with self._lock:
            return self._issue()

    def release(self) -> None:
        """Take back a permit, whether or not an attempt has used it."""
        with self._lock:
            self._issued -= 1
            self._wake()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Count the calling attempt, which has a permit, as watched until the context ends."""
        with self._lock:
            self._watched += 1
            self._wake()
        try:
            yield
        finally:
            # Until its permit is released the attempt counts as local again, which can only delay the next poll.
            with self._lock:
                self._watched -= 1
                self._wake()

    def _issue(self) -> bool:
        if self._issued - self._watched >= self._max_local or self._watched >= self._max_watched:
            return False
        self._issued += 1
        return True

    def _wake(self) -> None:
        """Let every waiting ``reserve`` look again. There are as few of them as the worker has pollers."""
        waiters, self._waiters = self._waiters, []
        for loop, waiter in waiters:
            with contextlib.suppress(RuntimeError):  # The loop is closed; then its pollers are gone too.
                loop.call_soon_threadsafe(_resolve, waiter)


def _resolve(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
