"""Reservations: who may compute what is not cached yet. Postgres has the clock and decides races."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from google.protobuf import duration_pb2
from sqlalchemy import ColumnElement, and_, delete, func, select
from sqlalchemy.dialects import postgresql

from flytetemporal import errors
from flytetemporal.catalog import checks
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.catalog.models import ReservationRow

_KEY = ("project", "domain", "name", "version", "tag_name")
# Of a reservation that is taken and released again and again by others.
_MAX_TRIES = 10

Key = tuple[str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class Held:
    """A reservation. Its owner has to extend it within each ``heartbeat``."""

    owner_id: str
    heartbeat: timedelta
    expires_at: datetime


def key_of(name: str) -> Key:
    """Return the key of a reservation that belongs to no dataset."""
    return ("", "", "", "", name)


async def get_or_extend(deps: Catalog, key: Key, owner_id: str, requested: duration_pb2.Duration | None) -> Held:
    """Take a reservation that is free or has expired, extend one of the owner's own; else return the holder's.

    Raises:
        InvalidRequest: the owner is empty, or the heartbeat interval is not positive.
    """
    checks.check_given(owner_id, "owner_id")
    heartbeat = _heartbeat(deps, requested)
    for _ in range(_MAX_TRIES):
        held = await _try(deps, key, owner_id, heartbeat)
        if held is not None:
            return held
    raise errors.Unavailable("the reservation changes hands too fast; try again")


async def release(deps: Catalog, key: Key, owner_id: str) -> None:
    """Give a reservation back. That of another owner stays, and it is no error if there is none."""
    checks.check_given(owner_id, "owner_id")
    async with deps.sessions.begin() as session:
        await session.execute(delete(ReservationRow).where(_is(key), ReservationRow.owner_id == owner_id))


async def holder(deps: Catalog, key: Key) -> str | None:
    """Return the owner of a reservation that has not expired."""
    query = select(ReservationRow.owner_id).where(_is(key), ReservationRow.expires_at > func.clock_timestamp())
    async with deps.sessions() as session:
        return await session.scalar(query)


async def _try(deps: Catalog, key: Key, owner_id: str, heartbeat: timedelta) -> Held | None:
    """Take or extend the reservation, or read whose it is; None if it was released between the two."""
    expires_at = func.clock_timestamp() + heartbeat * deps.settings.heartbeat_grace_factor
    statement = postgresql.insert(ReservationRow).values(
        **dict(zip(_KEY, key, strict=True)), owner_id=owner_id, expires_at=expires_at
    )
    free = (ReservationRow.owner_id == owner_id) | (ReservationRow.expires_at <= func.clock_timestamp())
    taking = statement.on_conflict_do_update(
        index_elements=_KEY, set_={"owner_id": owner_id, "expires_at": expires_at}, where=free
    )
    columns = (ReservationRow.owner_id, ReservationRow.expires_at)
    async with deps.sessions.begin() as session:
        row = (await session.execute(taking.returning(*columns))).one_or_none()
        if row is None:
            row = (await session.execute(select(*columns).where(_is(key)))).one_or_none()
    return None if row is None else Held(row.owner_id, heartbeat, row.expires_at)


def _is(key: Key) -> ColumnElement[bool]:
    conditions = [getattr(ReservationRow, column) == value for column, value in zip(_KEY, key, strict=True)]
    return and_(*conditions)


def _heartbeat(deps: Catalog, requested: duration_pb2.Duration | None) -> timedelta:
    longest = deps.settings.max_reservation_heartbeat
    if requested is None:
        return longest
    interval = timedelta(seconds=requested.seconds, microseconds=requested.nanos // 1000)
    if interval <= timedelta(0):
        raise errors.InvalidRequest("invalid value for heartbeat_interval: it must be positive")
    return min(interval, longest)
