"""Nodes that have failed and wait for an operator instead of failing the run."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator

HOLD = "hold"
FAIL = "fail"


class Holds:
    """The held nodes of one execution, by id."""

    def __init__(self) -> None:
        # A dict, not a set: nodes are woken in the order in which they were held.
        self._held: dict[str, asyncio.Event] = {}

    def wake(self, node_id: str) -> None:
        """Let a node look at what has been decided, if it is held."""
        if node_id in self._held:
            self._held[node_id].set()

    def wake_all(self) -> None:
        """Let all held nodes look at what has been decided."""
        for event in self._held.values():
            event.set()

    @contextlib.contextmanager
    def holding(self, node_id: str) -> Iterator[None]:
        """Count a node as held while the block runs."""
        self._held[node_id] = asyncio.Event()
        try:
            yield
        finally:
            del self._held[node_id]

    async def decided(self, node_id: str, is_decided: Callable[[], bool]) -> None:
        """Return when ``is_decided`` holds for a held node."""
        while not is_decided():
            event = self._held[node_id]
            event.clear()
            await event.wait()
