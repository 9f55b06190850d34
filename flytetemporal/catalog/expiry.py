"""Removes what has expired and is not looked for: old artifacts, by the policies, and reservations of dead owners."""

from datetime import timedelta

from sqlalchemy import Select, delete, func, select

from flytetemporal.catalog import evictions, policies
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.catalog.models import ArtifactRow, DatasetRow, PolicyRow, ReservationRow

# Batches of one call. What is left is removed by the next one.
_MOST_BATCHES = 10
# An owner that comes back so late computes again. Only the row is left of the reservation.
_DEAD_RESERVATION = timedelta(days=1)


async def remove_expired(deps: Catalog) -> int:
    """Remove artifacts that are older than their policy allows; return how many.

    Several processes may do that at the same time.
    """
    removed = 0
    async with deps.sessions() as session:
        projects = (await session.execute(_projects())).all()
    for project, youngest in projects:
        for _ in range(_MOST_BATCHES):
            found = await evictions.remove(deps, _expired(project, youngest))
            removed += found
            if found < evictions.BATCH:
                break
    async with deps.sessions.begin() as session:
        dead = ReservationRow.expires_at < func.clock_timestamp() - _DEAD_RESERVATION
        await session.execute(delete(ReservationRow).where(dead))
    return removed


def _projects() -> Select[str, timedelta]:
    return select(PolicyRow.project, func.min(PolicyRow.max_age)).group_by(PolicyRow.project)


def _expired(project: str, youngest: timedelta) -> Select[int]:
    """Return the query of the row numbers of a project's artifacts that have expired.

    ``youngest`` is the shortest age of its policies: an index finds the artifacts that are older.
    """
    query = select(ArtifactRow.id).join(DatasetRow, DatasetRow.id == ArtifactRow.dataset_id)
    old = ArtifactRow.updated_at < func.now() - youngest
    return query.where(DatasetRow.project == project, old, policies.expires_at() < func.now())
