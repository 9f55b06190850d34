"""Begin to remove executions: in one transaction they are gone for all readers, and recorded as work for the loop.

Everything else that belongs to them follows in ``finishing``, and is no longer found by anyone in between: nodes, tasks
and files are only found through their execution.
"""

from sqlalchemy import ColumnElement, delete, func, select, tuple_, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from flytetemporal.admin.artifacts.models import NamedArtifactRow
from flytetemporal.admin.base.models import ExecutionRow, NodeExecutionRow, PauseRow, TaskExecutionRow
from flytetemporal.admin.retention import tables
from flytetemporal.admin.retention.models import RemovalRow, ValueReferenceRow
from flytetemporal.admin.retention.trees import RECOVERED, Tree
from flytetemporal.db.orm import Base
from flytetemporal.idl.identifiers import ExecutionKey

KEY = ("execution_project", "execution_domain", "execution_name")
SOURCE = ("source_project", "source_domain", "source_name")
_AT_ONCE = 1000


async def begin(session: AsyncSession, tree: Tree, removed_by: str, reason: str) -> None:
    """Remove the executions of a tree that need not be kept. Its rows are locked by the same transaction."""
    # The values of a tree refer to each other, so an artifact of one execution can contain values of any of them.
    keeps_values = await _keeps_values(session, tree.keys)
    for first in range(0, len(tree.keys), _AT_ONCE):
        keys = tree.keys[first : first + _AT_ONCE]
        session.add_all(
            RemovalRow(
                kind="execution",
                project=project,
                domain=domain,
                name=name,
                removed_by=removed_by,
                reason=reason,
                keeps_values=keeps_values,
            )
            for project, domain, name in keys
        )
        if keeps_values:
            await _refer_to_origin(session, keys)
        for name in tables.removed_with_execution(tables.Fate.AT_ONCE):
            if name == ValueReferenceRow.__tablename__ and keeps_values:
                continue
            table = Base.metadata.tables[name]
            await session.execute(delete(table).where(tuple_(*(table.c[name] for name in KEY)).in_(keys)))
        await _end_pauses(session, keys)


async def counts(session: AsyncSession, keys: list[ExecutionKey]) -> tuple[int, int]:
    """Return the numbers of nodes and tasks of executions."""
    found = []
    for row in (NodeExecutionRow, TaskExecutionRow):
        key = tuple_(row.execution_project, row.execution_domain, row.execution_name)
        found.append(await session.scalar(select(func.count()).select_from(row).where(key.in_(keys))) or 0)
    return found[0], found[1]


async def _keeps_values(session: AsyncSession, keys: list[ExecutionKey]) -> bool:
    """Whether artifacts can contain values of these executions.

    They have produced some, or an execution that is gone has, and had inputs of these. Those with inputs that are not
    gone keep a tree from being removed at all.
    """
    for first in range(0, len(keys), _AT_ONCE):
        page = keys[first : first + _AT_ONCE]
        produced = select(NamedArtifactRow.id).where(_of(NamedArtifactRow, KEY, page))
        referred = select(ValueReferenceRow.source_name).where(_of(ValueReferenceRow, SOURCE, page))
        for query in (produced, referred):
            if (await session.execute(query.limit(1))).first() is not None:
                return True
    return False


async def _refer_to_origin(session: AsyncSession, keys: list[ExecutionKey]) -> None:
    """Record that values of a recovered or forked execution can be those of its origin, as its own row goes."""
    row, origin = ExecutionRow, aliased(ExecutionRow)
    found = (
        select(*(getattr(origin, name) for name in KEY), *(getattr(row, name) for name in KEY))
        .join(origin, origin.id == row.source_execution_id)
        .where(_of(row, KEY, keys), row.mode == RECOVERED)
    )
    statement = postgresql.insert(ValueReferenceRow).from_select([*SOURCE, *KEY], found)
    await session.execute(statement.on_conflict_do_nothing())


async def _end_pauses(session: AsyncSession, keys: list[ExecutionKey]) -> None:
    """End the pauses of executions and their nodes: the next execution of the name must not be paused."""
    row = PauseRow
    mine = row.kind.in_(("EXECUTION", "NODE")) & _of(row, ("project", "domain", "name"), keys)
    await session.execute(update(row).where(mine, row.is_active).values(is_active=False, undelivered=False))


def _of(row: type[Base], columns: tuple[str, ...], keys: list[ExecutionKey]) -> ColumnElement[bool]:
    return tuple_(*(getattr(row, name) for name in columns)).in_(keys)
