"""A bounded number of slots, first come, first served, that records who holds them."""

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import AsyncIterator

from flytetemporal.contracts.v1 import operations_pb2
from flytetemporal.workflows.throttling.suspension import Suspended

# Holders that one answer names.
SHOWN = 10


class Slots:
    """``limit`` slots; 0 means no limit."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        # Slots that are taken: those of the holders, and those of waiters that have not noticed yet.
        self._taken = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._holders: dict[str, None] = {}

    @contextlib.asynccontextmanager
    async def held(self, holder: str) -> AsyncIterator[None]:
        """Hold a slot while the block runs; ``holder`` is a node id. A suspended node keeps its slot until it ends."""
        await self.take(holder)
        try:
            yield
        except Suspended:
            raise
        except BaseException:
            self.give_back(holder)
            raise
        self.give_back(holder)

    async def take(self, holder: str) -> None:
        """Take a slot; do nothing if the holder has one, such as a node that was suspended."""
        if holder in self._holders:
            return
        if self.is_free:
            self._taken += 1
        else:
            await self._turn()
        self._holders[holder] = None

    async def _turn(self) -> None:
        """Return when a slot is taken for the caller."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # It got its turn, and was cancelled before it noticed.
                self._release()
            raise

    def give_back(self, holder: str) -> None:
        """Release a slot early, because the nodes below the holder need slots; do nothing if it has none."""
        if holder in self._holders:
            del self._holders[holder]
            self._release()

    def _release(self) -> None:
        self._taken -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiters and self._has_room:
            turn = self._waiters.popleft()
            if not turn.done():  # Its waiter was not cancelled.
                self._taken += 1
                turn.set_result(None)

    def resize(self, limit: int) -> None:
        """Change the number of slots. Holders of those that are too many keep them."""
        self._limit = limit
        self._admit()

    @property
    def _has_room(self) -> bool:
        return not self._limit or self._taken < self._limit

    @property
    def is_free(self) -> bool:
        """Whether the next holder gets a slot at once."""
        return self._has_room and not any(not turn.done() for turn in self._waiters)

    def wait(self) -> operations_pb2.SlotWait:
        """Return the cause of a wait for a slot, with the first of its holders."""
        holders = itertools.islice(self._holders, SHOWN)
        return operations_pb2.SlotWait(limit_name=self._name, limit=self._limit, holders=holders)
