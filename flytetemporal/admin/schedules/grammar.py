"""When a schedule fires: Flyte's expressions as Temporal's. Pure.

The grammar of ``cron_schedule`` is that of flyteadmin's scheduler (robfig/cron, ``ParseStandard``). Beyond it,
flytekit's aliases without ``@`` and 7 for Sunday are accepted. ``cron_expression`` takes the six fields of AWS, which
Flyte's scheduler refuses.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter
from croniter.croniter import CroniterBadDateError
from flyteidl.admin import schedule_pb2
from pydantic import TypeAdapter, ValidationError

from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import times

ALIASES = {
    "yearly": "0 0 1 1 *",
    "annually": "0 0 1 1 *",
    "years": "0 0 1 1 *",
    "monthly": "0 0 1 * *",
    "months": "0 0 1 * *",
    "weekly": "0 0 * * 0",
    "weeks": "0 0 * * 0",
    "daily": "0 0 * * *",
    "midnight": "0 0 * * *",
    "days": "0 0 * * *",
    "hourly": "0 * * * *",
    "hours": "0 * * * *",
}
_UNITS = {
    schedule_pb2.MINUTE: timedelta(minutes=1),
    schedule_pb2.HOUR: timedelta(hours=1),
    schedule_pb2.DAY: timedelta(days=1),
}
CRON_FIELDS, AWS_FIELDS = 5, 6
MAX_CHARACTERS = 1000
# Temporal counts the nanoseconds of an interval in 64 bits.
LONGEST = timedelta(days=36_500)
_HIGHEST = (59, 23, 31, 12, 6)
_ZONE = re.compile(r"(?:CRON_)?TZ=(\S+)\s+(.*)", re.DOTALL)
# croniter also knows L, # and other extensions, which Flyte does not.
_FIELD = re.compile(
    r"(?:[0-9*?,/-]|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat)+", re.IGNORECASE
)
_STEPPED = re.compile(r"(\w+)/(\d+)")
_AWS = re.compile(r"cron\((.*)\)")
_AWS_YEAR = re.compile(r"[0-9*?,/-]+")
_AWS_DAY = re.compile(r"(?<!/)\b[1-7]\b")
_DURATION: TypeAdapter[timedelta] = TypeAdapter(timedelta)


@dataclass(frozen=True, slots=True)
class Timing:
    """The times of a schedule: those that any of ``crons`` matches, or one in each interval ``every``."""

    crons: tuple[str, ...] = ()
    """Five fields, or six with a year, in each of which Temporal wants all fields to match."""
    every: timedelta = timedelta()
    time_zone: str = ""
    """The name in the expression itself; empty: it names none."""
    delay: timedelta = timedelta()
    """How long after its time an execution starts."""


def parse(schedule: schedule_pb2.Schedule) -> Timing | None:
    """Return the times of a schedule; None if there is no expression.

    Raises:
        InvalidRequest: the expression is not valid, or never fires.
    """
    match schedule.WhichOneof("ScheduleExpression"):
        case "rate":
            return _rate(schedule.rate)
        case "cron_schedule":
            timing = _cron(schedule.cron_schedule.schedule)
            offset = schedule.cron_schedule.offset
            return Timing(timing.crons, timing.every, timing.time_zone, _offset(offset) if offset else timedelta())
        case "cron_expression":
            return _cron_or_aws(schedule.cron_expression)
        case _:
            return None


def check_zone(name: str) -> None:
    """Refuse a time zone that is unknown. Raises ``InvalidRequest``."""
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError) as e:  # Of names that are no files, folders, or not found.
        raise InvalidRequest(f"time zone [{name[:100]}] is unknown; give a name such as Europe/Berlin or UTC") from e


def _rate(rate: schedule_pb2.FixedRate) -> Timing:
    if rate.value == 0:
        raise InvalidRequest("invalid value for rate: a schedule cannot fire every 0 units; give a positive value")
    if rate.unit not in _UNITS:
        raise InvalidRequest(f"invalid value for rate: unit {rate.unit} is unknown; give MINUTE, HOUR or DAY")
    every = _within(rate.value, _UNITS[rate.unit])
    return Timing(every=every)


def _within(value: int, unit: timedelta) -> timedelta:
    if value > LONGEST // unit:
        raise InvalidRequest(f"invalid value for rate: no schedule can fire less often than every {LONGEST.days} days")
    return value * unit


def _offset(text: str) -> timedelta:
    try:
        offset = _DURATION.validate_python(text)
    except ValidationError as e:
        problem = f"[{text[:100]}] is not an ISO 8601 duration such as PT1H"
        raise InvalidRequest(f"invalid value for offset: {problem}") from e
    if not timedelta() <= offset <= timedelta(days=366):
        raise InvalidRequest(f"invalid value for offset: [{text[:100]}] is negative or longer than a year")
    return offset


def _cron_or_aws(expression: str) -> Timing:
    _check_length(expression)
    wrapped = _AWS.fullmatch(expression.strip())
    fields = (wrapped[1] if wrapped else expression).split()
    if len(fields) == AWS_FIELDS:
        return Timing(crons=_aws(fields, expression))
    return _cron(expression)


def _check_length(expression: str) -> None:
    if len(expression) > MAX_CHARACTERS:
        raise InvalidRequest(f"Invalid cron expression: it has more than {MAX_CHARACTERS} characters")


def _cron(expression: str) -> Timing:
    _check_length(expression)
    zone, body = "", expression.strip()
    if found := _ZONE.fullmatch(body):
        zone, body = found[1], found[2].strip()
        check_zone(zone)
    if body.startswith("@every "):
        return Timing(every=_every(body.removeprefix("@every "), expression), time_zone=zone)
    fields = ALIASES.get(body.removeprefix("@"), body).split()
    if len(fields) != CRON_FIELDS:
        raise InvalidRequest(
            f"Invalid cron expression: expected exactly {CRON_FIELDS} fields, found {len(fields)}: [{expression}]"
        )
    return Timing(crons=_crons(fields, expression), time_zone=zone)


def _every(text: str, expression: str) -> timedelta:
    try:
        every = times.from_go_text(text)
    except ValueError as e:
        raise InvalidRequest(f"Invalid cron expression: [{expression}]: {e}") from e
    if not timedelta(seconds=1) <= every <= LONGEST:
        raise InvalidRequest(f"Invalid cron expression: [{expression}] is not between 1s and {LONGEST.days} days")
    return timedelta(seconds=int(every.total_seconds()))


def _crons(fields: list[str], expression: str) -> tuple[str, ...]:
    """Return expressions that together match what the five fields match, if Temporal wants all fields to match."""
    plain = [_plain(field, highest) for field, highest in zip(fields, _HIGHEST, strict=True)]
    if not all(map(_FIELD.fullmatch, fields)) or not croniter.is_valid(" ".join(plain)):
        raise InvalidRequest(f"Invalid cron expression: [{expression}] has a field that is not valid")
    _check_fires(" ".join(plain), expression)
    minute, hour, day, month, weekday = plain
    if _is_restricted(day) and _is_restricted(weekday):
        # Either may match.
        return f"{minute} {hour} {day} {month} *", f"{minute} {hour} * {month} {weekday}"
    return (" ".join(plain),)


def _plain(field: str, highest: int) -> str:
    """Return a field without ``?``, and with the end of a range that has a start and a step only."""
    parts = field.replace("?", "*").split(",")
    return ",".join(_STEPPED.sub(rf"\1-{highest}/\2", part) if _STEPPED.fullmatch(part) else part for part in parts)


def _is_restricted(field: str) -> bool:
    return not any(part in ("*", "*/1") for part in field.split(","))


def _check_fires(plain: str, expression: str) -> None:
    try:
        croniter(plain, datetime.now(UTC), max_years_between_matches=9).get_next()
    except CroniterBadDateError as e:
        raise InvalidRequest(f"Invalid cron expression: [{expression}] never fires") from e


def _aws(fields: list[str], expression: str) -> tuple[str, ...]:
    """Return the six fields of AWS, whose days of the week are 1 (Sunday) to 7."""
    *five, year = fields
    if not _AWS_YEAR.fullmatch(year):
        raise InvalidRequest(f"Invalid cron expression: [{expression}] has a year that is not valid")
    five[4] = _AWS_DAY.sub(lambda day: str(int(day[0]) - 1), five[4])
    return tuple(f"{cron} {year.replace('?', '*')}" for cron in _crons(five, expression))
