"""Repeat operations that fail for a while: a restart of admin must not cost the work of a task that ran for hours."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from flytetemporal.errors import FlyteError, Internal, QuotaExceeded, StoreAccessDenied, Unavailable

log = structlog.get_logger()

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 30.0
DENIED_SECONDS = 60.0
"""How long denied access to the store is waited out. A rotation of credentials heals it within this time, or never."""
PASSING = (Unavailable, QuotaExceeded, Internal)
"""Errors after which the same operation can succeed later."""
DENIED = (StoreAccessDenied,)


def _ignore(_: str) -> None: ...


async def retry_transient(
    operation: Callable[[], Awaitable[T]],
    what: str,
    passing: tuple[type[FlyteError], ...] = PASSING,
    note: Callable[[str], None] = _ignore,
) -> T:
    """Return the result of ``operation``; repeat it with growing pauses while it raises one of ``passing``.

    ``note`` is called with the problem while it waits, and with an empty text when that is over.

    Raises:
        StoreAccessDenied: the store has denied access for ``DENIED_SECONDS`` and done nothing else.
    """
    pause, denied_at = FIRST_PAUSE_SECONDS, None
    clock = asyncio.get_running_loop().time
    try:
        while True:
            try:
                return await operation()
            except passing as e:
                denied_at = (denied_at or clock()) if isinstance(e, StoreAccessDenied) else None
                if denied_at is not None and clock() + pause > denied_at + DENIED_SECONDS:
                    raise
                note(f"{what}: {e.message}")
                log.warning("waiting", what=what, problem=e.message, seconds=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
    finally:
        note("")
