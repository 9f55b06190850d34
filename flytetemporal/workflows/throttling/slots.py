"""A bounded number of slots, first come, first served, that knows who holds them."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator

from flytetemporal.contracts.v1 import operations_pb2
from flytetemporal.workflows.throttling.suspension import Suspended

# An answer names no more holders than a person reads.
SHOWN = 10


class Slots:
    """``limit`` slots; 0 means that there is no limit."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._semaphore = asyncio.Semaphore(limit) if limit else None
        self._holders: dict[str, None] = {}

    @contextlib.asynccontextmanager
    async def held(self, holder: str) -> AsyncIterator[None]:
        """Hold a slot; ``holder`` is a node id. One that is parked meanwhile keeps it until it has come back."""
        if self._semaphore is None:
            yield
            return
        if holder not in self._holders:
            await self._semaphore.acquire()
            self._holders[holder] = None
        try:
            yield
        except Suspended:
            raise
        except BaseException:
            self.give_back(holder)
            raise
        self.give_back(holder)

    def give_back(self, holder: str) -> None:
        """Give a slot back early: what runs below the holder needs slots of its own."""
        if self._semaphore is not None and holder in self._holders:
            del self._holders[holder]
            self._semaphore.release()

    @property
    def is_free(self) -> bool:
        """Nobody would have to wait."""
        return self._semaphore is None or not self._semaphore.locked()

    def wait(self) -> operations_pb2.SlotWait:
        """Return what somebody waits for who waits for a slot now."""
        holders = itertools.islice(self._holders, SHOWN)
        return operations_pb2.SlotWait(limit_name=self._name, limit=self._limit, holders=holders)
