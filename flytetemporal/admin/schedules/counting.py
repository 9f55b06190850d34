"""Count the times of a schedule in a range without computing each of them. Pure.

The times are those of ``occurrences``. On most days the clocks of a time zone do not change, and the times of an
expression are the same on all of these that it matches.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter

from flytetemporal.admin.base.temporal_schedules import Schedule
from flytetemporal.admin.schedules import occurrences

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
_ANY_DAY = datetime(2000, 1, 1)  # noqa: DTZ001  what a clock on the wall shows


@dataclass(frozen=True, slots=True)
class Count:
    """The number of times in a range, the first one and the last one; these are None if there are none.

    ``is_more``: there are more than were to be counted; the number is that limit, and the last time is not known.
    """

    number: int
    first: datetime | None
    last: datetime | None
    is_more: bool = False


def count(schedule: Schedule, start: datetime, end: datetime, most: int) -> Count:
    """Count the times from ``start`` on and before ``end``, up to ``most``."""
    first = next(occurrences.between(schedule, start, end), None)
    if first is None:
        return Count(0, None, None)
    if schedule.every:
        number = -((first - end) // schedule.every)
        last: datetime | None = first + (number - 1) * schedule.every
    else:
        number, last = _by_day(schedule, first, end, most)
    return Count(most, first, None, is_more=True) if number > most else Count(number, first, last)


def _by_day(schedule: Schedule, start: datetime, end: datetime, most: int) -> tuple[int, datetime | None]:
    """Return the number of times and the last one; the number is above ``most`` if there are more."""
    zone, number, last = ZoneInfo(schedule.time_zone), 0, (start, end)
    first_day = _midnight(start.astimezone(zone).replace(tzinfo=None))
    days = [_Days(cron, first_day, end.year) for cron in schedule.crons]
    day = first_day
    while (begin := occurrences.instant(day, zone)) < end and number <= most:
        following = occurrences.instant(day + DAY, zone)
        patterns = [each.pattern for each in days if each.matches(day)]
        bounds = max(begin, start), min(following, end)
        if bounds == (begin, following) and _is_regular(begin, following, zone):
            found = len(set[timedelta]().union(*patterns))
        else:
            found = sum(1 for _ in occurrences.between(schedule, *bounds))
        if found:
            number, last = number + found, bounds
        day += DAY
    if number > most:
        return number, None
    return number, max(occurrences.between(schedule, *last), default=None)


class _Days:
    """The days that an expression matches, in order, and its times on each of them."""

    def __init__(self, cron: str, first: datetime, year: int) -> None:
        minute, hour, *rest = cron.split()
        self.pattern = _times_of_day(f"{minute} {hour} * * *")
        gap = max(occurrences.YEARS, year - first.year + 2)
        walls = croniter(
            occurrences.with_seconds(" ".join(("0", "0", *rest))),
            ret_type=datetime,
            day_or=False,
            max_years_between_matches=gap,
        )
        self._rest = _following(walls, first - timedelta(minutes=1))
        self._next = next(self._rest, None)

    def matches(self, day: datetime) -> bool:
        """Whether the expression matches a day, which is not before the one of the last call."""
        while self._next is not None and self._next < day:
            self._next = next(self._rest, None)
        return self._next == day


def _following(walls: croniter, wall: datetime) -> Iterator[datetime]:
    found: datetime | None = wall
    while found is not None and (found := occurrences.next_wall(walls, found)) is not None:
        yield found


def _times_of_day(cron: str) -> frozenset[timedelta]:
    walls = croniter(cron, ret_type=datetime, day_or=False)
    found = set()
    for wall in _following(walls, _ANY_DAY - timedelta(minutes=1)):
        if wall >= _ANY_DAY + DAY:
            break
        found.add(wall - _ANY_DAY)
    return frozenset(found)


def _is_regular(begin: datetime, end: datetime, zone: ZoneInfo) -> bool:
    """Whether clocks change neither on a day nor so close to it that they change its times."""
    return len({moment.astimezone(zone).utcoffset() for moment in (begin - 3 * HOUR, begin, end, end + HOUR)}) == 1


def _midnight(wall: datetime) -> datetime:
    return datetime.combine(wall.date(), datetime.min.time())
