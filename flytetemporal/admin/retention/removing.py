"""Begin to remove executions: in one transaction they are gone for all readers, and recorded as work for the loop.

Everything else that belongs to them follows in ``finishing``, and is no longer found by anyone in between: nodes, tasks
and files are only found through their execution.
"""

from sqlalchemy import Table, delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.artifacts.models import NamedArtifactRow
from flytetemporal.admin.base.models import ExecutionRow, NodeExecutionRow, TaskExecutionRow
from flytetemporal.admin.base.outbox_rows import CloudEventRow
from flytetemporal.admin.retention.models import RemovalRow
from flytetemporal.admin.retention.trees import Tree
from flytetemporal.db.orm import Base
from flytetemporal.idl.identifiers import ExecutionKey

KEY = ("execution_project", "execution_domain", "execution_name")
# Many rows, which are removed in batches.
_LATER = {NodeExecutionRow.__tablename__, TaskExecutionRow.__tablename__}
# Artifacts outlive the execution that has produced them, and events wait for their sink.
_KEPT = {NamedArtifactRow.__tablename__, CloudEventRow.__tablename__}
_AT_ONCE = 1000


async def begin(session: AsyncSession, tree: Tree, removed_by: str, reason: str) -> None:
    """Remove the executions of a tree that need not be kept. Its rows are locked by the same transaction."""
    for first in range(0, len(tree.keys), _AT_ONCE):
        keys = tree.keys[first : first + _AT_ONCE]
        producers = await _producers(session, keys)
        session.add_all(
            RemovalRow(
                kind="execution",
                project=project,
                domain=domain,
                name=name,
                removed_by=removed_by,
                reason=reason,
                keeps_values=(project, domain, name) in producers,
            )
            for project, domain, name in keys
        )
        for table in _tables():
            await session.execute(delete(table).where(tuple_(*(table.c[name] for name in KEY)).in_(keys)))


async def counts(session: AsyncSession, keys: list[ExecutionKey]) -> tuple[int, int]:
    """Return the numbers of nodes and tasks of executions."""
    found = []
    for row in (NodeExecutionRow, TaskExecutionRow):
        key = tuple_(row.execution_project, row.execution_domain, row.execution_name)
        found.append(await session.scalar(select(func.count()).select_from(row).where(key.in_(keys))) or 0)
    return found[0], found[1]


async def _producers(session: AsyncSession, keys: list[ExecutionKey]) -> set[ExecutionKey]:
    """Return the executions that have produced artifacts, which can refer to values in their folders."""
    row = NamedArtifactRow
    key = (row.execution_project, row.execution_domain, row.execution_name)
    found = await session.execute(select(*key).where(tuple_(*key).in_(keys)).distinct())
    return {(project, domain, name) for project, domain, name in found}


def _tables() -> list[Table]:
    """Return the tables whose rows belong to an execution, the execution itself last."""
    last = ExecutionRow.__tablename__
    tables = [table for table in Base.metadata.tables.values() if set(KEY) <= set(table.c.keys())]
    return sorted((table for table in tables if table.name not in _LATER | _KEPT), key=lambda table: table.name == last)
