"""Remove what the catalog has of a project that is being deleted."""

from sqlalchemy import delete, select

from flytetemporal.catalog import evictions, scopes
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.catalog.models import ArtifactRow, DatasetRow, PolicyRow, ReservationRow
from flytetemporal.contracts.v1 import cache_operations_pb2

# Of one call.
MOST_BATCHES = 10


async def remove(deps: Catalog, project: str) -> bool:
    """Remove cached outputs with their files, then datasets, reservations and policies; return whether none is left.

    Nothing runs in the project any more, so nothing is added at the same time.
    """
    scope = cache_operations_pb2.CacheScope(project=project)
    for _ in range(MOST_BATCHES):
        if not await evictions.remove(deps, scopes.numbers(scopes.condition(scope))):
            break
    else:
        return False
    async with deps.sessions.begin() as session:
        # A run of another project can have stored an artifact since.
        used = select(ArtifactRow.dataset_id).where(ArtifactRow.dataset_id == DatasetRow.id).exists()
        await session.execute(delete(DatasetRow).where(DatasetRow.project == project, ~used))
        for row in (ReservationRow, PolicyRow):
            await session.execute(delete(row).where(row.project == project))
    return True
