"""GetExecutionMetrics: load the records of an execution and its children. ``metric_spans`` builds the tree of spans.

Metrics of our own processes, for Prometheus, are not here.
"""

from flyteidl.admin import execution_pb2, workflow_pb2
from flyteidl.core import compiler_pb2, identifier_pb2
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.base import execution_lookup, stored_messages
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import WorkflowRow
from flytetemporal.admin.events import event_rows
from flytetemporal.admin.executions import metric_spans
from flytetemporal.admin.executions.metric_spans import Recorded


async def get_metrics(
    deps: Dependencies, request: execution_pb2.WorkflowExecutionGetMetricsRequest
) -> execution_pb2.WorkflowExecutionGetMetricsResponse:
    """Return the spans of an execution, ``depth`` levels deep; all levels if ``depth`` is negative."""
    execution_lookup.check_execution_id(request.id, given=request.HasField("id"))
    recorded = await _load(deps, request.id, request.depth)
    return execution_pb2.WorkflowExecutionGetMetricsResponse(span=metric_spans.of_execution(recorded, request.depth))


async def _load(deps: Dependencies, identifier: identifier_pb2.WorkflowExecutionIdentifier, depth: int) -> Recorded:
    recorded, uris = Recorded(identifier), dict[str, str]()
    async with deps.sessions() as session:
        row = await execution_lookup.execution(session, identifier)
        stored_messages.merge(recorded.closure, row.closure)
        if depth == 0:
            return recorded
        query = select(WorkflowRow.remote_closure_identifier).where(WorkflowRow.id == row.workflow_id)
        definition_uri = (await session.execute(query)).scalar_one_or_none()
        await _load_nodes(session, recorded, uris)
        await _load_tasks(session, recorded)
    if definition_uri:
        definition = await stored_messages.load(deps.blobs, definition_uri, workflow_pb2.WorkflowClosure)
        recorded.definition.CopyFrom(definition.compiled_workflow)
    for node_id, uri in uris.items():
        recorded.dynamic[node_id] = await stored_messages.load(deps.blobs, uri, compiler_pb2.CompiledWorkflowClosure)
    if depth != 1:  # A child is two levels down: the launch plan node, then the child execution itself.
        await _load_children(deps, recorded, depth - 2)
    return recorded


async def _load_children(deps: Dependencies, recorded: Recorded, depth: int) -> None:
    for level in list(recorded.levels.values()):
        for node in level:
            child = node.closure.workflow_node_metadata.executionId
            if child.name:
                recorded.children[node.id.node_id] = await _load(deps, child, depth)


async def _load_nodes(session: AsyncSession, recorded: Recorded, dynamic_uris: dict[str, str]) -> None:
    for node_id, state in (await event_rows.load_nodes(session, recorded.id)).items():
        recorded.levels.setdefault(state.parent_node_id, []).append(state.execution)
        if state.dynamic_closure_uri:
            dynamic_uris[node_id] = state.dynamic_closure_uri


async def _load_tasks(session: AsyncSession, recorded: Recorded) -> None:
    attempts = [state.execution for state in (await event_rows.load_tasks(session, recorded.id)).values()]
    for attempt in sorted(attempts, key=lambda found: found.id.retry_attempt):
        recorded.tasks.setdefault(attempt.id.node_execution_id.node_id, []).append(attempt)
