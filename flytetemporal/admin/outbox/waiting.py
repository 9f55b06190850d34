"""What waits for its delivery: how much, and since when."""

from datetime import datetime

from sqlalchemy import func, literal_column, select

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.outbox_rows import CloudEventRow, NotificationRow


async def measured(deps: Dependencies) -> dict[str, tuple[int, datetime | None]]:
    """Return how much waits in each outbox, and since when the oldest does.

    Of events the number is the span of their row numbers, which an index gives at once.
    """
    # A literal: with a parameter Postgres could not know that the partial index has all the rows.
    is_pending = NotificationRow.state == literal_column("'PENDING'")
    notifications = select(func.count(), func.min(NotificationRow.created_at)).where(is_pending)
    first, last = func.min(CloudEventRow.id), func.max(CloudEventRow.id)
    oldest = select(CloudEventRow.created_at).order_by(CloudEventRow.id).limit(1).scalar_subquery()
    events = select(func.coalesce(last - first + 1, 0), oldest)
    async with deps.sessions() as session:
        found = {"notifications": notifications, "events": events}
        return {
            name: (count, oldest_at)
            for name, query in found.items()
            for count, oldest_at in [(await session.execute(query)).one()]
        }
