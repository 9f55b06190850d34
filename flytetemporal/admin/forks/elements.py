"""Which elements of map tasks a fork reuses: those that have succeeded by now in an array that has not."""

from collections.abc import Sequence

from flyteidl.admin import task_execution_pb2
from sqlalchemy import select

from flytetemporal.admin.base import execution_rows, stored_messages
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import TaskExecutionRow
from flytetemporal.admin.forks.planning import Plan
from flytetemporal.admin.forks.sources import Source
from flytetemporal.contracts.v1 import fork_pb2
from flytetemporal.idl import phases

# Characters of the list of elements in an answer.
LIMIT = 1000


async def add(deps: Dependencies, source: Source, plan: Plan) -> None:
    """Add to the answers of a plan which elements of its arrays are reused."""
    arrays = [node.node_id for level in plan.reused.levels for node in level.nodes if node.elements]
    if not arrays:
        return
    row = TaskExecutionRow
    query = select(row.node_id, row.closure).where(execution_rows.of_execution(row, source.id), row.node_id.in_(arrays))
    succeeded: dict[str, set[int]] = {}
    async with deps.sessions() as session:
        for node_id, closure in await session.execute(query):
            attempt = stored_messages.parse(task_execution_pb2.TaskExecutionClosure, closure)
            found = {one.index for one in attempt.metadata.external_resources if one.phase == phases.T.SUCCEEDED}
            succeeded.setdefault(node_id, set()).update(found)
    for node_id, indexes in succeeded.items():
        _describe(plan.nodes[node_id], sorted(indexes))


def _describe(node: fork_pb2.ForkedNode, indexes: Sequence[int]) -> None:
    node.reused_element_count = len(indexes)
    node.reused_elements = _ranges(indexes)


def _ranges(indexes: Sequence[int]) -> str:
    """Return sorted indexes as ``0-3, 7``, cut at ``LIMIT`` characters."""
    runs: list[list[int]] = []
    for index in indexes:
        if runs and index == runs[-1][-1] + 1:
            runs[-1][1:] = [index]
        else:
            runs.append([index])
    text = ", ".join("-".join(map(str, run)) for run in runs)
    return text if len(text) <= LIMIT else text[:LIMIT].rpartition(",")[0] + ", ..."
