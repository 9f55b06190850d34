"""Remove rows of a project, in batches."""

from sqlalchemy import Table, delete, exists, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow, PauseRow, ProjectRow
from flytetemporal.admin.retention import tables
from flytetemporal.admin.retention.models import RemovalRow
from flytetemporal.db.orm import Base

BATCH = 1000
# Of one round.
MOST_BATCHES = 100
PARENTS = {
    "backfill_runs": ("backfill_id", "backfills"),
    "trigger_objects": ("trigger_id", "triggers"),
}
"""Tables without a column of the project: the column that refers to the row of another table which has one."""
_ORDER = (*PARENTS, "trigger_events")
ARTIFACTS = "artifacts"


def names() -> list[str]:
    """Return the tables in the order in which their rows are removed: those that refer to others first."""
    return sorted(tables.removed_with_project(), key=lambda name: (name not in _ORDER, name))


async def remove(deps: Dependencies, project: str, table: str) -> bool:
    """Remove the rows that a table has of a project; return whether there are none any more."""
    for _ in range(MOST_BATCHES):
        async with deps.sessions.begin() as session:
            if not await _remove_batch(session, project, Base.metadata.tables[table]):
                return True
    return False


async def _remove_batch(session: AsyncSession, project: str, table: Table) -> bool:
    key = tuple_(*table.primary_key.columns)
    some = select(*table.primary_key.columns).limit(BATCH)
    if table.name in PARENTS:
        column, parent = PARENTS[table.name]
        above = Base.metadata.tables[parent]
        some = some.where(table.c[column].in_(select(above.c.id).where(above.c.project == project)))
    else:
        some = some.where(table.c.project == project)
    # First the keys: with LIMIT in a subquery, Postgres may run it again for each row.
    keys = (await session.execute(some.with_for_update(skip_locked=True))).all()
    if not keys:
        return False
    await session.execute(delete(table).where(key.in_([tuple(one) for one in keys])))
    return True


async def remove_last(deps: Dependencies, removal: RemovalRow) -> bool:
    """Remove the row of the project, if it is the last one; return whether it was. The removal is finished with it."""
    project, pause = removal.project, PauseRow
    async with deps.sessions.begin() as session:
        row = await session.get(ProjectRow, project, with_for_update=True)
        executions = exists().where(ExecutionRow.execution_project == project)
        if await session.scalar(select(executions)):
            return False
        for name in names():
            table = Base.metadata.tables[name]
            if "project" in table.c and await session.scalar(select(exists().where(table.c.project == project))):
                return False
        ended = {"is_active": False, "undelivered": False}
        await session.execute(update(pause).where(pause.project == project, pause.is_active).values(ended))
        if row is not None:
            await session.delete(row)
        finished = update(RemovalRow).where(RemovalRow.id == removal.id)
        await session.execute(finished.values(finished_at=func.clock_timestamp()))
    return True
