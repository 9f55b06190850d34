"""The record of rounds. All times are those of Postgres: the clocks of several control workers can differ."""

import json
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import case, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from flytetemporal.admin.upkeep.models import UpkeepLoopRow

Sessions = async_sessionmaker[AsyncSession]
# The row of a loop that a later release no longer has is kept this long, as older control workers can still run it.
FORGOTTEN_AFTER = timedelta(days=7)
MAX_ERROR_CHARACTERS = 2000
# Unlike now(), it is not the time at which the transaction started.
_NOW = func.clock_timestamp()


async def announce(sessions: Sessions, intervals: Mapping[str, timedelta]) -> None:
    """Record that these loops exist, so that one which never runs is overdue; forget loops that are gone."""
    row = UpkeepLoopRow
    gone = delete(row).where(row.name.not_in(intervals), row.next_at < _NOW - FORGOTTEN_AFTER)
    async with sessions.begin() as session:
        for name, interval in sorted(intervals.items()):
            first = insert(row).values(name=name, interval=interval, next_at=_NOW)
            await session.execute(first.on_conflict_do_update(index_elements=["name"], set_={"interval": interval}))
        await session.execute(gone)


async def begin(sessions: Sessions, name: str, interval: timedelta) -> None:
    """Record that a round starts. A round whose worker died is repeated, and then starts again."""
    first = insert(UpkeepLoopRow).values(name=name, interval=interval, started_at=_NOW, next_at=_NOW)
    changed = {"interval": interval, "started_at": _NOW}
    async with sessions.begin() as session:
        await session.execute(first.on_conflict_do_update(index_elements=["name"], set_=changed))


async def end(sessions: Sessions, name: str, wait: timedelta, counts: Mapping[str, int], error: str) -> None:
    """Record what a round has found, why it failed if ``error`` is not empty, and when the next one starts."""
    row = UpkeepLoopRow
    found = json.dumps(dict(counts), sort_keys=True)
    changed = {
        "ended_at": _NOW,
        "found": found,
        "error": error[:MAX_ERROR_CHARACTERS],
        "next_at": _NOW + wait,
        "rounds": row.rounds + 1,
        "failed_rounds": case((literal(bool(error)), row.failed_rounds + 1), else_=0),
    }
    if counts:
        changed |= {"last_found_at": _NOW, "last_found": found}
    async with sessions.begin() as session:
        await session.execute(update(row).where(row.name == name).values(changed))


async def position(sessions: Sessions, name: str) -> int:
    """Return where the next round of a loop continues; 0 if it starts from the beginning."""
    async with sessions() as session:
        found = await session.scalar(select(UpkeepLoopRow.position).where(UpkeepLoopRow.name == name))
    return found or 0


async def set_position(sessions: Sessions, name: str, value: int) -> None:
    """Record where the next round of a loop continues."""
    async with sessions.begin() as session:
        await session.execute(update(UpkeepLoopRow).where(UpkeepLoopRow.name == name).values(position=value))
