"""The times of a schedule in a range, computed without Temporal, which knows the schedules of active launch plans only.

The times are those at which Temporal fires, also where clocks change. Pure.
"""

import heapq
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter
from croniter.croniter import CroniterBadDateError

from flytetemporal.admin.base.temporal_schedules import Schedule
from flytetemporal.admin.schedules import grammar

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
_MARGIN = timedelta(days=1)
# The longest gap between two times of an expression: from one 29th of February to the next, around a year like 2100.
YEARS = 9


def between(schedule: Schedule, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the times from ``start`` on and before ``end``, oldest first, each once."""
    if schedule.every:
        yield from _intervals(schedule, start, end)
        return
    zone, last = ZoneInfo(schedule.time_zone), None
    for moment in heapq.merge(*(_matches(cron, zone, start, end) for cron in schedule.crons)):
        if moment != last:
            yield moment
        last = moment


def _intervals(schedule: Schedule, start: datetime, end: datetime) -> Iterator[datetime]:
    # Temporal counts intervals from the Unix epoch.
    moment = start + (EPOCH + schedule.anchor - start) % schedule.every
    while moment < end:
        yield moment
        moment += schedule.every


def _matches(cron: str, zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the times that an expression matches.

    Where clocks change, Temporal's next time depends on the one before. So this starts early, and goes step by step.
    """
    gap = max(YEARS, end.year - start.year + 1)
    walls = croniter(with_seconds(cron), ret_type=datetime, day_or=False, max_years_between_matches=gap)
    moment: datetime | None = start - _MARGIN
    while moment is not None and (moment := _following(walls, zone, moment)) is not None and moment < end:
        if moment >= start:
            yield moment


def _following(walls: croniter, zone: ZoneInfo, moment: datetime) -> datetime | None:
    """Return the time that follows ``moment``; None if there is none.

    As in Temporal, an expression matches what a clock on the wall shows. When the clock leaves an hour that matches and
    the next hour starts two hours later, the hour is repeated.
    """
    wall = _wall(moment, zone)
    hour = wall.replace(minute=0, second=0, microsecond=0)
    repeated = HOUR if _wall(moment - HOUR, zone).hour == wall.hour else timedelta()
    found = next_wall(walls, wall)
    if found is not None and found < hour + HOUR and _exists(found, zone):
        return instant(found, zone) + repeated
    if not repeated and instant(hour + HOUR, zone) - instant(hour, zone) > HOUR:
        again = next_wall(walls, hour - timedelta(seconds=1))
        if again is not None and again < hour + HOUR:
            return instant(again, zone) + HOUR
    while found is not None and not _exists(found, zone):
        found = next_wall(walls, found.replace(minute=59, second=59))
    return None if found is None else instant(found, zone)


def next_wall(walls: croniter, wall: datetime) -> datetime | None:
    """Return the next time on the wall that an expression matches; None if there is none."""
    try:
        found: datetime = walls.get_next(start_time=wall)
    except CroniterBadDateError:  # The year has passed that the expression names.
        return None
    return found


def with_seconds(cron: str) -> str:
    """Return an expression in croniter's form: a year is its seventh field."""
    *fields, last = cron.split()
    return f"{' '.join(fields)} 0 {last}" if len(fields) == grammar.CRON_FIELDS else cron


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return what a clock on the wall shows."""
    return moment.astimezone(zone).replace(tzinfo=None)


def _exists(wall: datetime, zone: ZoneInfo) -> bool:
    """Whether clocks do not skip the hour."""
    return _wall(instant(wall, zone), zone).hour == wall.hour


def instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return when a clock on the wall shows a time.

    Temporal takes Go's ``time.Date``, which of a time that exists twice returns the one whose offset applies at that
    time in UTC. The arithmetic here is the same.
    """
    as_utc = wall.replace(tzinfo=UTC)
    return as_utc - _offset(as_utc - _offset(as_utc, zone), zone)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()
