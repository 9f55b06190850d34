"""Attempts that wait for the quota of a namespace: one of them tries, with growing pauses, and the others queue."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal


class QuotaQueue:
    """The queue of one namespace."""

    def __init__(self, base: float, longest: float) -> None:
        self._base = base
        self._longest = longest
        self._ceilings: dict[str, Decimal] = {}
        self._refusals = 0
        self._turn = asyncio.Lock()

    def blocks(self, demand: Mapping[str, Decimal]) -> bool:
        """Whether a pod would be refused like those before: it asks for as much of a resource as one of them."""
        return any(demand.get(name, Decimal(0)) >= amount for name, amount in self._ceilings.items())

    @contextlib.asynccontextmanager
    async def turn(self, demand: Mapping[str, Decimal]) -> AsyncIterator[None]:
        """Wait until it is the turn of a pod, and keep it while the context is open; smaller pods need not wait."""
        async with self._turn if self.blocks(demand) else contextlib.nullcontext():
            yield

    def refused(self, ceilings: Mapping[str, Decimal]) -> float:
        """Remember a refusal, and return how many seconds to wait before the next try."""
        self._ceilings.update(ceilings)
        # The exponent is bounded, since the power of a float overflows.
        pause = min(self._base ** min(self._refusals, 30), self._longest)
        self._refusals += 1
        return pause

    def accepted(self) -> None:
        """Forget the refusals, since a pod was accepted."""
        self._ceilings.clear()
        self._refusals = 0
