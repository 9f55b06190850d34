"""How many requests a caller may make per second, counted by each admin for itself."""

import time
from collections.abc import Callable

from cachetools import LRUCache

from flytetemporal.auth.identity import Identity
from flytetemporal.errors import QuotaExceeded

# Callers that were seen last; those that are forgotten start anew.
MOST_CALLERS = 10_000
# A caller that was quiet may make the requests of this time at once.
BURST_SECONDS = 2.0


class Rates:
    """A token bucket per caller."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow ``per_second`` requests of each caller; 0: any number."""
        self._per_second = per_second
        self._most = max(1.0, per_second * BURST_SECONDS)
        self._clock = clock
        # What each caller had left, and when.
        self._left: LRUCache[tuple[str, str], tuple[float, float]] = LRUCache(MOST_CALLERS)

    def take(self, identity: Identity) -> None:
        """Count a request. Raises ``QuotaExceeded`` if there are too many."""
        if not self._per_second:
            return
        key, now = (identity.kind.value, identity.subject), self._clock()
        left, since = self._left.get(key, (self._most, now))
        left = min(self._most, left + (now - since) * self._per_second)
        if left < 1:
            raise QuotaExceeded(
                f"[{identity.subject}] makes more than {self._per_second:g} requests per second "
                "(FLYTETEMPORAL_AUTH__REQUESTS_PER_SECOND); wait a moment and try again"
            )
        self._left[key] = (left - 1, now)
