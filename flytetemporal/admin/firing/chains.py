"""How many triggers have led to an execution, one after the other."""

from flyteidl.admin import execution_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import Integer, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from flytetemporal.admin.base import execution_rows
from flytetemporal.admin.base.models import ExecutionRow

TRIGGER = execution_pb2.ExecutionMetadata.TRIGGER
# Relaunches and children are steps, too, so a chain can be longer than its number of triggers.
MOST_STEPS = 1000


async def length(session: AsyncSession, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> int:
    """Return how many executions of triggers there are among an execution and those that it comes from."""
    first, above = aliased(ExecutionRow), aliased(ExecutionRow)
    start = select(first.source_execution_id, first.mode, literal(1, Integer).label("step")).where(
        execution_rows.of_execution(first, execution_id)
    )
    chain = start.cte("chain", recursive=True)
    chain = chain.union_all(
        select(above.source_execution_id, above.mode, chain.c.step + 1)
        .join(chain, above.id == chain.c.source_execution_id)
        .where(chain.c.step < MOST_STEPS)
    )
    query = select(func.count()).select_from(chain).where(chain.c.mode == TRIGGER)
    return int((await session.execute(query)).scalar_one())
