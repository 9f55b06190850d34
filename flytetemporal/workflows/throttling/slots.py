"""A bounded number of slots, first come, first served, that records who holds them."""

import asyncio
import contextlib
import itertools
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
        self._semaphore = asyncio.Semaphore(limit) if limit else None
        self._holders: dict[str, None] = {}

    @contextlib.asynccontextmanager
    async def held(self, holder: str) -> AsyncIterator[None]:
        """Hold a slot while the block runs; ``holder`` is a node id. A suspended node keeps its slot until it ends."""
        if self._semaphore is None:
            yield
            return
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
        if self._semaphore is not None and holder not in self._holders:
            await self._semaphore.acquire()
            self._holders[holder] = None

    def give_back(self, holder: str) -> None:
        """Release a slot early, because the nodes below the holder need slots; do nothing if it has none."""
        if self._semaphore is not None and holder in self._holders:
            del self._holders[holder]
            self._semaphore.release()

    @property
    def is_free(self) -> bool:
        """Whether the next holder gets a slot at once."""
        return self._semaphore is None or not self._semaphore.locked()

    def wait(self) -> operations_pb2.SlotWait:
        """Return the cause of a wait for a slot, with the first of its holders."""
        holders = itertools.islice(self._holders, SHOWN)
        return operations_pb2.SlotWait(limit_name=self._name, limit=self._limit, holders=holders)
