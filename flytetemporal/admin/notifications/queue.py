"""The queue of notifications in Postgres: what is due, who has taken it, what became of it.

A notification is taken for the time of an attempt and becomes due again by itself, so that it survives the death of the
process that has taken it. Each can then be sent twice, and never be lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, literal_column, select, update

from flytetemporal.admin.base import stored_messages
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.outbox_rows import NotificationRow
from flytetemporal.admin.notifications.senders.protocol import Delivery
from flytetemporal.config.notifications import NotificationSettings
from flytetemporal.contracts.v1 import notifications_pb2

PENDING, DELIVERED, FAILED = "PENDING", "DELIVERED", "FAILED"
# Besides the limit of an attempt: the time that a slow database needs for the result.
LEASE_MARGIN = timedelta(minutes=1)
MAX_PROBLEM = 1000
_Row = NotificationRow


def _is_pending() -> ColumnElement[bool]:
    # A literal: with a parameter Postgres could not know that the partial index has all the rows.
    return _Row.state == literal_column(f"'{PENDING}'")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an attempt; an empty problem: it was delivered. ``is_final``: it is not repeated."""

    delivery: Delivery
    problem: str = ""
    is_final: bool = True


async def due_destinations(deps: Dependencies, now: datetime) -> list[str]:
    """Return the destinations for which something is due."""
    query = select(_Row.destination).where(_is_pending(), _Row.next_attempt_at <= now).distinct()
    async with deps.sessions() as session:
        return list(await session.scalars(query.order_by(_Row.destination)))


async def take(deps: Dependencies, destination: str, most: int, now: datetime) -> list[Delivery]:
    """Take what is due for a destination, oldest first, for the time of one attempt."""
    lease = deps.notifications.timeout + LEASE_MARGIN
    # A CTE, which runs once: a subquery with a limit can run again for each row, and take more.
    due = (
        select(_Row.id)
        .where(_is_pending(), _Row.destination == destination, _Row.next_attempt_at <= now)
        .order_by(_Row.next_attempt_at, _Row.id)
        .limit(most)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    statement = (
        update(_Row)
        .where(_Row.id == due.c.id)
        .values(next_attempt_at=now + lease, attempts=_Row.attempts + 1)
        .returning(_Row.id, _Row.delivery_id, _Row.channel, _Row.recipient, _Row.notice, _Row.attempts, _Row.created_at)
    )
    async with deps.sessions.begin() as session:
        found = (await session.execute(statement)).all()
    return [
        Delivery(
            row=row.id,
            delivery_id=row.delivery_id,
            channel=row.channel,
            recipient=row.recipient,
            notice=stored_messages.parse(notifications_pb2.Notice, row.notice),
            attempt=row.attempts,
            created_at=row.created_at,
            at=now,
        )
        for row in sorted(found, key=lambda row: row.id)
    ]


async def record(deps: Dependencies, results: Sequence[Result], now: datetime) -> None:
    """Store what became of attempts."""
    async with deps.sessions.begin() as session:
        for result in results:
            # A result that comes after the lease may be older than that of another process, which has delivered it.
            statement = update(_Row).where(_Row.id == result.delivery.row, _is_pending())
            await session.execute(statement.values(**_columns(result, deps.notifications, now)))


async def give_up_old(deps: Dependencies, now: datetime) -> int:
    """Give up what is too old and has been attempted; return how many.

    What waits for a destination that is down may not have its turn for long.
    """
    settings = deps.notifications
    statement = (
        update(_Row)
        .where(_is_pending(), _Row.created_at <= now - settings.give_up_after, _Row.attempts > 0)
        .where(_Row.next_attempt_at <= now)
        .values(state=FAILED, ended_at=now)
        .returning(_Row.id)
    )
    async with deps.sessions.begin() as session:
        return len((await session.execute(statement)).all())


def _columns(result: Result, settings: NotificationSettings, now: datetime) -> dict[str, object]:
    delivery, problem = result.delivery, result.problem[:MAX_PROBLEM].replace("\x00", "")
    if not problem:
        return {"state": DELIVERED, "problem": "", "ended_at": now}
    next_attempt = now + pause_after(delivery.attempt, settings)
    too_many = delivery.attempt >= settings.max_attempts
    if result.is_final or too_many or next_attempt > delivery.created_at + settings.give_up_after:
        return {"state": FAILED, "problem": problem, "ended_at": now}
    return {"problem": problem, "next_attempt_at": next_attempt}


def pause_after(attempt: int, settings: NotificationSettings) -> timedelta:
    """Return the pause after an attempt, which starts at 1, has failed."""
    doublings = min(attempt - 1, 30)  # More would overflow, and the longest pause is reached long before.
    return min(settings.first_pause * (1 << doublings), settings.longest_pause)
